"""Single flight: the first caller computes, others wait."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from threading import Lock
from typing import TypeVar, cast

from flakesync.errors import FlakesyncError

Result = TypeVar("Result")


class SingleFlight:
    """Work that many threads need, done once."""

    def __init__(self) -> None:
        self._guard = Lock()
        self._locks: dict[Hashable, Lock] = {}
        self._done: set[Hashable] = set()
        self._results: dict[Hashable, tuple[object, FlakesyncError | None]] = {}

    def get(self, key: Hashable, compute: Callable[[], Result]) -> Result:
        """Return what `compute` has returned for `key`, now or earlier; its FlakesyncError is the same for all.

        After any other exception the next caller computes.
        """
        if key not in self._results:
            with self.first([key]):
                if key not in self._results:
                    try:
                        self._results[key] = compute(), None
                    except FlakesyncError as error:
                        self._results[key] = None, error
        result, failure = self._results[key]
        if failure is not None:
            raise failure
        return cast("Result", result)

    @contextmanager
    def first(self, keys: Sequence[Hashable]) -> Iterator[None]:
        """Wait for those who do one of `keys` for the first time; whoever is first, keeps the others waiting.

        keys: in one order for all callers, so that no two wait for each other. A block that fails leaves them undone.
        """
        with ExitStack() as stack:
            for key in keys:
                with self._guard:
                    lock = self._locks.setdefault(key, Lock())
                lock.acquire()
                if key in self._done:
                    lock.release()
                else:
                    stack.callback(lock.release)
            yield
            self._done.update(keys)
