"""Files of the cache that nobody has used for a long time go: each can be found out again."""

import contextlib
import fcntl
import os
import time
from pathlib import Path

from flakesync.cache.keep import keep
from flakesync.cache.layout import kept_folders, tidied_file

UNUSED_S = 90 * 86_400.0
"""How long a file stays that nobody uses."""
_SEEN_TO_S = 86_400.0
"""How exactly it is known when a file was last used: to write that down each time would cost more than to read it."""
_EVERY_S = 7 * 86_400.0


def read_used(place: Path) -> bytes:
    """Return what is kept in a file, and note that it has been used today. Raises: OSError."""
    data = place.read_bytes()
    mark_used(place)
    return data


def mark_used(place: Path) -> None:
    """Note that a file has been used today; where that cannot be noted, it counts as it did."""
    with contextlib.suppress(OSError):
        if abs(time.time() - place.stat().st_mtime) > _SEEN_TO_S:
            os.utime(place)


def remove_unused(cache: Path) -> int | None:
    """Remove what nobody has used for 90 days; return how many files went, None: that was done this week already.

    A file that is locked stays. Raises: OSError.
    """
    marker, now = tidied_file(cache), time.time()
    if marker.exists() and abs(now - marker.stat().st_mtime) < _EVERY_S:
        return None
    keep(marker, b"")
    return sum(_remove_unused(folder, now) for folder in kept_folders(cache) if folder.is_dir())


def _remove_unused(folder: Path, now: float) -> int:
    gone = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                if now - status.st_mtime > UNUSED_S and entry.is_file(follow_symlinks=False):
                    gone += _remove(entry.path)
    return gone


def _remove(path: str) -> bool:
    """Remove a file that nobody holds the lock of: of an archive it is a file beside it, which goes with age too."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(path)  # noqa: PTH108
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True
