"""The recipes of examples/nightly as values, and what it takes to run their shell parts as their runners would."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

TOP = Path(__file__).parents[2]
NIGHTLY = TOP / "examples" / "nightly"
SCRIPT = NIGHTLY / "nightly.sh"
GITHUB = NIGHTLY / "github-actions.yml"
GITLAB = NIGHTLY / "gitlab-ci.yml"
AUDIT_GITHUB = NIGHTLY / "audit-github-actions.yml"
AUDIT_GITLAB = NIGHTLY / "audit-gitlab-ci.yml"
SERVICE = NIGHTLY / "systemd" / "flakesync.service"
TIMER = NIGHTLY / "systemd" / "flakesync.timer"
PAGES = (NIGHTLY / "systemd" / "README.md", TOP / "docs" / "nightly.md")


def load(path: Path) -> Any:
    """Return a YAML file as plain values."""
    return YAML(typ="safe").load(path)


@dataclass(frozen=True)
class Step:
    """A `run` step of the workflow. env: its own variables, expressions in them not yet filled in."""

    name: str
    script: str
    env: Mapping[str, str]


def github_job(path: Path = GITHUB) -> Any:
    """Return the one job of a workflow."""
    (job,) = load(path)["jobs"].values()
    return job


def github_steps(path: Path = GITHUB) -> list[Step]:
    """Return the steps of a workflow that run a script, in their order."""
    return [Step(step["name"], step["run"], step.get("env", {})) for step in github_job(path)["steps"] if "run" in step]


def fill_in(text: str, known: Mapping[str, str]) -> str:
    """Return a workflow's text with its expressions filled in. Raises KeyError for one that is not known."""
    return re.sub(r"\$\{\{\s*(.+?)\s*\}\}", lambda found: known[found[1]], text)


def gitlab_job(path: Path = GITLAB) -> Any:
    """Return the one job of a pipeline."""
    (job,) = (value for value in load(path).values() if isinstance(value, dict))
    return job


def gitlab_script(*parts: str, path: Path = GITLAB) -> str:
    """Return the lines of the job's parts (`before_script`, `script`) as the one script that they are run as."""
    return "\n".join(line for part in parts for line in gitlab_job(path)[part]) + "\n"


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


def shell_scripts() -> dict[str, str]:
    """Return every piece of shell in the recipes and on their pages, by a name for it."""
    found = {SCRIPT.name: SCRIPT.read_text()}
    for path in (GITHUB, AUDIT_GITHUB):
        found |= {f"{path.name}: {step.name}": f"#!/bin/bash\n{step.script}" for step in github_steps(path)}
    gitlab = gitlab_script("before_script", "script", "after_script")
    found[GITLAB.name] = f"#!/bin/bash\n{gitlab}"
    found[AUDIT_GITLAB.name] = f"#!/bin/bash\n{gitlab_script('before_script', 'script', path=AUDIT_GITLAB)}"
    for page in PAGES:
        blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
        found |= {f"{page.name} {number}": f"#!/bin/sh\n{block}" for number, block in enumerate(blocks, 1)}
    return found
