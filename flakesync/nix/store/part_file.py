"""Files that are written under another name first, and are there as a whole or not at all."""

import contextlib
import errno
import os
import secrets
from pathlib import Path

from flakesync.errors import FlakesyncError
from flakesync.system import cause_of

PREFIX, SUFFIX = ".", ".part"
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT)


class PartFile:
    """A file that is being written. As a context it is removed at the end, unless it was kept.

    Its permissions are those that the user's umask gives, so that a web server may read it.
    """

    def __init__(self, folder: Path) -> None:
        """Open a new file in `folder`, which is the one that it will be kept in. Raises: as `write`."""
        self._path = folder / f"{PREFIX}{secrets.token_hex(8)}{SUFFIX}"
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise cannot_write(folder, error) from None
        self._file = open(handle, "wb")  # noqa: SIM115, PTH123 -- closed by keep and __exit__

    def __enter__(self) -> "PartFile":
        return self

    def __exit__(self, *_: object) -> None:
        # A disk that was full is full again when the rest of the buffer is written.
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def write(self, data: bytes) -> None:
        """Write a piece. Raises: FlakesyncError: `disk-full`, or another code of `flakesync.system`."""
        try:
            self._file.write(data)
        except OSError as error:
            raise cannot_write(self._path.parent, error) from None

    def keep(self, name: str) -> None:
        """Put the file, as a whole and on the disk, in the place of `name` in its folder. Raises: as `write`."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._path.replace(self._path.parent / name)
            sync_folder(self._path.parent)
        except OSError as error:
            raise cannot_write(self._path.parent, error) from None


def sync_folder(folder: Path) -> None:
    """See that names in a folder are on the disk. Raises: OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_parts(folder: Path) -> None:
    """Remove what runs that were cut off have left. Nobody else may be writing there. Raises: as `PartFile.write`."""
    try:
        for each in folder.glob(f"{PREFIX}*{SUFFIX}"):
            each.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from None


def cannot_write(folder: Path, error: OSError) -> FlakesyncError:
    """Return the error for a folder that cannot be written to."""
    cause = cause_of(error, where=str(folder))
    if cause is None:
        return FlakesyncError("system", f"{folder}: {error}")
    hint = cause.hint if error.errno in _OF_THE_DISK else f"can you write to {folder}?"
    return FlakesyncError(cause.code, cause.message, hint=hint)
