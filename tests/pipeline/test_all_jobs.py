"""All jobs of a pipeline, each a process with a cache of its own, as a runner starts them: git is all they share."""

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from flakesync.demo.hosting import Hosted, host_workspace
from tests.nightly import recipes
from tests.support.nix import RealNix

pytestmark = pytest.mark.slow

UPDATE = "flakesync/update"
DAY = date(2026, 11, 29)


class Runner:
    """Runs jobs in copies of the repository with workspace.toml: nothing is left of one for the next but artifacts."""

    def __init__(self, hosted: Hosted, root: Path) -> None:
        self.hosted = hosted
        self.root = root
        self.ran: list[str] = []

    def flakesync(self, name: str, *argv: str) -> subprocess.CompletedProcess[str]:
        return self._run(name, [sys.executable, "-P", "-m", "flakesync", *argv])

    def script(self, name: str, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
        self.ran.append(name)
        return self._run(name, ["bash", "-c", script], **variables)

    def _run(self, name: str, argv: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
        place = self.root / str(len([*self.root.iterdir()]))
        (place / "bin").mkdir(parents=True)
        program = place / "bin" / "flakesync"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m flakesync "$@"\n')
        program.chmod(0o755)
        shutil.copy(self.hosted.place / "workspace.toml", place)
        shutil.copytree(self.hosted.place / "forge" / "certificates", place / "forge" / "certificates")
        for artifact in ("plan.json", "pipeline.yml"):
            if (self.root / "0" / artifact).exists():
                shutil.copy(self.root / "0" / artifact, place)
        env = {**self.hosted.environment, "XDG_CACHE_HOME": str(place / "cache"), **variables}
        env |= {"PATH": f"{place / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(recipes.TOP)}
        return subprocess.run(argv, cwd=place, env=env, capture_output=True, text=True, check=False)

    def tip(self, name: str) -> str | None:
        """Return the commit of the update branch that a server has."""
        return self.hosted.project(name).storage.branch(UPDATE)


@pytest.fixture
def runner(use_nix: RealNix, any_nix: RealNix, tmp_path: Path) -> Iterator[Runner]:
    hosted = host_workspace(tmp_path / "acme", DAY)
    (tmp_path / "jobs").mkdir()
    try:
        yield Runner(hosted, tmp_path / "jobs")
    finally:
        hosted.forge.stop()


def any_order(jobs: Mapping[str, Any], seed: int) -> Iterator[str]:
    """Yield the names of jobs in an order that `needs` allows."""
    pick, left = random.Random(seed), dict(jobs)
    while left:
        ready = [name for name, job in left.items() if not {*map(str, job["needs"])} & left.keys()]
        name = pick.choice(ready)
        del left[name]
        yield name


def outcomes(ran: subprocess.CompletedProcess[str]) -> dict[str, tuple[str, str | None]]:
    return {each["repo"]: (each["status"], each["commit"]) for each in json.loads(ran.stdout)["repos"]}


def test_all_jobs_of_a_pipeline_of_gitlab_make_the_commits_of_sync(runner: Runner) -> None:
    planned = runner.script("plan", recipes.load(recipes.GITLAB_PIPELINE)["plan"]["script"][0])
    assert planned.returncode == 0, planned.stderr
    wanted = outcomes(runner.flakesync("sync", "sync", "--json"))
    document = YAML(typ="safe").load(runner.root / "0" / "pipeline.yml")
    jobs = {name: job for name, job in document.items() if name.startswith("update ")}
    script = recipes.load(recipes.GITLAB_JOB)[".flakesync-task"]["script"][0]
    for name in any_order(jobs, seed=1):
        ran = runner.script(name, script, **jobs[name]["variables"])
        assert ran.returncode == 0, (name, ran.stdout, ran.stderr)
    moved = {name: commit for name, (status, commit) in wanted.items() if status == "updated"}
    assert len(moved) == 7
    assert {name: runner.tip(name) for name in moved} == moved
    again = runner.script("update lib again", script, FLAKESYNC_REPOS="lib")
    assert (again.returncode, runner.tip("lib")) == (0, moved["lib"])
    collected = runner.flakesync("collect", "collect", "--plan", "plan.json", "--json")
    assert collected.returncode == 0, collected.stderr
    assert {name: commit for name, (_, commit) in outcomes(collected).items() if name in moved} == moved


def test_a_wave_of_github_goes_on_where_a_job_has_failed(runner: Runner) -> None:
    output = runner.root.parent / "output"
    script = next(step.script for step in recipes.github_steps(recipes.GITHUB_JOB) if step.name == "Plan")
    planned = runner.script("plan", script, GITHUB_OUTPUT=str(output), WAVES="4")
    assert planned.returncode == 0, planned.stderr
    waves = json.loads(output.read_text().removeprefix("waves="))
    task = next(step.script for step in recipes.github_steps(recipes.GITHUB_JOB) if step.name == "Update")
    statuses: dict[str, int] = {}
    for job in (job for wave in waves for job in wave):
        broken = {"NIX_CONFIG": "build-users-group =", "ACME_TOKEN": "wrong"} if job["repos"] == "core" else {}
        statuses[job["repos"]] = runner.script(job["repos"], task, REPOS=job["repos"], **broken).returncode
    assert {name for name, status in statuses.items() if status != 0} == {"core"}
    assert [runner.tip(name) for name in ("core", "cli", "fleet")] == [None, None, None]
    assert None not in [runner.tip(name) for name in ("lib", "docs-theme", "site", "api")]
    collected = runner.flakesync("collect", "collect", "--plan", "plan.json", "--json")
    assert collected.returncode == 1
    found = {name: status for name, (status, _) in outcomes(collected).items()}
    assert (found["core"], found["cli"], found["fleet"]) == ("failed", "skipped", "skipped")
