"""The audits of one repository, as their runners would run them: of a poisoned pull request, and by night."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.nightly import recipes
from tests.nightly.recipes import AUDIT_GITHUB, AUDIT_GITLAB
from tests.support import locks
from tests.support.repos import run_git
from tests.support.workspaces import flake_nix

pytestmark = pytest.mark.packaging

LIB = locks.github("acme", "lib")
EVIL = locks.Input(LIB.locked | {"owner": "evil"}, LIB.original)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout as CI makes it: a detached commit that poisons the lock, the base branch at the server's only."""
    server, folder = tmp_path / "server", tmp_path / "checkout"
    run_git("init", "--quiet", "-b", "main", str(server), cwd=tmp_path)
    (server / "flake.nix").write_text(flake_nix({"lib": LIB}))
    for branch, input in (("main", LIB), ("pull", EVIL)):
        run_git("checkout", "--quiet", "-B", branch, cwd=server)
        (server / "flake.lock").write_bytes(locks.to_bytes(locks.lock({"lib": input})))
        run_git("add", "--all", cwd=server)
        run_git("commit", "--quiet", "-m", branch, cwd=server)
    run_git("clone", "--quiet", "-b", "pull", f"file://{server}", str(folder), cwd=tmp_path)
    run_git("remote", "set-head", "origin", "--delete", cwd=folder)
    run_git("checkout", "--quiet", "--detach", cwd=folder)
    run_git("branch", "--quiet", "-D", "pull", cwd=folder)
    return folder


def _bash(script: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    programs = folder.parent / "bin"
    programs.mkdir(exist_ok=True)
    (programs / "flakesync").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m flakesync "$@"\n')
    (programs / "flakesync").chmod(0o755)
    path = f"{programs}:{os.environ['PATH']}"
    given = {**os.environ, "PYTHONPATH": str(recipes.TOP), "PATH": path, **env}
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script], cwd=folder, env=given, capture_output=True, text=True, check=False
    )


def _fired(file: Path) -> list[str]:
    (run,) = json.loads(file.read_bytes())["runs"]
    return [each["ruleId"] for each in run["results"]]


def _scripts() -> Mapping[str, str]:
    return {step.name: step.script for step in recipes.github_steps(AUDIT_GITHUB)}


def test_the_workflow_refuses_a_pull_request_that_poisons_a_lock(checkout: Path) -> None:
    temp = checkout.parent
    env = {"RUNNER_TEMP": str(temp), "GITHUB_WORKSPACE": str(checkout), "BASE": "main"}
    script = _scripts()["Write the manifest"] + _scripts()["Audit the pull request"]
    ran = _bash(script, checkout, **env)
    assert (ran.returncode, ran.stderr) == (1, "")
    assert "  HIGH  foreign  lib  " in ran.stdout
    run_git("checkout", "--quiet", "origin/main", cwd=checkout)
    assert _bash(script, checkout, **env).returncode == 0


def test_the_workflow_s_night_leaves_alerts_and_does_not_fail(checkout: Path) -> None:
    temp = checkout.parent
    env = {"RUNNER_TEMP": str(temp), "GITHUB_WORKSPACE": str(checkout), "BASE": "main"}
    night = _scripts()["Audit the repository"]
    assert "--level mirror" in night
    script = _scripts()["Write the manifest"] + night.replace("--level mirror", "--level offline")
    ran = _bash(script, checkout, **env)
    assert (ran.returncode, ran.stderr) == (0, "")
    (upload,) = (step["with"] for step in recipes.github_job(AUDIT_GITHUB)["steps"] if "upload" in step.get("uses", ""))
    file = Path(recipes.fill_in(upload["sarif_file"], {"runner.temp": str(temp)}))
    assert _fired(file) == ["foreign"]


def test_the_workflow_s_night_uploads_nothing_of_what_it_could_not_read(checkout: Path) -> None:
    temp = checkout.parent
    env = {"RUNNER_TEMP": str(temp), "GITHUB_WORKSPACE": str(checkout), "BASE": "gone"}
    night = _scripts()["Audit the repository"].replace("--level mirror", "--level offline").replace("--at HEAD", "")
    ran = _bash(_scripts()["Write the manifest"] + night, checkout, **env)
    assert (ran.returncode, "there is no branch 'gone'" in ran.stderr) == (2, True)
    assert not (temp / "sarif" / "here.sarif").exists()


@pytest.mark.parametrize(("target", "status"), [("main", 1), ("pull", 0)])
def test_the_pipeline_s_merge_request_fails_by_what_it_adds(checkout: Path, target: str, status: int) -> None:
    ran = _bash(
        recipes.gitlab_script("script", path=AUDIT_GITLAB), checkout, CI_PROJECT_DIR=str(checkout),
        CI_MERGE_REQUEST_TARGET_BRANCH_NAME=target,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (status, "")
    assert _fired(checkout / "sarif" / "here.sarif") == ["foreign"] * status
    assert recipes.gitlab_job(AUDIT_GITLAB)["artifacts"]["paths"] == ["sarif"]
