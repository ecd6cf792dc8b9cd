"""The options of flakesync-nightly: which commands they make, and what is refused."""

import shutil
from pathlib import Path

import pytest

from tests.nightly.fake import Fake, install

DRIFT = ["drift --quiet --markdown", "drift --quiet --markdown --at update"]
ALL = ["sync", "publish", "land --no-merge", "status --quiet", *DRIFT]
PAGE = ["sync --json-file=sync.json", *ALL[1:], "report page"]


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    return Fake(tmp_path / "place")


@pytest.mark.parametrize(
    ("options", "commands"),
    [
        ([], ALL),
        (["--workspace", "", "--steps=", "--report", "", "--history="], ALL),
        (["--steps", " \n\t "], ALL),
        (["--report", "page"], PAGE),
        (["--report=page", "--steps=sync publish land drift report"], PAGE),
        (["--report", "page", "--history", "https://a.example/h.jsonl"], [*PAGE[:-1], "report page --history=h.jsonl"]),
        (["--report", "page", "--steps", "drift"], DRIFT),
        (["--steps", "drift"], DRIFT),
        (["--steps", "sync"], ["sync"]),
        (["--steps", "land\nsync"], ["sync", "land --no-merge", "status --quiet"]),
        (["--steps", "publish"], ["publish", "status --quiet"]),
        (["--steps", "report", "--report", "page"], ["report page"]),
        (["--merge"], ["sync", "publish", "land", *ALL[3:]]),
        (["--strict"], ALL),
        (["--report", "-page", "--steps", "report"], ["report -page"]),
    ],
)  # fmt: skip
def test_options_choose_the_commands_of_a_night(fake: Fake, options: list[str], commands: list[str]) -> None:
    ran = fake.night(*options)
    assert (ran.status, ran.steps) == (0, commands), ran.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--steps", "sync land push"], "there is no step push; the steps are sync, publish, land, drift and report"),
        (["--steps", "sync,land"], "there is no step sync,land; the steps are sync, publish, land, drift and report"),
        (["--steps", "*"], "there is no step *; the steps are sync, publish, land, drift and report"),
        (["--steps", "sync report"], "the step report needs --report DIR"),
        (["--history", "a"], "--history goes with --report DIR"),
        (["--report"], "--report needs a value"),
        (["--marge"], "there is no option --marge; --help lists them"),
        (["--merge=yes"], "there is no option --merge=yes; --help lists them"),
        (["-w", "a"], "there is no option -w; --help lists them"),
        (["one", "two"], "only one SUMMARY can be given"),
        (["missing/summary.md"], "the summary cannot be written"),
        (["--report", "file/page"], "the folder of the report cannot be made"),
    ],
)
def test_what_is_not_an_option_ends_before_anything_is_done(fake: Fake, options: list[str], said: str) -> None:
    (fake.folder / "file").touch()
    ran = fake.night(*options)
    assert (ran.status, ran.out, ran.commands) == (2, "", [])
    assert ran.err.splitlines()[-1] == f"flakesync-nightly: {said}"


@pytest.mark.parametrize("name", ["plain", "two words", 'it\'s "quoted"', "$(touch gone)", "a\nb", "-w", "*"])
def test_a_workspace_of_any_name_is_one_argument(fake: Fake, name: str) -> None:
    (fake.folder / name).mkdir()
    file = f"{name}/workspace.toml"
    for given in (name, file):
        ran = fake.night("--workspace", given, "--steps", "sync drift", "--report", f"{name}/page", f"./{name}/summary")
        assert ran.status == 0, ran.err
        assert [command[-1] for command in ran.commands] == [f"--workspace={file}"] * 3
        page = f"./{name}/page" if name.startswith("-") else f"{name}/page"
        assert f"--json-file={page}/sync.json" in ran.commands[0]
    assert sorted(path.name for path in (fake.folder / name).iterdir()) == ["page", "summary"]
    assert [path.name for path in fake.folder.iterdir()] == [name]


