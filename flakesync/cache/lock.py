"""Locks between processes: one run of a workspace, one fetch of a mirror, at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flakesync.cache.keep import make_folder
from flakesync.errors import CacheError, GitError
from flakesync.system import cause_of


@contextmanager
def exclusive(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold the lock file `path` (made with its folder if missing, never deleted) until the block ends.

    The system gives the lock back when the process ends in whatever way, so a stale one does not exist.

    Raises: GitError(`busy`) if another process holds it and `wait` is false; CacheError if it cannot be made.
    """
    try:
        make_folder(path.parent)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise cache_error(path, error) from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise GitError("busy", f"{path} is held by another process", hint="another run is going on") from None
        yield
    finally:
        os.close(handle)


def cache_error(path: Path, error: OSError) -> GitError:
    """Return the error for a folder of ours that cannot be written: it fails all repos alike."""
    cause = cause_of(error, where=str(path))
    message = cause.message if cause is not None else f"{path}: {error}"
    known = cause.hint if cause is not None and cause.code == "disk-full" else None
    return CacheError(
        "disk-full" if known else "cache",
        message,
        hint=known or "FLAKESYNC_CACHE names another folder for mirrors and all else that is kept",
    )
