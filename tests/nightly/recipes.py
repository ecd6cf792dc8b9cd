"""The recipes of examples/nightly as values, and what it takes to run their shell parts as their runners would."""

import copy
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

TOP = Path(__file__).parents[2]
NIGHTLY = TOP / "examples" / "nightly"
SCRIPT = NIGHTLY / "nightly.sh"
GITHUB = NIGHTLY / "github-actions.yml"
GITHUB_PAGES = NIGHTLY / "github-pages.yml"
GITLAB = NIGHTLY / "gitlab-ci.yml"
GITLAB_PAGES = NIGHTLY / "gitlab-pages.yml"
AUDIT_GITHUB = NIGHTLY / "audit-github-actions.yml"
AUDIT_GITLAB = NIGHTLY / "audit-gitlab-ci.yml"
SERVICE = NIGHTLY / "systemd" / "flakesync.service"
TIMER = NIGHTLY / "systemd" / "flakesync.timer"
CRONJOB = TOP / "deploy" / "kustomize" / "base" / "cronjob.yaml"
ACTION = TOP / "action.yml"
COMPONENT = TOP / "templates" / "nightly.yml"
DRIFT_COMPONENT = TOP / "templates" / "drift.yml"
PIPELINE = TOP / "examples" / "pipeline"
GITHUB_JOB = PIPELINE / "github-job.yml"
GITHUB_PIPELINE = PIPELINE / "github-workflow.yml"
GITLAB_JOB = PIPELINE / "gitlab-job.yml"
GITLAB_PIPELINE = PIPELINE / "gitlab-ci.yml"
WORKFLOWS = (GITHUB, GITHUB_PAGES, AUDIT_GITHUB, GITHUB_JOB)
PIPELINES = (GITLAB, GITLAB_PAGES, AUDIT_GITLAB)
COMPONENTS = (COMPONENT, DRIFT_COMPONENT)
PAGES = (NIGHTLY / "systemd" / "README.md", *(TOP / "docs" / name for name in ("nightly.md", "ci.md", "kubernetes.md")))


def load(path: Path) -> Any:
    """Return a YAML file as plain values."""
    return _read(path.read_text())


def _read(text: str) -> Any:
    """Return what YAML says; the values are the caller's own."""
    return copy.deepcopy(_parse(text))


@cache
def _parse(text: str) -> Any:
    # Parts of one recipe are asked for again and again, already when tests are collected.
    return YAML(typ="safe").load(text)


@dataclass(frozen=True)
class Step:
    """A `run` step of the workflow. env: its own variables, expressions in them not yet filled in."""

    name: str
    script: str
    env: Mapping[str, str]


def github_job(path: Path = GITHUB) -> Any:
    """Return the first job of a workflow."""
    return next(iter(load(path)["jobs"].values()))


def github_steps(path: Path = GITHUB) -> list[Step]:
    """Return the steps of a workflow that run a script, in their order."""
    return [Step(step["name"], step["run"], step.get("env", {})) for step in github_job(path)["steps"] if "run" in step]


def action_steps() -> list[Step]:
    """Return the steps of the action, in their order."""
    return [Step(step["name"], step["run"], step.get("env", {})) for step in load(ACTION)["runs"]["steps"]]


def fill_in(text: str, known: Mapping[str, str]) -> str:
    """Return a workflow's text with its expressions filled in. Raises KeyError for one that is not known."""
    return re.sub(r"\$\{\{\s*(.+?)\s*\}\}", lambda found: known[found[1]], text)


def gitlab_job(path: Path = GITLAB) -> Any:
    """Return the first job of a pipeline, or of a component whose inputs have their defaults."""
    document = component_body(path) if path in COMPONENTS else load(path)
    return next(value for value in document.values() if isinstance(value, dict))


def gitlab_script(*parts: str, path: Path = GITLAB) -> str:
    """Return the lines of the job's parts (`before_script`, `script`) as the one script that they are run as."""
    return "\n".join(line for part in parts for line in gitlab_job(path)[part]) + "\n"


def component_inputs(path: Path) -> dict[str, Any]:
    """Return what a component's header says of each input."""
    header = _read(path.read_text().partition("\n---\n")[0])
    inputs: dict[str, Any] = header["spec"]["inputs"]
    return inputs


def component_body(path: Path, **given: object) -> Any:
    """Return a component's body with inputs in place, as GitLab does it: in the text, before it is read as YAML."""
    values = {name: each["default"] for name, each in component_inputs(path).items()}
    unknown = given.keys() - values.keys()
    if unknown:
        raise KeyError(*unknown)

    def value(found: re.Match[str]) -> str:
        what = (values | given)[found[1]]
        return str(what).lower() if isinstance(what, bool) else str(what)

    text = path.read_text().partition("\n---\n")[2]
    return _read(re.sub(r"\$\[\[ inputs\.([a-z-]+) \]\]", value, text))


def variables(job: Any, known: Mapping[str, str]) -> dict[str, str]:
    """Return a job's own variables as GitLab gives them to it. known: variables that they may name."""
    found = {}
    for name, given in job["variables"].items():
        raw = isinstance(given, dict) and given.get("expand") is False
        text = str(given["value"] if isinstance(given, dict) else given)
        found[name] = text if raw else re.sub(r"\$(\w+)", lambda match: known.get(match[1], ""), text)
    return found


def unit_settings(path: Path, section: str) -> list[tuple[str, str]]:
    """Return what a section of a systemd unit says, in its order; a key may come several times."""
    found: list[tuple[str, str]] = []
    current = ""
    for line in path.read_text().splitlines():
        if line.startswith("["):
            current = line.strip("[]")
        elif line and not line.startswith("#") and current == section:
            key, _, value = line.partition("=")
            found.append((key, value))
    return found


def service_command(key: str) -> list[str]:
    """Return the one command of the service that `key` (`ExecStart`) names, without a leading `-`."""
    (command,) = [value for name, value in unit_settings(SERVICE, "Service") if name == key]
    return shlex.split(command.removeprefix("-"))


def service_environment(specifiers: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that the service sets. specifiers: `%S` → folder of states."""
    found: dict[str, str] = {}
    for key, value in unit_settings(SERVICE, "Service"):
        if key == "Environment":
            name, _, text = value.partition("=")
            found[name] = re.sub("%.", lambda match: specifiers[match[0]], text)
    return found


def cronjob_pod() -> Any:
    """Return what the CronJob of deploy/kustomize/base says of its pod."""
    return load(CRONJOB)["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def examples(page: Path = TOP / "docs" / "nightly.md") -> list[str]:
    """Return the examples in YAML on a page of the documentation."""
    return re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def shell_scripts() -> dict[str, str]:
    """Return every piece of shell in the recipes and on their pages, by a name for it."""
    found = {SCRIPT.name: SCRIPT.read_text()}
    for path in WORKFLOWS:
        found |= {f"{path.name}: {step.name}": f"#!/bin/bash\n{step.script}" for step in github_steps(path)}
    found |= {f"{ACTION.name}: {step.name}": f"#!/bin/bash\n{step.script}" for step in action_steps()}
    for path in (*PIPELINES, *COMPONENTS):
        parts = [part for part in ("before_script", "script", "after_script") if part in gitlab_job(path)]
        name = f"{path.parent.name}/{path.name}"
        found[name] = f"#!/bin/bash\n{gitlab_script(*parts, path=path)}"
    for page in PAGES:
        blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
        found |= {f"{page.name} {number}": f"#!/bin/sh\n{block}" for number, block in enumerate(blocks, 1)}
    return found
