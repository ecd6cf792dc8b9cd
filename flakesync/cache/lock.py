"""Locks between processes: one run of a workspace, one fetch of a mirror, at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flakesync.cache.keep import make_folder
from flakesync.errors import GitError


@contextmanager
def exclusive(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold the lock file `path` (made with its folder if missing, never deleted) until the block ends.

    The system gives the lock back when the process ends in whatever way, so a stale one does not exist.

    Raises: GitError(`busy`) if another process holds it and `wait` is false; GitError(`cache`) if it cannot be made.
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
    """Return the error for a folder of ours that cannot be written."""
    return GitError(
        "cache", f"{path}: {error.strerror}", hint="XDG_CACHE_HOME names the folder that mirrors are kept below"
    )
