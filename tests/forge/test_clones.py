"""Clones of private repos on a forge over TLS: read at the forge, whoever pulled last."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from flakesync.terms import Rev
from tests.support import repos
from tests.support.forge import Certificates, Forge
from tests.support.private import SITE, TOKEN, VARIABLE, Private, make_private


@pytest.fixture
def private(tmp_path: Path, certificates: Certificates) -> Iterator[Private]:
    """The workspace, whose repos have clones that nobody has pulled since the first commit."""
    with Forge(tmp_path / "forge", [(SITE, "forgejo")], certificates) as forge:
        made = make_private(tmp_path, forge, "forgejo")
        for name in made.names:
            clone = made.root / name
            repos.run_git("clone", "-q", str(made.project(name).storage.path), name, cwd=made.root)
            repos.run_git("remote", "set-url", "origin", f"{made.web}/acme/{name}.git", cwd=clone)
            made.manifest["repos"][name]["path"] = name  # type: ignore[index]
        yield made


def push(private: Private, name: str) -> Rev:
    """Commit to a repo on the forge."""
    storage = private.project(name).storage
    tip = storage.branch("main")
    assert tip is not None
    return repos.commit(storage.path, {"new": "1"}, branch="main", parents=[Rev(tip)], date=repos.DATE + 10**6)


def run(private: Private, *argv: str, token: str = TOKEN) -> "subprocess.CompletedProcess[str]":
    return private.run(*argv, env={**os.environ, VARIABLE: token})


def test_what_was_pushed_by_others_is_what_dependents_take_and_what_updates_are_made_on(private: Private) -> None:
    mine = repos.commit(private.root / "lib", {"mine": "1"})
    new = push(private, "lib")
    done = run(private, "sync", "--locker", "native")
    assert done.returncode == 0, done.stderr
    update = repos.run_git("rev-parse", "flakesync/update^", cwd=private.root / "lib")
    assert (update, repos.run_git("rev-parse", "main", cwd=private.root / "lib")) == (new, mine)
    done = run(private, "publish")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in private.names:
        here = repos.run_git("rev-parse", "flakesync/update", cwd=private.root / name)
        assert private.project(name).storage.branch("flakesync/update") == here


def test_a_forge_that_lets_nobody_in_is_said_with_what_to_do(private: Private) -> None:
    private.manifest["pins"] = {}
    done = run(private, "drift", token="")
    assert done.returncode == 1
    assert done.stdout.count("unreachable") == 3  # two repos, and their number
    assert f"put a token for {private.host} into {VARIABLE}" in done.stderr


def test_a_forge_that_is_down_is_said_once_and_offline_goes_on(private: Private) -> None:
    private.manifest["pins"] = {}
    private.forge.stop()
    done = run(private, "drift")
    assert done.returncode == 1
    assert done.stdout.count("cannot be reached") == 1
    assert "lib, app" in done.stdout or "app, lib" in done.stdout
    assert "2 unreachable" in done.stdout
    done = run(private, "drift", "--offline")
    assert "lib: last fetched " in done.stderr
    assert "unreachable" not in done.stdout
