"""Child processes: each in a group of its own, known from its first moment on, and ended with all that it started."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from flakesync.processes import stop

Popen = subprocess.Popen
DEVNULL, PIPE, STDOUT = subprocess.DEVNULL, subprocess.PIPE, subprocess.STDOUT

_LOOK_S = 0.02
"""How often it is looked whether a process has done too much."""


class Ended(NamedTuple):
    """A process that has ended. status: exit status, negative for the signal that ended it. err: empty if not piped."""

    status: int
    out: bytes
    err: bytes


@contextmanager
def started(
    begin: "Callable[[], Popen[bytes]]", end: "Callable[[Popen[bytes], bool], None] | None" = None
) -> "Iterator[Popen[bytes]]":
    """Give the process that `begin` starts as the leader of a group; a block that fails ends all of that.

    end: how it is ended, by a stop too; it is told whether it is to be hard. None: the group gets TERM, then KILL.

    Raises: FlakesyncError(`interrupted`): everything has been stopped, `begin` is not called.
    """
    end = end or _end_group
    with stop.breakable(begin, end) as process:
        try:
            yield process
        except BaseException:
            for hard in (False, True):
                end(process, hard)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(stop.GRACE_S)
            raise
        finally:
            if stop.is_stopped():
                _signal(process, signal.SIGKILL)  # what it started may not have ended with it
            _close(process)


class GaveUpError(Exception):
    """A process was ended before it was done, as it had done more than it may."""


def run(
    begin: "Callable[[], Popen[bytes]]",
    *,
    data: bytes | None = None,
    timeout_s: float | None = None,
    give_up: Callable[[], bool] | None = None,
) -> Ended:
    """Return how the process that `begin` starts, as the leader of a group, has ended.

    data: for its standard input. timeout_s: None waits for as long as it takes. give_up: asked now and then whether it
    has done too much; None: nobody looks.

    Raises: FlakesyncError(`interrupted`): everything was stopped, before or meanwhile; TimeoutError; GaveUpError; what
    `begin` raises. For any exception all that was started has been ended.
    """
    with started(begin) as process:
        try:
            out, err = _communicate(process, data, timeout_s, give_up)
        except subprocess.TimeoutExpired:
            raise TimeoutError from None
    stop.require_running()
    return Ended(process.returncode, out or b"", err or b"")


def _communicate(
    process: "Popen[bytes]", data: bytes | None, timeout_s: float | None, give_up: Callable[[], bool] | None
) -> tuple[bytes, bytes]:
    """Return what a process writes. Raises: subprocess.TimeoutExpired, GaveUpError."""
    if give_up is None:
        return process.communicate(data, timeout=timeout_s)
    until = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        try:
            return process.communicate(data, timeout=_LOOK_S)
        except subprocess.TimeoutExpired:
            if give_up():
                raise GaveUpError from None
            if until is not None and time.monotonic() > until:
                raise
            data = None  # it has been handed over


def _end_group(process: "Popen[bytes]", hard: bool) -> None:
    """End a group: TERM, so that git takes its lock files away, then KILL for what is left of it."""
    _signal(process, signal.SIGKILL if hard else signal.SIGTERM)


def _signal(process: "Popen[bytes]", number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _close(process: "Popen[bytes]") -> None:
    """Close its pipes. They are not read to their end: what has left the group may hold them for ever."""
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError, ValueError):
                pipe.close()
