"""What has to be on the disk before work goes on, as core.fsync says; by default git waits for packs alone.

Mirrors `parse_fsync_components` of git's config.c, of the parts that are written here without git: loose objects, refs.
"""

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


def sync(path: str) -> None:
    """Wait until a file, or the names in a folder, are on the disk: a file that is synced can still lose its name.

    Raises: OSError.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
