"""How files of a repository are written: as a whole or not at all, and on the disk first where core.fsync says so.

By default git waits for packs alone. Mirrors `parse_fsync_components` of git's config.c, of the parts that are written
here without git: loose objects, refs.
"""

import contextlib
import os
from typing import Literal

from flakesync.git.settings import Settings
from flakesync.git.store.config import is_off

Part = Literal["loose-object", "reference"]

_PARTS: dict[str, frozenset[Part]] = {
    "loose-object": frozenset({"loose-object"}),
    "reference": frozenset({"reference"}),
    "objects": frozenset({"loose-object"}),
    "committed": frozenset({"loose-object", "reference"}),
    "added": frozenset({"loose-object", "reference"}),
    "all": frozenset({"loose-object", "reference"}),
}


def is_synced(part: Part, settings: Settings) -> bool:
    """Tell whether git would wait for the disk with such a file in a repository of these settings."""
    # The setting of git before 2.36, which newer ones still heed.
    if part == "loose-object" and not is_off(settings.get("core.fsyncobjectfiles")):
        return True
    # As git reads it: a beginning is enough, and what is taken away is taken from the default, which has neither part.
    words = [word.strip(" \t") for word in settings.get("core.fsync", "").split(",")]
    return any(part in parts for name, parts in _PARTS.items() for word in words if word and name.startswith(word))


def write_whole(path: str, data: bytes, *, temporary: str, mode: int, synced: bool) -> None:
    """Give a file its content in one step, whether it is there or not.

    temporary: the name that it has until it is whole, on the same file system. synced: whether its content is on the
    disk before it has its name; the name itself is for `sync`.

    Raises: OSError; nothing has changed then.
    """
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        # Buffered: on a disk that fills up, one call of the system may write the beginning alone without an error.
        with open(handle, "wb") as file:  # noqa: PTH123 -- a descriptor
            file.write(data)
            file.flush()
            if synced:
                os.fsync(handle)
        os.rename(temporary, path)  # noqa: PTH104
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108
        raise


def sync(path: str) -> None:
    """Wait until a file, or the names in a folder, are on the disk: a file that is synced can still lose its name.

    Raises: OSError.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
