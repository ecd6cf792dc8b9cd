"""Signals: the first one ends the run in order and in time, the second one at once.

The handlers raise in the main thread, which unwinds. That does not do where it waits for something that no signal ends
(a name server, a pipe that nobody reads), or for threads that do. So a thread of its own hears of each signal from the
interpreter, whatever the main thread does: it stops all that can be stopped, and leaves when that has taken too long.
"""

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from flakesync.errors import EXIT_INTERRUPTED
from flakesync.processes import stop

PATIENCE_S = 1.5
"""How long a run may take to end in order."""

_TIDYING_S = 5.0
_SAYING_S = 1.0
# One ctrl-C reaches a process more than once where whoever started it passes it on too.
_SAME_S = 0.2
_KICK_S = 0.05
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Nobody sends it by accident, and nobody notices: it is ignored where there is no handler.
_KICK = signal.SIGURG

_watched = False
_first: int | None = None
_heard = False
_leaving = threading.Lock()


def watch() -> None:
    """Let signals end this process from now on; one that is ignored (`nohup`) stays so."""
    global _watched
    _watched = True
    heard, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    for number in _ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _arrived)
    signal.signal(_KICK, lambda *_: None)
    sys.unraisablehook = _no_interrupt
    threading.Thread(target=_watch, args=(heard,), daemon=True).start()


def are_watched() -> bool:
    """Tell whether signals end this process: it is the program's own, which ends with its command."""
    return _watched


def have_come() -> bool:
    """Tell whether a signal ends this process."""
    return _first is not None


def tell() -> int:
    """Tell that the signal that has come ends the run, and return the exit status."""
    from flakesync.cli import screen

    status = 128 + (_first or 0)
    if status == EXIT_INTERRUPTED:  # TERM and HUP are sent by programs, which know
        screen.interrupted()
    return status


def leave(status: int) -> NoReturn:
    """End this process, and before it all that it has started. status: unless a signal says another."""
    global _heard
    _heard = True  # from here on there is nothing to unwind
    _leaving.acquire()  # for good: one thread leaves, the others wait for the end
    if _first is None:
        stop.tidy()
    else:
        status = 128 + _first
        _within(stop.tidy, _TIDYING_S)
    # At once: to free what was read, one object at a time, takes a tenth of the time of a short command.
    os._exit(status)


def _arrived(number: int, _frame: FrameType | None) -> None:
    global _first, _heard
    if _heard:
        return
    _heard = True
    _first = _first or number
    # SystemExit says nothing; it unwinds, so that worktrees and locks are removed.
    stop.interrupt(KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number))


def _watch(heard: int) -> None:
    global _first
    numbers: list[int] = []
    while not numbers:
        numbers = [number for number in os.read(heard, 64) if number in _ENDING]
    begun = time.monotonic()
    _first = _first or numbers[0]
    threading.Thread(target=stop.stop, daemon=True).start()
    threading.Thread(target=_leave_late, args=(begun + PATIENCE_S,), daemon=True).start()
    while True:
        if not _heard:
            # It came just before a call that waits: only another one interrupts that.
            signal.pthread_kill(threading.main_thread().ident or 0, _KICK)
        if select.select([heard], [], [], _KICK_S)[0]:
            again = any(number in _ENDING for number in os.read(heard, 64))
            if again and time.monotonic() - begun > _SAME_S:
                _leave_now(128 + _first)


def _leave_late(deadline: float) -> None:
    time.sleep(max(0.0, deadline - time.monotonic()))
    _within(_say, _SAYING_S)
    leave(0)


def _leave_now(status: int) -> NoReturn:
    stop.end_all()
    _within(_say, _SAYING_S)
    os._exit(status)


def _say() -> None:
    """Say what the main thread could not."""
    from flakesync.cli import screen

    screen.show_cursor()
    tell()


def _within(act: Callable[[], None], seconds: float) -> None:
    """Do something that may wait, but not for longer."""
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    thread.join(seconds)


def _no_interrupt(unraisable: "sys.UnraisableHookArgs") -> None:
    """Say nothing of an interrupt where Python cannot raise it, in a `__del__` for one: `_leave_late` sees to it."""
    if not isinstance(unraisable.exc_value, KeyboardInterrupt | SystemExit):
        sys.__unraisablehook__(unraisable)
