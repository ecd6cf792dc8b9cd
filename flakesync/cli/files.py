"""Answers that are files."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from flakesync.errors import FlakesyncError
from flakesync.files import replacing
from flakesync.system import cause_of


def write_files(folder: Path, files: Mapping[str, bytes], gone: Iterable[str] = ()) -> None:
    """Write files into a folder, which is made where there is none; each is there as a whole, or as it was before.

    gone: files that this answer does not have: those of an earlier one are deleted. Files of other names stay as they
    are.

    Raises: FlakesyncError (`no-answer`): it cannot be written.
    """
    place = folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        mode = usual_mode()
        for name, data in files.items():
            place = folder / name
            with replacing(place, data, mode):
                pass
        for name in gone:
            place = folder / name
            place.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(place, error) from error


def cannot_write(place: Path, error: OSError) -> FlakesyncError:
    """Return the error (`no-answer`) of an answer that cannot be written. place: its file or folder."""
    cause = cause_of(error)
    reason = error.strerror or str(error)
    hint = cause.hint if cause is not None else "give a folder that you may write to"
    return FlakesyncError("no-answer", f"{place}: cannot be written: {reason}", hint=hint)


def usual_mode() -> int:
    """Return the permissions that files get here. Who uploads an answer may be somebody else than who made it."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
