"""Killed, interrupted, twice at once: nothing is lost, nothing is left running, and the next run finishes the work."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import flakesync
from flakesync.errors import FlakesyncError
from tests.support.nixspace import Space, chain, contents, run_sync
from tests.support.repos import run_git

pytestmark = pytest.mark.usefixtures("use_nix")
PATIENCE_S = 60
MOMENTS = 10
_steps: list[int] = []

_DRIVER = """
import os, signal, sys, threading
number, delay_s = int(sys.argv.pop(1)), float(sys.argv.pop(1))
seen = 0
def kill():
    os.kill(os.getpid(), signal.SIGKILL)
def hook(event, _):
    global seen
    if event in ("subprocess.Popen", "os.rename", "os.link"):
        seen += 1
        if seen == number:
            threading.Timer(delay_s, kill).start() if delay_s else kill()
sys.addaudithook(hook)
from flakesync.cli.main import run
status = run(sys.argv[1:])
print("steps", seen, file=sys.stderr)
sys.exit(status)
"""
"""Runs flakesync and kills it when it is about to start its `number`th process or to rename or link a file, or a bit
later."""


@contextmanager
def started(
    manifest: Path, *more: str, program: tuple[str, ...] = ("-m", "flakesync")
) -> Iterator["subprocess.Popen[bytes]"]:
    """Give a running `flakesync sync`, in a session of its own; it is ended with the block."""
    argv = [sys.executable, *program, "sync", "--json", "--workspace", str(manifest), *more]
    env = {**os.environ, "PYTHONPATH": str(Path(flakesync.__file__).parents[1])}
    process = subprocess.Popen(
        argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def refs(space: Space) -> dict[str, str | None]:
    return {name: space.ref(name) for name in space.names}


def user_state(space: Space) -> dict[str, bytes]:
    """Return all that is the user's: everything but objects, worktrees and the update branches."""
    return contents(
        space.root, without=["/.git/objects/", "/.git/worktrees/", "/flakesync/", "/.git/logs/", "/.git/refs/"]
    )


def wait_for_orphans(root: Path) -> None:
    """Wait until no command line names a folder: git that the killed run had started goes on for a bit."""
    needle = os.fsencode(root)
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        lines = []
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                lines.append(file.read_bytes())
        if not any(needle in line for line in lines):
            return
        time.sleep(0.02)
    raise AssertionError(f"processes are still at work in {root}")


def workspace(root: Path) -> Space:
    return chain(root, 3)


def steps(tmp_path: Path) -> int:
    """Return how many processes, renames and links an undisturbed run of such a workspace has; found out once."""
    if not _steps:
        manifest = workspace(tmp_path / "counted").manifest(defaults={"checks": ["true"]})
        with started(manifest, "-j1", program=("-c", _DRIVER, "0", "0")) as process:
            _, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, err
        _steps.append(int(err.split()[-1]))
    return _steps[0]


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(MOMENTS))
def test_kill_9_at_any_moment_loses_nothing(any_nix: object, tmp_path: Path, moment: int) -> None:
    whole = steps(tmp_path)
    space = workspace(tmp_path / "space")
    manifest = space.manifest(defaults={"checks": ["true"]})
    undisturbed: dict[str, str | None]
    undisturbed = {outcome.repo: outcome.commit for outcome in run_sync(manifest, dry_run=True).document.repos}
    before = user_state(space)
    number = 1 + moment * (whole - 1) // (MOMENTS - 1)
    delay_s = 0.01 if moment % 2 else 0
    with started(manifest, "-j1", program=("-c", _DRIVER, str(number), str(delay_s))) as process:
        process.communicate(timeout=PATIENCE_S)
    assert process.returncode == -signal.SIGKILL or delay_s
    wait_for_orphans(space.root)
    assert user_state(space) == before
    for name, tip in refs(space).items():
        assert tip in (None, undisturbed[name])
        run_git("fsck", "--strict", "--no-dangling", cwd=space.path(name))
    assert run_sync(manifest).errors == {}
    assert refs(space) == undisturbed
    assert user_state(space) == before
    for name in space.names:
        assert run_git("worktree", "list", "--porcelain", cwd=space.path(name)).count("worktree ") == 1


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[tuple[Space, Path, Path]]:
    """A workspace whose middle repo has a check that lasts until `go` exists; `begun` exists when it runs."""
    space = workspace(tmp_path / "space")
    begun, go = tmp_path / "begun", tmp_path / "go"
    script = f"touch {begun}; while ! test -e {go}; do sleep 0.05; done"
    space.manifest(tables={"r1": {"checks": [f"sh -c '{script}'"]}})
    yield space, begun, go
    go.touch()


