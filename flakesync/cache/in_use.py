"""Who works in the cache's repositories: a shared lock of every process that reads them, held until it ends.

What nothing refers to may be taken away only while nobody works there: a base that has just moved on at its server is
still being read, and a dry run borrows objects without a ref of its own.
"""

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flakesync.cache.keep import make_folder
from flakesync.cache.layout import in_use_lock

_MOST_CACHES = 8
"""How many caches a process says that it works in; one works in one, tests in many."""
_TURN_S = 0.005

_guard = threading.Lock()
_held: dict[Path, int] = {}


def use_repositories(cache: Path) -> None:
    """Say, until this process ends, that it works in the repositories of a cache; wait while one is being packed.

    Nothing is said where the file cannot be made or locked: in a cache that cannot be written, nobody packs either.
    """
    with _guard, contextlib.suppress(OSError):
        if cache in _held:
            return
        place = in_use_lock(cache)
        make_folder(place.parent)
        handle = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_SH)
        except BaseException:
            os.close(handle)
            raise
        _held[cache] = handle
        if len(_held) > _MOST_CACHES:
            os.close(_held.pop(next(iter(_held))))


@contextmanager
def alone(cache: Path) -> Iterator[bool]:
    """Keep everybody else out of a cache's repositories until the block ends; False: somebody works there.

    Only for a process that does not work there any more itself: what it has said of that is taken back.

    Raises: OSError.
    """
    with _guard:
        if (mine := _held.pop(cache, None)) is not None:
            os.close(mine)
    place = in_use_lock(cache)
    make_folder(place.parent)
    handle = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)
        time.sleep(_TURN_S)  # who has waited meanwhile gets it before the same process asks again
