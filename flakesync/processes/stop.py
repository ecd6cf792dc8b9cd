"""Stopping: one state for all threads. What waits is woken, what has begun is ended, and nothing new begins.

A signal ends the run for good (`cli/signals.py`); a run that breaks off stops what its other threads do (`stopping`).
What can be waited for (a process, an answer of a server) is noted here together with how it is broken off, in the same
step in which it begins: a stop finds it there, or it does not begin.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import TypeVar

from flakesync.errors import FlakesyncError

T = TypeVar("T")
End = Callable[[bool], None]

GRACE_S = 1.0
"""How long what was asked to end has for it: git takes its lock files away, Nix its own temporary folders."""

_LOOK_AGAIN_S = 0.01

# Plain locks and queues: what is written in Python (Condition, Event) may stay locked where an interrupt comes in it.
_guard = threading.Lock()
_stops = 0
_breaks: dict[object, End] = {}
_undos: dict[object, End] = {}
_shields = 0
_held_back: BaseException | None = None


@contextmanager
def breakable(begin: Callable[[], T], end: Callable[[T, bool], None]) -> Iterator[T]:
    """Give what `begin` begins; a stop calls `end` for it, until the block ends.

    end: is told whether it has been asked before and is to be hard now. It must not wait.

    Raises: FlakesyncError(`interrupted`): everything has been stopped, `begin` is not called.
    """
    key, begun = _note(_breaks, begin, end)
    # An interrupt just here leaves it noted, and `tidy` finds it on the way out.
    try:
        yield begun
    finally:
        _breaks.pop(key, None)


@contextmanager
def undone(begin: Callable[[], T], undo: Callable[[T], None]) -> Iterator[T]:
    """Give what `begin` makes, and undo it when the block ends, or on the way out where that does not come to it.

    Raises: FlakesyncError(`interrupted`): everything has been stopped, `begin` is not called.
    """
    key, made = _note(_undos, begin, lambda begun, _: undo(begun))
    try:
        yield made
    finally:
        undo(made)
        _undos.pop(key, None)


def stop() -> None:
    """End all that is breakable, in good time or else the hard way, and let nothing new begin."""
    global _stops
    with _guard:
        _stops += 1
    _break_all(hard=False)
    until = time.monotonic() + GRACE_S
    while _breaks and time.monotonic() < until:
        time.sleep(_LOOK_AGAIN_S)
    _break_all(hard=True)


@contextmanager
def stopping() -> Iterator[None]:
    """Stop everything, until the block ends: it waits for those who have been stopped."""
    global _stops
    stop()
    try:
        yield
    finally:
        with _guard:
            _stops -= 1


def end_all() -> None:
    """End what is still breakable the hard way, at once. It takes no lock: who leaves may not wait for anybody."""
    _break_all(hard=True)


def tidy() -> None:
    """End what is still breakable, and undo what is still to be undone: the last thing before the process ends."""
    end_all()
    while _undos:
        _, undo = _undos.popitem()
        undo(True)


def forget() -> None:
    """Forget all that has begun, in a process that was just forked: it is its parent's, who ends and undoes it."""
    global _guard, _stops, _shields, _held_back
    _guard = threading.Lock()
    _stops = _shields = 0
    _held_back = None
    _breaks.clear()
    _undos.clear()


def is_stopped() -> bool:
    """Tell whether everything is to end."""
    return _stops > 0


def require_running() -> None:
    """Raise FlakesyncError(`interrupted`) where everything is to end."""
    if _stops:
        raise FlakesyncError("interrupted", "interrupted")


def pause(seconds: float) -> bool:
    """Wait; False: everything is to end, or was to from the beginning."""
    woken: SimpleQueue[None] = SimpleQueue()
    try:
        with breakable(lambda: woken, lambda queue, _: queue.put(None)):
            woken.get(timeout=seconds)
    except Empty:
        return True
    except FlakesyncError:
        pass
    return False


def interrupt(error: BaseException) -> None:
    """Raise an error in the main thread, from a handler of signals; where something just begins, as soon as it has."""
    global _held_back
    if _shields:
        _held_back = error
    else:
        raise error


class _Shield:
    """Holds interrupts of the main thread back until the block ends: what begins in it is noted before they come."""

    def __enter__(self) -> None:
        global _shields
        # Handlers of signals run in the main thread alone.
        self._counts = threading.current_thread() is threading.main_thread()
        if self._counts:
            _shields += 1

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        global _shields, _held_back
        if not self._counts:
            return
        _shields -= 1
        if not _shields and _held_back is not None:
            error, _held_back = _held_back, None
            raise error


def _note(registry: dict[object, End], begin: Callable[[], T], end: Callable[[T, bool], None]) -> tuple[object, T]:
    """Begin something and note how it ends, in one step for stops and for interrupts."""
    key = object()
    try:
        with _Shield(), _guard:
            require_running()
            begun = begin()
            registry[key] = partial(end, begun)
    except BaseException:
        if (ends := registry.pop(key, None)) is not None:  # an interrupt that was held back
            ends(True)
        raise
    return key, begun


def _break_all(*, hard: bool) -> None:
    for end in list(_breaks.values()):
        end(hard)