@pytest.mark.parametrize(
    ("ends", "options", "status"),
    [
        ({"report": 2}, [], 2),
        ({"report": 1}, [], 1),
        ({"report": 3}, [], 3),
        ({"sync": 3, "report": 2}, [], 3),
        ({"sync": 1, "report": 2}, [], 2),
        ({"land": 4}, [], 0),
        ({"drift": 1}, ["--steps", "drift"], 1),
        ({"report": 143}, [], 143),
    ],
)
def test_a_page_that_cannot_be_made_is_a_worse_night_and_nothing_else(
    tmp_path: Path, ends: dict[str, int], options: list[str], status: int
) -> None:
    fake = Fake(tmp_path / "place", ends)
    ran = fake.night("--report", "page", *options)
    assert ran.status == status
    assert len(ran.commands) == (2 if options else 7)


def test_what_sync_did_the_night_before_is_not_shown_as_tonight_s(tmp_path: Path) -> None:
    fake = Fake(tmp_path / "place", {"sync": 3})
    old = fake.folder / "page" / "sync.json"
    old.parent.mkdir()
    old.write_text("{}")
    assert fake.night("--report", "page", "--steps", "drift report").status == 0
    assert old.exists(), "no sync since"
    assert fake.night("--report", "page").status == 3
    assert not old.exists()


def test_a_strict_night_fails_by_base_branches_that_are_behind(tmp_path: Path) -> None:
    fake = Fake(tmp_path / "place")
    # Only of the base branches is there a finding.
    real = fake.bin / "real"
    (fake.bin / "flakesync").rename(real)
    (fake.bin / "flakesync").write_text(
        f'#!/bin/sh\n"{real}" "$@"\ncase "$*" in *update) exit 0 ;; drift*) exit 1 ;; esac\n'
    )
    (fake.bin / "flakesync").chmod(0o755)
    assert fake.night().status == 0
    assert fake.night("--strict").status == 1


def test_without_a_flakesync_nothing_is_done(fake: Fake) -> None:
    (fake.bin / "flakesync").unlink()
    lean = fake.root / "lean"
    lean.mkdir()
    for name in ("sh", "date", "cat", "mkdir"):
        (lean / name).symlink_to(shutil.which(name) or name)
    ran = fake.night(PATH=f"{fake.bin}:{lean}")
    assert (ran.status, ran.out, ran.err) == (2, "", "flakesync-nightly: there is no flakesync on PATH\n")


def test_the_flakesync_beside_the_script_comes_first(fake: Fake) -> None:
    other = fake.root / "environment"
    other.mkdir()
    install(other, fake.log, {"sync": 1})
    assert fake.night("--steps", "sync").status == 0
    assert fake.run([str(other / "flakesync-nightly"), "--steps", "sync"]).status == 1


def test_help_has_every_option_and_fits_a_terminal(fake: Fake) -> None:
    ran = fake.night("--help")
    assert (ran.status, ran.err, ran.commands) == (0, "", [])
    assert max(len(line) for line in ran.out.splitlines()) < 80
    for option in ("--workspace", "--steps", "--report", "--history", "--merge", "--strict"):
        assert f"  {option}" in ran.out
    assert fake.night("-h").out == ran.out


def test_the_summary_is_added_to(fake: Fake) -> None:
    summary = fake.folder / "summary.md"
    summary.write_text("before\n")
    ran = fake.night("--steps", "drift", "summary.md")
    assert (ran.status, ran.out) == (0, "")
    assert summary.read_text().startswith("before\n# Flakes, night of ")
    assert summary.read_text().endswith("\nanswer of drift\n\nanswer of drift\n\n")


@pytest.mark.parametrize("summary", ["/dev/full", ""])
def test_a_night_that_cannot_be_told_of_goes_on_and_ends_with_2(fake: Fake, summary: str) -> None:
    nowhere = '"$@"' if summary else '"$@" >/dev/full'
    ran = fake.run(["sh", "-c", nowhere, "sh", "flakesync-nightly", summary])
    assert (ran.status, ran.steps) == (2, ALL)


@pytest.mark.parametrize("command", ["sync", "publish", "status", "drift", "report"])
def test_the_summary_names_the_command_that_could_not_run(command: str, tmp_path: Path) -> None:
    fake = Fake(tmp_path / "place", {command: 2})
    ran = fake.night("--report", "page")
    assert ran.status == 2
    assert f"- `flakesync {command}`: **could not run** (exit status 2), the log says why\n" in ran.out
    assert ran.out.count("could not run") == 1


def test_bash_runs_it_as_sh_does(fake: Fake) -> None:
    ran = fake.run(["bash", str(fake.bin / "flakesync-nightly"), "--report", "page"])
    assert (ran.status, ran.steps) == (0, PAGE)
