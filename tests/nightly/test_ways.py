"""Recipes, action, component, unit and CronJob: the same night, at the same time, with the same outcome."""

from difflib import unified_diff
from pathlib import Path

import pytest

from tests.nightly import recipes
from tests.nightly.fake import Fake, install
from tests.nightly.ways import ways
from tests.packaging.evaluated import HOME, NIXOS, look, script, write_units
from tests.support.nix import RealNix

DRIFT = ["drift --quiet --markdown", "drift --quiet --markdown --at update"]
STEPS = ["sync", "publish", "land --no-merge", "status --quiet", *DRIFT]
WAYS = ways()


@pytest.mark.parametrize("name", WAYS)
def test_every_way_runs_the_same_commands(name: str, tmp_path: Path) -> None:
    ran = WAYS[name].start(Fake(tmp_path / "place"))
    assert ran.status == 0, ran.err
    if not WAYS[name].page:
        assert ran.steps == STEPS
        return
    assert ran.steps[:-1] == ["sync --json-file=sync.json", *STEPS[1:]]
    assert ran.steps[-1].split()[0] == "report"


@pytest.mark.parametrize("name", [name for name in WAYS if WAYS[name].at])
def test_every_night_begins_at_the_same_time(name: str) -> None:
    assert WAYS[name].at == "03:17"


@pytest.mark.parametrize(
    ("ends", "status"),
    [({}, 0), ({"sync": 1}, 1), ({"publish": 2}, 2), ({"land": 3}, 3), ({"land": 4}, 0), ({"publish": 130}, 130)],
)
@pytest.mark.parametrize("name", WAYS)
def test_every_way_ends_as_the_night_does(name: str, ends: dict[str, int], status: int, tmp_path: Path) -> None:
    assert WAYS[name].start(Fake(tmp_path / "place", ends)).status == status


@pytest.mark.parametrize("module", [NIXOS, HOME], ids=lambda module: module.stem)
def test_the_modules_run_the_same_commands_at_the_same_time(module: Path, any_nix: RealNix, tmp_path: Path) -> None:
    fake = Fake(tmp_path / "place", {"sync": 1})
    install(tmp_path / "package" / "libexec", fake.log, {"sync": 1})
    folders = {f"{name}_DIRECTORY": str(tmp_path / name.lower()) for name in ("STATE", "CACHE", "CREDENTIALS")}
    (tmp_path / "state").mkdir()
    package = f'enable = true; workspace = "{fake.folder}"; package = {{ outPath = "{tmp_path}/package"; }};'
    every = 'steps = [ "report" "drift" "land" "publish" "sync" ];'
    found, usual = look(any_nix, module, [f"{package} {every}", package])
    assert found is not None
    assert usual is not None
    ran = fake.run(["sh", "-c", script(found)], **folders)
    assert (ran.status, ran.steps) == (1, ["sync --json-file=sync.json", *STEPS[1:], "report report"])
    assert {command[-1] for command in ran.commands} == {f"--workspace={fake.folder}/workspace.toml"}
    # By themselves the modules leave landing out.
    ran = fake.run(["sh", "-c", script(usual)], **folders)
    assert [step.split()[0] for step in ran.steps] == ["sync", "publish", "status", "drift", "drift", "report"]
    assert "OnCalendar=*-*-* 03:17:00\n" in write_units(usual, tmp_path)[1].read_text()


@pytest.mark.parametrize(
    ("plain", "pages"), [(recipes.GITHUB, recipes.GITHUB_PAGES), (recipes.GITLAB, recipes.GITLAB_PAGES)]
)
def test_the_recipe_with_a_page_is_the_plain_one_but_for_the_page(plain: Path, pages: Path) -> None:
    lines, others = (
        [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")] for path in (plain, pages)
    )
    changed = [line[1:].strip() for line in unified_diff(lines, others, n=0, lineterm="") if line.startswith("-")][1:]
    assert set(changed) <= {
        'run: flakesync-nightly "$GITHUB_STEP_SUMMARY"',
        "- flakesync-nightly flakesync.md",
        "stages: [flakesync]",
        "paths: [.cache]",
        "paths: [flakesync.md]",
    }


def test_the_page_comes_out_after_a_red_night_and_no_other_job_has_the_token() -> None:
    jobs = recipes.load(recipes.GITHUB_PAGES)["jobs"]
    assert jobs["page"]["needs"] == "nightly"
    assert jobs["page"]["if"] == "${{ !cancelled() && needs.nightly.outputs.page != '' }}"
    assert "secrets." not in str(jobs["page"])
    assert "permissions" not in jobs["nightly"]
    assert jobs["page"]["permissions"] == {"pages": "write", "id-token": "write"}


def test_gitlab_publishes_what_the_night_left_and_fails_where_there_is_no_page(tmp_path: Path) -> None:
    document = recipes.load(recipes.GITLAB_PAGES)
    night, page = document["flakesync"], document["pages"]
    assert page["needs"] == ["flakesync"]
    assert page["rules"] == [{**rule, "when": "always"} for rule in night["rules"]]
    assert (night["artifacts"]["when"], page["artifacts"]["paths"]) == ("always", ["public"])
    fake = Fake(tmp_path / "place")
    script = "\n".join(page["script"])
    assert fake.bash(script).status == 1
    (fake.folder / "public").mkdir()
    (fake.folder / "public/index.html").touch()
    assert fake.bash(script).status == 0


@pytest.mark.parametrize("path", recipes.COMPONENTS, ids=lambda path: path.stem)
def test_the_component_prepares_as_the_recipe_does(path: Path) -> None:
    recipe, component = recipes.gitlab_job(recipes.GITLAB), recipes.gitlab_job(path)
    if path == recipes.COMPONENT:
        assert component["before_script"] == recipe["before_script"]
        assert component["rules"] == recipe["rules"]
    assert component["cache"]["key"] == recipe["cache"]["key"]
    kept = {name: value for name, value in component["variables"].items() if not name.startswith("NIGHTLY_")}
    assert kept.items() <= recipe["variables"].items()
