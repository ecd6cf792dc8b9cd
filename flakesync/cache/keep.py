"""One way to make a folder and to keep a file in the cache: for this user alone, and in one step."""

import contextlib
import fcntl
import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO


def make_folder(path: Path) -> None:
    """Make a folder with those above it, for this user alone (0700); those that are there stay as they are.

    Raises: OSError.
    """
    try:
        path.mkdir(0o700)
    except FileNotFoundError:
        make_folder(path.parent)
        path.mkdir(0o700, exist_ok=True)
    except FileExistsError:
        if not path.is_dir():
            raise


def keep(place: Path, data: bytes | Iterable[bytes]) -> None:
    """Write a file (0600) in one step, its folder too if there is none. Where that cannot be, nothing is kept.

    data: all of it, or pieces that are made one after the other.
    """
    # One name for all, so that what a killed run has left there is written over; who has it locked is alive.
    part = _part_of(place)
    with contextlib.suppress(OSError):  # without it the next run is only slower
        make_folder(place.parent)
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600), "wb") as file:  # noqa: PTH123
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Between opening and locking it somebody else may have put it in its place, where nobody writes any more.
            if os.path.samestat(os.fstat(file.fileno()), part.stat()):
                _put(part, place, file, data)


def discard_part(place: Path) -> None:
    """Remove what a killed run has left beside a kept file; what somebody writes at the moment stays."""
    part = _part_of(place)
    with contextlib.suppress(OSError), open(os.open(part, os.O_WRONLY | os.O_CLOEXEC), "wb") as file:  # noqa: PTH123
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(file.fileno()), part.stat()):
            part.unlink()


def _part_of(place: Path) -> Path:
    return place.with_name(f"{place.name}.part")


def _put(part: Path, place: Path, file: BinaryIO, data: bytes | Iterable[bytes]) -> None:
    try:
        file.truncate()
        file.writelines([data] if isinstance(data, bytes) else data)
        file.flush()
        part.replace(place)
    except OSError:
        part.unlink(missing_ok=True)
        raise
