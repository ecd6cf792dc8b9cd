"""The wall of `--offline`: while it stands, nothing of this process asks a server, whatever its callers forgot."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from flakesync.errors import FlakesyncError

Error = TypeVar("Error", bound=FlakesyncError)

_stands = False


@contextmanager
def offline(wanted: bool) -> Iterator[None]:
    """Raise the wall until the block ends, for all threads; `wanted` False leaves it as it is."""
    global _stands
    before = _stands
    _stands = before or wanted
    try:
        yield
    finally:
        _stands = before


def is_offline() -> bool:
    """Tell whether the wall stands."""
    return _stands


def require_online(server: str, error: type[Error]) -> None:
    """Raise an `error` with code `offline` while the wall stands. server: whom somebody is about to ask, for people."""
    if _stands:
        raise error("offline", f"{server} is not asked with --offline", hint="run without --offline")
