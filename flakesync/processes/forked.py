"""Child processes that are forked: they know all that this one knows, talk to it over a pipe, and end with it.

A fork carries along what other threads were in the midst of. So it is done while no thread but those that wait (for
signals, or to draw the screen) is running, and the child uses nothing that these use.
"""

import contextlib
import os
import select
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection, Pipe
from typing import NoReturn

from flakesync.processes import stop

_LOOK_AGAIN_S = 0.005
_HARD_S = 0.3
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_ends_of_parent: set[int] = set()
"""Pipes by which this process holds its children: none of these may be held by another child."""


class Forked:
    """A child, as its parent sees it. connection: leads to it; its end says that the child has ended."""

    def __init__(self, pid: int, connection: Connection, lifeline: int) -> None:
        """lifeline: a pipe; a byte in it stops the child, another one ends it, and so does the parent's end."""
        self.pid = pid
        self.connection = connection
        self._held = (connection.fileno(), lifeline)
        self._status: int | None = None

    def end(self, hard: bool) -> None:
        """Ask it to end with all that it has started; hard: at once. Does not wait."""
        with contextlib.suppress(OSError):
            os.write(self._held[1], b"hh" if hard else b"s")

    def poll(self) -> int | None:
        """Return its exit status, negative for the signal that ended it; None: it has not ended."""
        if self._status is None:
            with contextlib.suppress(InterruptedError):
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self._status = os.waitstatus_to_exitcode(status)
        return self._status

    def wait(self, seconds: float) -> int | None:
        """Return its exit status as soon as it has ended; None: it has not for so long."""
        until = time.monotonic() + seconds
        while self.poll() is None and time.monotonic() < until:
            time.sleep(_LOOK_AGAIN_S)
        return self._status

    def close(self) -> None:
        """Let go of it, once it has ended."""
        self.connection.close()
        os.close(self._held[1])
        _ends_of_parent.difference_update(self._held)


def fork(main: Callable[[Connection], None], forget: Iterable[Callable[[], None]] = ()) -> Forked:
    """Start a child that does `main` and ends; return how it is held. forget: called in the child before that.

    Raises: OSError: the machine has no room for another process.
    """
    ours, childs = Pipe()
    lifeline, held = os.pipe()
    try:
        with warnings.catch_warnings():
            # Python 3.12 warns of other threads: of those the child uses nothing, see above.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
    except OSError:
        for each in (lifeline, held):
            os.close(each)
        ours.close()
        childs.close()
        raise
    if pid == 0:
        _be_child(main, childs, lifeline, [ours.fileno(), held], forget)
    childs.close()
    os.close(lifeline)
    _ends_of_parent.update((ours.fileno(), held))
    return Forked(pid, ours, held)


def end_all(children: Iterable[Forked], *, at_once: bool) -> None:
    """End children, wait for them, and let go of them. at_once: break off what they do, rather than wait for it."""
    every = list(children)
    for child in every:
        child.connection.close()  # one that waits for work ends by that
    left = every
    steps: list[tuple[float, Callable[[Forked], None]]] = [
        (stop.GRACE_S, lambda child: child.end(hard=False) if at_once else None),
        (_HARD_S, lambda child: child.end(hard=True)),
        (_HARD_S, _kill),
    ]
    for seconds, ask in steps:
        until = time.monotonic() + seconds
        for child in left:
            ask(child)
        left = [child for child in left if child.wait(until - time.monotonic()) is None]
    for child in every:
        child.close()


def _kill(child: Forked) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(child.pid, signal.SIGKILL)


def _be_child(
    main: Callable[[Connection], None],
    connection: Connection,
    lifeline: int,
    not_ours: Iterable[int],
    forget: Iterable[Callable[[], None]],
) -> NoReturn:
    """Do the work of a child; whatever happens in it, nothing of what the parent had begun goes on here."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)  # the parent's own
        for handle in (*not_ours, *_ends_of_parent):
            with contextlib.suppress(OSError):
                os.close(handle)
        _ends_of_parent.clear()
        stop.forget()
        for each in forget:
            each()
        os.setpgid(0, 0)  # ctrl-C is for the parent, which passes it on
        woken, wake = os.pipe()
        os.set_blocking(wake, False)
        for number in _SIGNALS:
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        threading.Thread(target=_watch, args=(lifeline, woken), daemon=True).start()
        main(connection)
        stop.tidy()
        status = 0
    except BaseException:  # noqa: BLE001, S110 - the parent sees that it has ended, and has its work done by another
        pass
    finally:
        os._exit(status)


def _watch(lifeline: int, woken: int) -> NoReturn:
    """End the child when its parent, or a signal, says so, and when the parent is no more."""
    while not (ready := select.select([lifeline, woken], [], [])[0]):
        pass
    gone = lifeline in ready and not os.read(lifeline, 1)
    stopping = threading.Thread(target=stop.stop, daemon=True)
    stopping.start()
    if not gone:
        select.select([lifeline], [], [], stop.GRACE_S + _HARD_S)
    else:
        stopping.join()
    stop.tidy()
    os._exit(1)
