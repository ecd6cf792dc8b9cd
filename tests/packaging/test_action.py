"""action.yml: its shell steps, as a runner runs them, with any input."""

import re
from pathlib import Path

import pytest

from flakesync import __version__
from tests.nightly import recipes
from tests.nightly.fake import Fake, install
from tests.nightly.ways import TOKEN, action

NAMES = ["two words", 'it\'s "quoted"', "$(touch gone) `touch gone`", "a\nb", "-w", "*", "; touch gone", "${{ 1 }}"]


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    return Fake(tmp_path / "place")


def outputs(fake: Fake) -> str:
    return (fake.root / "output").read_text()


@pytest.mark.parametrize(
    ("ends", "status"),
    [({}, 0), ({"sync": 1}, 1), ({"drift": 1}, 1), ({"sync": 2}, 2), ({"land": 4}, 0), ({"report": 2}, 2)],
)
def test_the_step_ends_as_the_night_does_and_its_output_says_how(
    tmp_path: Path, ends: dict[str, int], status: int
) -> None:
    fake = Fake(tmp_path / "place", ends)
    assert action(fake, report="page").status == status
    assert outputs(fake) == f"exit-status={status}\n"
    assert (fake.root / "step_summary").read_text().startswith("# Flakes, night of ")


def test_an_exit_status_that_the_script_does_not_have_today_is_passed_on(fake: Fake) -> None:
    (fake.bin / "flakesync-nightly").write_text("#!/bin/sh\nexit 4\n")
    assert action(fake).status == 4
    assert outputs(fake) == "exit-status=4\n"


@pytest.mark.parametrize("name", NAMES)
def test_any_input_is_data(fake: Fake, name: str) -> None:
    (fake.folder / name).mkdir()
    ran = action(fake, workspace=name, report=f"{name}/page", history=f"{name}/history.jsonl")
    assert ran.status == 0, ran.err
    assert {command[-1] for command in ran.commands} == {f"--workspace={name}/workspace.toml"}
    page = f"./{name}/page" if name.startswith("-") else f"{name}/page"
    assert ran.commands[-1][:3] == ["report", page, f"--history={name}/history.jsonl"]
    assert [path.name for path in fake.folder.iterdir()] == [name]


@pytest.mark.parametrize("name", NAMES)
def test_steps_that_are_none_are_refused_whatever_they_are(fake: Fake, name: str) -> None:
    ran = action(fake, steps=name)
    assert (ran.status, ran.commands) == (2, [])
    assert outputs(fake) == "exit-status=2\n"
    assert list(fake.folder.iterdir()) == []


@pytest.mark.parametrize(("input", "command"), [("merge", "land"), ("strict", "land --no-merge")])
def test_switches_are_true_or_false(fake: Fake, input: str, command: str) -> None:
    ran = action(fake, **{input: "true"})
    assert (ran.status, ran.steps[2]) == (0, command)
    for other in ("True", "yes", "", "$(touch gone)"):
        ran = action(fake, **{input: other})
        assert (ran.status, ran.commands) == (2, [])
        assert ran.out == f"::error::{input} has to be true or false\n"


def test_a_strict_step_fails_by_base_branches_that_are_behind(tmp_path: Path) -> None:
    fake = Fake(tmp_path / "place", {"drift": 1})
    assert action(fake, steps="drift").status == 1, "of update branches"
    assert action(fake, steps="sync", strict="true").status == 0


def test_the_token_is_in_the_environment_and_nowhere_else(fake: Fake) -> None:
    ran = action(fake, token=TOKEN)
    assert ran.tokens == {TOKEN}
    assert TOKEN not in ran.out + ran.err + str(ran.commands)
    assert [path for path in fake.root.rglob("*") if path.is_file() and TOKEN in path.read_text()] == []
    assert action(fake).tokens == {""}


def test_the_version_of_the_action_is_installed_with_its_constraints_and_run(fake: Fake) -> None:
    venv = fake.root / "temp" / "flakesync"
    (fake.bin / "python3").write_text(
        f'#!/bin/sh\n[ "$*" = "-m venv {venv}" ] && mkdir -p {venv}/bin && cp {fake.bin}/pip {venv}/bin\n'
    )
    (fake.bin / "pip").write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" >{fake.root}/pip\n")
    for name in ("python3", "pip"):
        (fake.bin / name).chmod(0o755)
    assert action(fake, "Install flakesync", version=__version__).status == 0
    wanted = ["install", "--quiet", "--constraint", str(recipes.TOP / "constraints.txt"), f"flakesync=={__version__}"]
    assert (fake.root / "pip").read_text().splitlines() == wanted
    install(venv / "bin", fake.log, {"sync": 1})
    assert action(fake, version=__version__).status == 1, "the installed one"
    assert action(fake).status == 0, "without a version the one on PATH"


def test_without_a_version_nothing_is_installed(fake: Fake) -> None:
    (fake.bin / "python3").write_text("#!/bin/sh\nexit 1\n")
    (fake.bin / "python3").chmod(0o755)
    assert action(fake, "Install flakesync").status == 0
    assert action(fake, "Install flakesync", version="1").status == 1


def test_no_expression_stands_in_a_script_and_every_input_is_used() -> None:
    inputs = recipes.load(recipes.ACTION)["inputs"]
    used = set()
    for step in recipes.action_steps():
        assert "${{" not in step.script
        used |= {name for text in step.env.values() for name in re.findall(r"inputs\.([a-z]+)", text)}
    assert used == inputs.keys()
    assert all(each["description"] and "default" in each for each in inputs.values())
