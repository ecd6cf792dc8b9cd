"""Processes: one that is lost is made up for, nothing is left behind, and a child undoes nothing of its parent's."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

import flakesync
from flakesync import api, errors
from flakesync.errors import FlakesyncError
from flakesync.processes.folders import temporary_folder
from flakesync.processes.forked import end_all, fork
from flakesync.sync.events import Note
from flakesync.sync.executors.choice import MakeExecutor, read_choice
from flakesync.sync.executors.processes import Processes
from flakesync.sync.lockers.native.locker import NativeLocker
from tests.support.nixspace import Ran, Space, Take, run_sync

PATIENCE_S = 60


def two() -> MakeExecutor:
    return lambda run: Processes(run, 2)


def make_space(root: Path) -> Space:
    space = Space(root)
    space.add("lib").add("app", {"nixpkgs": Take(), "lib": Take()})
    return space.add("other").add("last", {"other": Take(), "app": Take()})


def notes(ran: Ran) -> list[str]:
    return [event.text for event in ran.events if isinstance(event, Note)]


def kill_parent_of_check(times: int, count: Path) -> str:
    """Return a check that kills the process that runs it, as often as that; then it passes."""
    kill = f"if [ $(wc -l < {count}) -le {times} ]; then kill -9 $PPID; sleep 60; fi"
    return f"sh -c 'echo x >> {count}; {kill}'"


def test_a_process_that_is_killed_in_a_check_is_made_up_for_with_one_note(tmp_path: Path) -> None:
    space = make_space(tmp_path / "space")
    wanted = run_sync(space.manifest(), dry_run=True, locker="native")
    check = kill_parent_of_check(1, tmp_path / "count")
    manifest = space.manifest(tables={"app": {"checks": [check]}})
    ran = run_sync(manifest, locker="native", executor=two())
    assert set(ran.statuses.values()) == {"updated"}, ran.errors
    assert {name: ran[name].commit for name in space.names} == {name: wanted[name].commit for name in space.names}
    assert {name: space.ref(name) for name in space.names} == {name: wanted[name].commit for name in space.names}
    assert notes(ran) == ["app: its process was ended by signal 9; it is done again by another"]


def test_a_repo_that_takes_three_processes_along_fails_alone(tmp_path: Path) -> None:
    space = make_space(tmp_path / "space")
    manifest = space.manifest(tables={"app": {"checks": [kill_parent_of_check(99, tmp_path / "count")]}})
    ran = run_sync(manifest, locker="native", executor=two())
    assert ran.statuses == {"lib": "updated", "other": "updated", "app": "failed", "last": "skipped"}
    assert ran.errors["app"] == "worker-lost"
    assert len((tmp_path / "count").read_text().split()) == 3
    assert len(notes(ran)) == 2


def test_what_the_parent_had_begun_is_not_undone_by_a_child_and_not_held_by_it(tmp_path: Path) -> None:
    seen: list[bytes] = []

    def work(connection: Connection) -> None:
        with temporary_folder("lock") as own:
            connection.send_bytes(os.fsencode(own))
            connection.recv_bytes()

    with temporary_folder("lock") as folder:
        children = [fork(work), fork(work)]
        seen += [child.connection.recv_bytes() for child in children]
        for child in children:
            child.connection.send_bytes(b"end")
        assert [child.wait(PATIENCE_S) for child in children] == [0, 0]
        end_all(children, at_once=False)
        assert folder.exists()
        assert not any(Path(os.fsdecode(own)).exists() for own in seen)
    assert not folder.exists()


def test_a_child_ends_with_what_it_waits_for_when_it_is_told_to(tmp_path: Path) -> None:
    def work(connection: Connection) -> None:
        connection.send_bytes(b"here")
        with contextlib.suppress(EOFError):
            connection.recv_bytes()
        time.sleep(PATIENCE_S)

    child = fork(work)
    child.connection.recv_bytes()
    end_all([child], at_once=True)
    assert child.poll() is not None


def test_what_nobody_foresaw_in_a_child_is_a_bug_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lock(*_: object) -> None:
        raise ZeroDivisionError("never thought of it")

    monkeypatch.setattr(NativeLocker, "lock", lock)
    bugs = errors.BUGS
    bugs.clear()
    ran = run_sync(make_space(tmp_path / "space").manifest(), locker="native", executor=two())
    assert ran.errors["lib"] == "bug"
    assert "ZeroDivisionError" in str(ran["lib"].error)
    assert any("never thought of it" in str(bug.exception) for bug in bugs)
    bugs.clear()


# ---- as a command --------------------------------------------------------------------------------------------------


@contextmanager
def started(manifest: Path, *more: str) -> "Iterator[subprocess.Popen[bytes]]":
    argv = [sys.executable, "-P", "-m", "flakesync", "sync", "--json", "-w", str(manifest), "--locker", "native"]
    env = {**os.environ, "PYTHONPATH": str(Path(flakesync.__file__).parents[1])}
    process = subprocess.Popen(
        [*argv, "--executor", "processes:2", *more], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def named_in(needle: Path) -> list[str]:
    """Return the processes whose command line, or whose folder, has a path in it."""
    found = []
    for file in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.fsencode(needle) in file.joinpath("cmdline").read_bytes():
                found.append(file.name)
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_when_the_run_ends_its_processes_and_their_checks_end_too(tmp_path: Path, number: signal.Signals) -> None:
    space = make_space(tmp_path / "space")
    began = tmp_path / "began"
    check = f"sh -c 'echo $PPID $$ >> {began}; sleep 300; echo {tmp_path}'"
    manifest = space.manifest(defaults={"checks": [check]})
    with started(manifest) as process:
        until(lambda: began.exists() and len(began.read_text().split("\n")) > 2)
        os.kill(process.pid, number)
        out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == (-9 if number == signal.SIGKILL else 128 + number), err
    assert not out
    until(lambda: not named_in(tmp_path))
    assert {space.ref(name) for name in space.names} == {None}
    ran = run_sync(space.manifest(), locker="native")
    assert set(ran.statuses.values()) == {"updated"}


def test_the_command_takes_an_executor_and_refuses_one_that_there_is_not(tmp_path: Path) -> None:
    space = make_space(tmp_path / "space")
    with started(space.manifest(), "-v") as process:
        out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, err
    assert {each["status"] for each in json.loads(out)["repos"]} == {"updated"}
    with started(space.manifest(), "--executor", "ray") as process:
        out, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, out) == (2, b"")
    assert b"error[bad-executor]" in err
    assert b"there are inline, threads, processes:N and dask:ADDRESS" in err


@pytest.mark.parametrize(
    "text", ["processes", "processes:0", "processes:x", "processes:99999", "inline:2", "threads:3", ""]
)
def test_what_is_no_executor_is_refused_with_what_there_is(text: str) -> None:
    with pytest.raises(FlakesyncError) as caught:
        read_choice(text)
    assert caught.value.code == "bad-executor"
    assert "processes:" in (caught.value.hint or "")


def test_programs_name_an_executor_too(tmp_path: Path) -> None:
    space = make_space(tmp_path / "space")
    workspace = api.open_workspace(space.manifest())
    document = api.sync(workspace, locker="native", executor="processes:2")
    assert {each.status for each in document.repos} == {"updated"}
    with pytest.raises(FlakesyncError, match="no executor"):
        api.sync(workspace, executor="fast")
