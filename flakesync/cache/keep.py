"""One way to make a folder and to keep a file in the cache: for this user alone, and in one step."""

import contextlib
import os
import threading
from pathlib import Path


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


def keep(place: Path, data: bytes) -> None:
    """Write a file (0600) in one step, its folder too if there is none. Where that cannot be, nothing is kept."""
    part = place.with_name(f"{place.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        make_folder(place.parent)
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:  # noqa: PTH123
            file.write(data)
        part.replace(place)
    except OSError:  # without it the next run is only slower
        with contextlib.suppress(OSError):
            part.unlink()
