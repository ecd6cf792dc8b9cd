"""The wall of `--offline`: while it stands, nothing of this process asks a server, whatever its callers forgot."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from flakesync.errors import FlakesyncError

Error = TypeVar("Error", bound=FlakesyncError)

_guard = threading.Lock()
_walls = 0


@contextmanager
def offline(wanted: bool) -> Iterator[None]:
    """Raise the wall until the block ends, for all threads; `wanted` False leaves it as it is."""
    global _walls
    # Counted, and not put back to what was before: calls in several threads end in any order.
    with _guard:
        _walls += wanted
    try:
        yield
    finally:
        with _guard:
            _walls -= wanted


def is_offline() -> bool:
    """Tell whether the wall stands."""
    return _walls > 0


def require_online(server: str, error: type[Error]) -> None:
    """Raise an `error` with code `offline` while the wall stands. server: whom somebody is about to ask, for people."""
    if is_offline():
        raise error("offline", f"{server} is not asked with --offline", hint="run without --offline")
