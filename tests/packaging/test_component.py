"""templates/*.yml: header and body are what GitLab takes, for every value of every input, and inputs are data."""

import re
from itertools import product
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.nightly import recipes
from tests.nightly.fake import Fake
from tests.nightly.recipes import COMPONENT, COMPONENTS, DRIFT_COMPONENT
from tests.nightly.schemas import faults
from tests.nightly.ways import pipeline

VALUES: dict[str, list[str | bool]] = {
    "stage": ["test", "flakesync", "my stage"],
    "image": ["debian:trixie-slim", "registry.example.com:5000/acme/ci@sha256:" + "0" * 64],
    "version": ["0.1.0", "1.2.3rc1"],
    "workspace": [".", "ops/workspace.toml", "two words", "it's", "$(touch gone) `touch gone`", "$HOME", "*", "#x: y"],
    "steps": ["sync publish land drift report", "report", "drift"],
    "report": ["flakesync-report", "public", "a/b.c"],
    "history": ["", "https://acme.pages.example/workspace/history.jsonl", "$CI_PAGES_URL/history.jsonl", "it's.jsonl"],
    "merge": [True, False],
    "strict": [True, False],
}
REFUSED: dict[str, list[str]] = {
    "version": ["", "0.1.0 other", "0.1.0\nx", "$X"],
    "workspace": ["", 'a"b', "a\\b", "a\nb", 'x"\n  script: [evil]', "a\tb"],
    "steps": ["", "push", "sync,land", "sync  land", "$(sync)", "sync\nland"],
    "report": ["", "/etc", "-x", "$HOME", "a b", 'a"b', "a\nb"],
    "history": ['a"b', "a\\b", "a\nb"],
}
GITLAB_CI = "gitlab-ci"
TAKEN = [(path, name) for path in COMPONENTS for name in recipes.component_inputs(path)]


def accepted(path: Path, name: str, value: object) -> bool:
    """Whether the header of a component lets a value in."""
    given = recipes.component_inputs(path)[name]
    if given.get("type") == "boolean":
        return isinstance(value, bool)
    return re.search(given.get("regex", ""), str(value)) is not None


@pytest.mark.parametrize("path", COMPONENTS, ids=lambda path: path.stem)
def test_the_header_is_a_header(path: Path) -> None:
    header = YAML(typ="safe").load(path.read_text().partition("\n---\n")[0])
    assert faults(GITLAB_CI, header) == []
    assert faults(GITLAB_CI, {"spec": {"input": {}}})
    assert faults(GITLAB_CI, {"spec": {"inputs": {"strict": {"type": "bool"}}}})
    for name, each in header["spec"]["inputs"].items():
        assert each.keys() <= {"description", "default", "regex", "type"}, "the schema lets any key in"
        assert each["description"].endswith(".")
        assert accepted(path, name, each["default"]), name


@pytest.mark.parametrize(("path", "name"), TAKEN, ids=lambda value: getattr(value, "stem", value))
def test_every_value_of_an_input_makes_a_pipeline(path: Path, name: str) -> None:
    for value in VALUES[name]:
        assert accepted(path, name, value), value
        assert faults(GITLAB_CI, recipes.component_body(path, **{name: value})) == [], value
    for value in REFUSED.get(name, []):
        assert not accepted(path, name, value), value


def test_a_body_that_is_no_pipeline_is_seen() -> None:
    body = recipes.component_body(COMPONENT)
    body["flakesync-nightly"]["scripts"] = body["flakesync-nightly"].pop("script")
    assert faults(GITLAB_CI, body)


@pytest.mark.parametrize("path", COMPONENTS, ids=lambda path: path.stem)
def test_inputs_stand_in_no_script_and_each_is_used(path: Path) -> None:
    text = path.read_text().partition("\n---\n")[2]
    assert set(re.findall(r"\$\[\[ inputs\.([a-z]+) \]\]", text)) == recipes.component_inputs(path).keys()
    (job,) = YAML(typ="safe").load(text).values()
    assert "$[[" not in str([job[part] for part in ("before_script", "script", "after_script")])


@pytest.mark.parametrize("name", VALUES["workspace"])
@pytest.mark.parametrize("path", COMPONENTS, ids=lambda path: path.stem)
def test_any_workspace_is_data(path: Path, name: str, tmp_path: Path) -> None:
    fake = Fake(tmp_path / "place")
    ran = pipeline(fake, path, workspace=name)
    assert ran.status == 0, ran.err
    wanted = f"--workspace={name}/workspace.toml" if name == "." else f"--workspace={name}"
    assert {command[-1] for command in ran.commands} == {wanted}
    assert {each.name for each in fake.folder.iterdir()} <= {"flakesync.md", "flakesync-report"}


@pytest.mark.parametrize(("merge", "strict"), [*product((True, False), repeat=2)])
def test_switches_become_options(tmp_path: Path, merge: bool, strict: bool) -> None:
    fake = Fake(tmp_path / "place", {"drift": 1})
    ran = pipeline(fake, COMPONENT, merge=merge, strict=strict)
    assert ran.steps[2] == ("land" if merge else "land --no-merge")
    assert ran.status == 1


def test_the_report_and_its_history_are_where_the_inputs_say(tmp_path: Path) -> None:
    fake = Fake(tmp_path / "place")
    ran = pipeline(fake, COMPONENT, report="public", history="$CI_PAGES_URL/history.jsonl")
    url = "--history=https://acme.pages.example/workspace/history.jsonl"
    assert ran.commands[-1] == ["report", "public", url, "--workspace=./workspace.toml"]
    job = recipes.component_body(COMPONENT, report="public")["flakesync-nightly"]
    assert "public" in job["artifacts"]["paths"]
    assert "public" in job["cache"]["paths"]


@pytest.mark.parametrize(("strict", "ends", "status"), [(False, 0, 0), (False, 1, 1), (True, 1, 1), (False, 2, 2)])
def test_the_drift_job_only_looks(tmp_path: Path, strict: bool, ends: int, status: int) -> None:
    fake = Fake(tmp_path / "place", {"drift": ends})
    ran = pipeline(fake, DRIFT_COMPONENT, strict=strict)
    assert ran.status == status
    assert {command[0] for command in ran.commands} == {"drift"}
    assert (fake.folder / "flakesync.md").read_text().startswith("# Flakes, night of ")
