"""plan, task and collect as commands, each on a machine of its own, with private repos on a forge over TLS."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from flakesync.demo.forge.model import Kind
from flakesync.demo.forge.web.messages import Answer, Request
from flakesync.documents.change.task import TaskDocument
from flakesync.documents.sync import SyncDocument
from tests.support.forge import Certificates, Forge
from tests.support.forge.faults import Perform
from tests.support.private import TOKEN, VARIABLE, Private, make_private

KINDS: tuple[Kind, ...] = ("github", "gitlab", "forgejo")


@pytest.fixture(params=[pytest.param(kind, marks=[] if kind == "gitlab" else pytest.mark.slow) for kind in KINDS])
def private(request: pytest.FixtureRequest, tmp_path: Path, certificates: Certificates) -> Iterator[Private]:
    """`lib`, and `app`, which takes it, on a forge that wants a token."""
    with Forge(tmp_path / "forge", [("git.example.com", request.param)], certificates) as forge:
        yield make_private(tmp_path, forge, request.param)


def run(private: Private, *argv: str, on: str, token: str | None = TOKEN) -> "subprocess.CompletedProcess[str]":
    """Run a command on a machine, which has a cache of its own."""
    env = {**os.environ, "FLAKESYNC_CACHE": str(private.root / f"cache-{on}")}
    return private.run(*argv, env=env if token is None else {**env, VARIABLE: token})


def task(private: Private, name: str, *, on: str | None = None, token: str | None = TOKEN) -> tuple[int, TaskDocument]:
    """Carry out a task; return its exit status and what it has written down."""
    file = private.root / "outcomes" / f"{name}-{on}.json"
    argv = ("task", name, "--plan", "plan.json", "--push", "--locker", "native", "--json-file", str(file))
    ran = run(private, *argv, on=on or name, token=token)
    assert TOKEN not in ran.stdout + ran.stderr
    assert file.exists(), ran.stderr
    return ran.returncode, msgspec.json.decode(file.read_bytes(), type=TaskDocument)


@pytest.mark.slow
def test_a_pipeline_on_a_private_forge_makes_the_commits_of_sync(private: Private) -> None:
    planned = run(private, "plan", "--out", "plan.json", on="plan")
    assert planned.returncode == 0, planned.stderr
    assert task(private, "app", on="early")[1].outcome.status == "skipped"
    refused, lib = task(private, "lib", on="no-token", token=None)
    assert refused == 1
    assert lib.outcome.error is not None
    assert VARIABLE in (lib.outcome.error.hint or ""), lib
    done = {name: task(private, name) for name in ("lib", "app")}
    assert {name: (status, each.outcome.status, each.pushed) for name, (status, each) in done.items()} == dict.fromkeys(
        private.names, (0, "updated", True)
    )
    for name, (_, each) in done.items():
        assert private.project(name).storage.branch("flakesync/update") == each.outcome.commit
        status, again = task(private, name, on="again")
        assert (status, again.outcome.status, again.pushed) == (0, "unchanged", False)
    answer = run(private, "collect", "--plan", "plan.json", "--outcomes", "outcomes", "--json", on="collect")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    collected = msgspec.json.decode(answer.stdout, type=SyncDocument)
    commits = {name: each.outcome.commit for name, (_, each) in done.items()}
    assert {each.repo: each.commit for each in collected.repos} == commits
    synced = run(private, "sync", "--locker", "native", "--json", on="sync")
    document = msgspec.json.decode(synced.stdout, type=SyncDocument)
    assert {each.repo: (each.status, each.commit) for each in document.repos} == {
        name: ("unchanged", commit) for name, commit in commits.items()
    }
    assert private.written([private.root / "outcomes"], TOKEN) == []
    assert TOKEN.encode() not in (private.root / "plan.json").read_bytes()
    assert not [line for line in private.processes if TOKEN in line]


def test_a_server_that_is_down_fails_a_task_and_says_so(private: Private) -> None:
    assert run(private, "plan", "--out", "plan.json", on="plan").returncode == 0
    private.forge.stop()
    status, document = task(private, "lib")
    assert status == 1
    assert document.outcome.error is not None
    assert document.outcome.error.code == "unreachable"


def test_a_token_that_may_not_push_fails_the_task_and_the_commit_waits(private: Private) -> None:
    assert run(private, "plan", "--out", "plan.json", on="plan").returncode == 0

    def refuse(request: Request, _: Perform) -> Answer:
        return Answer(403, f"denied to {request.secret}".encode(), (), "text/plain")

    private.forge.faults.clear()
    private.forge.faults.add(refuse, path="git-receive-pack", times=None)
    status, document = task(private, "lib", on="one")
    assert status == 1
    assert document.outcome.error is not None
    assert document.outcome.error.code == "access-denied"
    assert VARIABLE in (document.outcome.error.hint or "")
    private.forge.faults.clear()
    status, document = task(private, "lib", on="one")
    assert (status, document.outcome.status, document.pushed) == (0, "unchanged", True)


def test_usage_is_told_with_exit_status_2(private: Private) -> None:
    assert run(private, "plan", "--out", "plan.json", on="plan").returncode == 0
    for argv, code in (
        (("task", "lbi", "--plan", "plan.json"), "unknown-repo"),
        (("task", "lib", "--plan", "missing.json"), "no-plan"),
        (("task", "lib", "--plan", "workspace.toml"), "bad-plan"),
        (("task", "lib"), "usage"),
        (("task", "lib", "--plan", "plan.json", "--push", "--offline"), "offline"),
        (("collect", "--plan", "plan.json", "--outcomes", "missing"), "no-outcomes"),
        (("plan", "--out", "."), "no-answer"),
    ):
        ran = run(private, *argv, on="plan")
        assert (ran.returncode, f"error[{code}]" in ran.stderr) == (2, True), ran.stderr
        assert "Traceback" not in ran.stderr
    private.manifest["workspace"]["branch"] = "another"
    ran = run(private, "task", "lib", "--plan", "plan.json", on="plan")
    assert (ran.returncode, "error[other-manifest]" in ran.stderr) == (2, True), ran.stderr