def wait_for(file: Path, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + PATIENCE_S
    while not file.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("number", "status", "jobs"),
    [
        (signal.SIGINT, 130, "2"),
        (signal.SIGTERM, 143, "1"),
        pytest.param(signal.SIGINT, 130, "1", marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, 143, "2", marks=pytest.mark.slow),
    ],
)
def test_an_interrupted_run_ends_all_it_started_and_can_be_repeated(
    any_nix: object, slow: tuple[Space, Path, Path], number: signal.Signals, status: int, jobs: str
) -> None:
    space, begun, go = slow
    manifest = space.root / "workspace.toml"
    before = user_state(space)
    with started(manifest, "--jobs", jobs) as process:
        wait_for(begun, process)
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == status, err
    assert out == b""
    assert b"Traceback" not in err
    assert processes_with(str(go)) == []
    assert user_state(space) == before
    assert [space.ref("r0") is None, space.ref("r1"), space.ref("r2")] == [False, None, None]
    assert run_git("worktree", "list", "--porcelain", cwd=space.path("r1")).count("worktree ") == 1
    go.touch()
    assert run_sync(manifest).statuses == {"r0": "unchanged", "r1": "updated", "r2": "updated"}


def processes_with(word: str) -> list[str]:
    """Return the command lines of running processes that contain a word."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = entry.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if word in text and "pytest" not in text.partition(word)[0]:
            found.append(text)
    return found


def test_a_second_run_at_the_same_time_is_refused_and_disturbs_nothing(
    any_nix: object, slow: tuple[Space, Path, Path]
) -> None:
    space, begun, go = slow
    manifest = space.root / "workspace.toml"
    with started(manifest) as first:
        wait_for(begun, first)
        with pytest.raises(FlakesyncError, match=r"workspace\.toml") as caught:
            run_sync(manifest)
        assert caught.value.code == "busy"
        with started(manifest) as second:
            out, err = second.communicate(timeout=PATIENCE_S)
        assert (second.returncode, out) == (2, b"")
        assert err.startswith(b"error[busy]: ")
        go.touch()
        out, err = first.communicate(timeout=PATIENCE_S)
    assert first.returncode == 0, err
    assert {repo["repo"]: repo["status"] for repo in json.loads(out)["repos"]} == dict.fromkeys(space.names, "updated")
    assert set(run_sync(manifest).statuses.values()) == {"unchanged"}


def test_a_killed_runs_checkout_is_taken_away_by_the_next(any_nix: object, slow: tuple[Space, Path, Path]) -> None:
    space, begun, go = slow
    manifest = space.root / "workspace.toml"
    with started(manifest) as process:
        wait_for(begun, process)
        assert run_git("worktree", "list", "--porcelain", cwd=space.path("r1")).count("worktree ") == 2
        process.kill()
        process.communicate(timeout=PATIENCE_S)
    go.touch()
    assert run_sync(manifest).statuses == {"r0": "unchanged", "r1": "updated", "r2": "updated"}
    assert run_git("worktree", "list", "--porcelain", cwd=space.path("r1")).count("worktree ") == 1
