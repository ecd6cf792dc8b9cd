"""Each recipe passes a linter for its format, and the linters are awake: a planted fault is seen."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flakesync import __version__
from tests.nightly import recipes
from tests.nightly.recipes import AUDIT_GITHUB, AUDIT_GITLAB, GITHUB, GITLAB, SERVICE, TIMER

BIN = Path(sys.executable).parent
GITHUB_SCHEMA = ("--builtin-schema", "vendor.github-workflows")
GITLAB_SCHEMA = ("--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci")
NEEDS_SYSTEMD = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def lint(*argv: str) -> subprocess.CompletedProcess[str]:
    program = BIN / argv[0]
    assert program.exists(), f"{argv[0]} is among the test dependencies"
    return subprocess.run([program, *argv[1:]], capture_output=True, text=True, check=False)


def passes(*argv: str) -> None:
    ran = lint(*argv)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def spoiled(path: Path, old: str, new: str, folder: Path) -> str:
    """Return the name of a copy of `path` in `folder` with a fault in it."""
    text = path.read_text()
    assert old in text
    copy = folder / path.name
    copy.write_text(text.replace(old, new))
    return str(copy)


def test_the_workflows_are_workflows(tmp_path: Path) -> None:
    passes("check-jsonschema", *GITHUB_SCHEMA, str(GITHUB), str(AUDIT_GITHUB))
    bad = spoiled(GITHUB, "runs-on:", "run-on:", tmp_path)
    assert lint("check-jsonschema", *GITHUB_SCHEMA, bad).returncode == 1


def test_the_workflows_have_no_known_weakness(tmp_path: Path) -> None:
    passes("zizmor", "--offline", "--no-config", "--persona", "auditor", str(GITHUB), str(AUDIT_GITHUB))
    bad = spoiled(GITHUB, "persist-credentials: false", "persist-credentials: true", tmp_path)
    assert "artipacked" in lint("zizmor", "--offline", "--no-config", "--persona", "auditor", bad).stdout


def test_the_pipelines_are_pipelines(tmp_path: Path) -> None:
    passes("check-jsonschema", *GITLAB_SCHEMA, str(GITLAB), str(AUDIT_GITLAB))
    bad = spoiled(GITLAB, "resource_group: flakesync", "resource_groups: flakesync", tmp_path)
    assert lint("check-jsonschema", *GITLAB_SCHEMA, bad).returncode == 1


@NEEDS_SYSTEMD
def test_the_units_are_units(tmp_path: Path) -> None:
    ran = analyze("verify", "--man=no", str(SERVICE), str(TIMER))
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    bad = spoiled(SERVICE, "Type=oneshot", "Type=oneshoot", tmp_path)
    assert "oneshoot" in analyze("verify", "--man=no", bad).stderr
    for _, when in [pair for pair in recipes.unit_settings(TIMER, "Timer") if pair[0] == "OnCalendar"]:
        assert analyze("calendar", when).returncode == 0


@NEEDS_SYSTEMD
def test_the_service_is_fenced_in() -> None:
    ran = analyze("security", "--offline=true", "--threshold=45", str(SERVICE))
    if "--offline" in ran.stderr:
        pytest.skip("this systemd-analyze looks at running units only")
    assert ran.returncode == 0, ran.stdout[-400:]


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    argv = ["systemd-analyze", "--no-pager", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", recipes.shell_scripts())
def test_the_shell_parts_are_sound(name: str, tmp_path: Path) -> None:
    file = tmp_path / "script"
    file.write_text(recipes.shell_scripts()[name])
    # What is meant to be expanded by git's shell later stands in single quotes.
    passes("shellcheck", "--exclude", "SC2016", str(file))


def test_an_unsound_shell_part_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "script"
    file.write_text("#!/bin/sh\nrm -rf $1/*\n")
    assert lint("shellcheck", str(file)).returncode == 1


def test_the_recipes_install_this_version() -> None:
    wanted = f"flakesync=={__version__}"
    for path in (GITHUB, AUDIT_GITHUB):
        assert recipes.github_job(path)["env"]["FLAKESYNC"] == wanted
    for path in (GITLAB, AUDIT_GITLAB):
        assert recipes.gitlab_job(path)["variables"]["FLAKESYNC"] == wanted
    assert any(wanted in page.read_text() for page in recipes.PAGES)


@pytest.mark.parametrize(("path", "number"), [(GITHUB, 4), (AUDIT_GITHUB, 3)])
def test_foreign_actions_are_pinned_to_commits(path: Path, number: int) -> None:
    used = [step["uses"] for step in recipes.github_job(path)["steps"] if "uses" in step]
    assert len(used) == number
    assert all(len(name.partition("@")[2]) == 40 for name in used)


def test_a_night_is_neither_doubled_nor_cut_off() -> None:
    assert recipes.load(GITHUB)["concurrency"] == {"group": "flakesync", "cancel-in-progress": False}
    job = recipes.gitlab_job()
    assert (job["resource_group"], job["interruptible"]) == ("flakesync", False)
    assert ("Type", "oneshot") in recipes.unit_settings(SERVICE, "Service")
