"""A landing that is killed at any moment is finished by the next one, on any machine, and nothing is done twice."""

import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import flakesync
from flakesync.cache.layout import cache_dir
from flakesync.git.repository import Repository
from flakesync.land.run import LandRun
from flakesync.terms import Rev
from flakesync.workspace.snapshot import RepoAtCommit
from tests.support.landing import Landing
from tests.support.memory_forge import MemoryForge, Way
from tests.support.nixspace import Space, Take, chain
from tests.support.repos import run_git

pytestmark = pytest.mark.usefixtures("use_nix")

_DRIVER = """
import os, signal, sys, threading
number, delay_s = int(sys.argv.pop(1)), float(sys.argv.pop(1))
seen = 0
def kill():
    os.kill(os.getpid(), signal.SIGKILL)
def hook(event, _):
    global seen
    if event in ("subprocess.Popen", "os.rename"):
        seen += 1
        if seen == number:
            threading.Timer(delay_s, kill).start() if delay_s else kill()
sys.addaudithook(hook)
from flakesync.cli.main import run
status = run(sys.argv[1:])
print("steps", seen, file=sys.stderr)
sys.exit(status)
"""
"""Runs flakesync and kills it when it is about to start its `number`th process or to rename a file, or a bit later."""
MOMENTS = 10


class DeathError(BaseException):
    """The machine is gone."""


@contextmanager
def dies(forge: MemoryForge, number: int, *, after: bool) -> Iterator[None]:
    """Die at the `number`th call of the forge, before it or after it has been carried out."""
    calls = itertools.count(1)
    names = ("find", "create", "update", "get", "merge_status", "merge")
    whole = {name: getattr(forge, name) for name in names}

    def wrapped(name: str) -> object:
        def call(*args: object, **more: object) -> object:
            now = next(calls)
            if now == number and not after:
                raise DeathError
            answer = whole[name](*args, **more)
            if now == number:
                raise DeathError
            return answer

        return call

    for name in names:
        setattr(forge, name, wrapped(name))
    try:
        yield
    finally:
        for name in names:
            delattr(forge, name)


def three(root: Path) -> Landing:
    space = Space(root)
    space.add("lib").add("app", {"nixpkgs": Take(), "lib": Take()}).add("site", {"app": Take(), "lib": Take()})
    landing = Landing(space)
    landing.sync()
    landing.publish()
    return landing


@pytest.mark.parametrize(
    ("way", "after"),
    [
        ("squash", True),
        pytest.param("merge", False, marks=pytest.mark.slow),
        pytest.param("rebase", True, marks=pytest.mark.slow),
    ],
)
def test_dying_at_every_call_of_the_forge_one_after_the_other(
    any_nix: object, tmp_path: Path, way: Way, after: bool
) -> None:
    landing = three(tmp_path)
    landing.forge.way = way
    for number in itertools.count(1):
        if number % 3 == 0:
            shutil.rmtree(cache_dir())  # another machine goes on
        with dies(landing.forge, 1 + number % 7, after=after):
            try:
                landed = landing.land()
            except DeathError:
                assert number < 100
                continue
        break
    assert set(landed.statuses.values()) <= {"landed"}
    landing.assert_done()
    assert {name: [pull.state for pull in pulls] for name, pulls in landing.forge.pulls.items()} == {
        name: ["merged"] for name in landing.space.names
    }


def run(landing: Landing, number: int, delay_s: float = 0.0) -> "subprocess.CompletedProcess[bytes]":
    argv = [sys.executable, "-c", _DRIVER, str(number), str(delay_s), "land", "--json", "-j1", "-w", str(landing.file)]
    env = {**os.environ, "PYTHONPATH": str(Path(flakesync.__file__).parents[1])}
    return subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=240, check=False)


def plain(root: Path) -> Landing:
    space = chain(root, 3)
    landing = Landing(space, plain=space.names, defaults={"checks": ["true"]})
    with landing.file.open("a") as manifest:
        manifest.write('\n[publish]\nmerge-method = "fast-forward"\n')
    landing.sync()
    landing.publish()
    return landing


@pytest.mark.slow
def test_kill_9_at_ten_moments_of_one_landing(any_nix: object, tmp_path: Path) -> None:
    counted = run(plain(tmp_path / "counted"), 0)
    assert counted.returncode == 0, counted.stderr
    whole = int(counted.stderr.split()[-1])
    landing = plain(tmp_path / "space")
    for moment in range(MOMENTS):
        killed = run(landing, 1 + moment * (whole - 1) // MOMENTS, 0.01 if moment % 2 else 0)
        assert killed.returncode in (-signal.SIGKILL, 0), killed.stderr
    assert run(landing, 0).returncode == 0
    landing.assert_done()


@pytest.mark.parametrize("after", [False, True])
def test_dying_while_an_update_branch_is_deleted_leaves_none_in_the_end(
    any_nix: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    landing = three(tmp_path)
    whole = LandRun.push

    def push(
        run: LandRun, repository: Repository, state: RepoAtCommit, branch: str, new: Rev | None, old: Rev | None
    ) -> None:
        if new is None and not after:
            raise DeathError
        whole(run, repository, state, branch, new, old)
        if new is None:
            raise DeathError

    with monkeypatch.context() as patch:
        patch.setattr(LandRun, "push", push)
        with pytest.raises(DeathError):
            landing.land()
    landing.land()
    landing.assert_done()
    for mirror in cache_dir().glob("mirrors/*/HEAD"):
        assert "flakesync/update" not in run_git("for-each-ref", cwd=mirror.parent)
