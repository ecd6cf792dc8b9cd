"""Workspaces that many tests begin with: made once in each worker, and put back for every test as they were made."""

import copy
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from flakesync.cache.layout import cache_dir

T = TypeVar("T")


class Kept:
    """The session's fixture `kept`. A workspace lies in the same folder for each of its tests, as locks name it."""

    def __init__(self, root: Path) -> None:
        """root: a folder of the session."""
        self._root = root
        self._made: dict[tuple[str, str], Any] = {}
        self._folders: dict[tuple[str, str], Path] = {}

    def again(self, name: str, make: Callable[[Path], T]) -> T:
        """Return what `make` returned for the folder it was given, and put back what it left there and in the cache.

        name: of the workspace, among those of the module that `make` is of: other modules may call theirs the same.
        The value is a deep copy, as the test may change it.
        """
        key = make.__module__, name
        # A short name: what is printed of an address must not wrap otherwise.
        place = self._folders.setdefault(key, self._root / str(len(self._folders)))
        folder, saved = place / "acme", place / "saved"
        shutil.rmtree(folder, ignore_errors=True)
        if key not in self._made:
            folder.mkdir(parents=True)
            made = make(folder)
            cache_dir().mkdir(parents=True, exist_ok=True)
            saved.mkdir()
            _copy(folder, saved / "acme")
            _copy(cache_dir(), saved / "cache")
            self._made[key] = copy.deepcopy(made)
            return made
        _copy(saved / "acme", folder)
        cache_dir().parent.mkdir(parents=True, exist_ok=True)
        _copy(saved / "cache", cache_dir())
        found: T = copy.deepcopy(self._made[key])
        return found


def _copy(source: Path, to: Path) -> None:
    # Half the time of shutil.copytree, which is most of it.
    subprocess.run(["cp", "-a", source, to], check=True)
