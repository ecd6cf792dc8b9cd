"""What many repos need is made by the first that asks."""

from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock
from typing import TypeVar, cast

from flakesync.errors import FlakesyncError

Result = TypeVar("Result")


class Once:
    """Makes each thing once, for whoever asks first; the others wait for it. A failure is the same for all."""

    def __init__(self) -> None:
        self._guard = Lock()
        self._made: dict[Hashable, Future[object]] = {}

    def get(self, key: Hashable, make: Callable[[], Result]) -> Result:
        """Return what `make` has made for `key`, now or earlier."""
        with self._guard:
            future = self._made.get(key)
            mine = future is None
            if future is None:
                future = self._made[key] = Future()
        if mine:
            try:
                future.set_result(make())
            except FlakesyncError as error:
                future.set_exception(error)
            except BaseException:
                with self._guard:
                    del self._made[key]
                future.cancel()
                future.set_running_or_notify_cancel()
                raise
        return cast("Result", future.result())
