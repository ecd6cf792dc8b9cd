"""The file of a history: read, and one line appended by one write."""

import contextlib
import fcntl
import os
import stat
from pathlib import Path

import msgspec

from flakesync.documents.history import HistoryLine
from flakesync.history.read import LIMIT_BYTES

_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # a pipe without a reader would be waited for


def read_file(place: Path, *, follow: bool = True) -> bytes | None:
    """Return what is in the file of a history, at most its last LIMIT_BYTES; None: there is none.

    follow: it may be a symlink.

    Raises: OSError: it cannot be read, or is no file.
    """
    try:
        handle = os.open(place, os.O_RDONLY | (_FLAGS & ~os.O_NOFOLLOW if follow else _FLAGS))
    except FileNotFoundError:
        return None
    try:
        _require_file(handle, place)
        _wait_for(handle, fcntl.LOCK_SH)
        size = os.fstat(handle).st_size
        with os.fdopen(handle, "rb", closefd=False) as file:
            if size > LIMIT_BYTES:
                file.seek(-LIMIT_BYTES, os.SEEK_END)
                file.readline()  # the rest of a line
            return file.read(LIMIT_BYTES)
    finally:
        os.close(handle)


def append(place: Path, line: HistoryLine, mode: int) -> None:
    """Append a line to the file of a history, which is made where there is none; what is in it stays as it is.

    The line and its line feed are one write to a file that is open for appending and locked (flock), so lines of runs
    at the same time stand one after the other, whole. mode: the permissions of a new file.

    Raises: OSError: it cannot be written, is a symlink or no file, or the disk took a part of the line alone, which the
    next reader leaves out.
    """
    handle = os.open(place, os.O_RDWR | os.O_APPEND | os.O_CREAT | _FLAGS, mode)
    try:
        _require_file(handle, place)
        _wait_for(handle, fcntl.LOCK_EX)
        size = os.fstat(handle).st_size
        data = msgspec.json.encode(line) + b"\n"
        if size and os.pread(handle, 1, size - 1) != b"\n":
            data = b"\n" + data  # the line before was not written to its end: it must not spoil this one
        if os.write(handle, data) != len(data):
            raise OSError(28, os.strerror(28), str(place))  # the system says so at the next write alone
        os.fsync(handle)
    finally:
        os.close(handle)


def _require_file(handle: int, place: Path) -> None:
    """Raises: OSError: it is a folder, a pipe, a device."""
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        raise OSError(22, "it is no file", str(place))


def _wait_for(handle: int, lock: int) -> None:
    """Take a lock of the file until it is closed.

    The system takes a write page by page, and tells others a size in between: without the lock, a line that another run
    is writing looks torn. A file system that knows no locks is used without.
    """
    with contextlib.suppress(OSError):
        fcntl.flock(handle, lock)
