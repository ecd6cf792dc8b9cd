"""Answers that are files."""

import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from flakesync.errors import FlakesyncError
from flakesync.system import cause_of


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a folder, which is made where there is none; each is there as a whole, or as it was before.

    Files of other names stay as they are.

    Raises: FlakesyncError (`no-answer`): it cannot be written.
    """
    place = folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            place = folder / name
            _write(place, data)
    except OSError as error:
        cause = cause_of(error)
        reason = error.strerror or str(error)
        hint = cause.hint if cause is not None else "give a folder that you may write to"
        raise FlakesyncError("no-answer", f"{place}: cannot be written: {reason}", hint=hint) from error


def _write(place: Path, data: bytes) -> None:
    """Raises: OSError."""
    handle, name = tempfile.mkstemp(prefix=".flakesync-", dir=place.parent)
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        # Who uploads it may be somebody else: as any file is made here, and not for this user alone, as mkstemp does.
        mask = os.umask(0)
        os.umask(mask)
        part.chmod(0o666 & ~mask)
        part.replace(place)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
