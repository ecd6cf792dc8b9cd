"""Where the clones of a workspace lie."""

import os
import stat
from pathlib import Path

from flakesync.errors import ManifestError
from flakesync.workspace.values import bad, text


class Folders:
    """Finds the folders that `path` values name.

    Remembers the real path of each parent: of 1,000 clones that lie side by side each costs one lstat.
    """

    def __init__(self, root: Path) -> None:
        """root: the real path of the manifest's folder."""
        self._root = str(root)
        self._real: dict[str, str] = {}

    def locate(self, value: object) -> tuple[Path, str]:
        """Return a folder's absolute path and its real path. Raises ManifestError when there is no such folder."""
        path = text(value)
        whole = os.path.join(self._root, path)  # noqa: PTH118 - pathlib is too slow for thousands
        parent, _, name = whole.rstrip("/").rpartition("/")
        try:
            if name in ("", ".", ".."):
                place = real = os.path.realpath(whole)
            else:
                base = self._real.get(parent)
                if base is None:
                    base = self._real[parent] = os.path.realpath(parent or "/").rstrip("/")
                place = real = f"{base}/{name}"
            mode = os.lstat(place).st_mode
            if stat.S_ISLNK(mode):
                real = os.path.realpath(place)
                mode = os.stat(real).st_mode  # noqa: PTH116
        except (OSError, ValueError) as error:
            raise _no_folder(path, error) from None
        if not stat.S_ISDIR(mode):
            raise bad(f"`{path}` is not a folder")
        return Path(place), real

    def file(self, value: object) -> Path:
        """Return the absolute path of a file that need not exist yet. Raises ManifestError where it cannot be one."""
        path = Path(self._root) / text(value)
        try:
            is_folder = path.is_dir()
        except (OSError, ValueError) as error:
            raise _no_folder(str(value), error) from None
        if is_folder:
            raise bad(f"`{value}` is a folder", "name a file, relative to the folder of the manifest")
        return path


def _no_folder(path: str, error: Exception) -> ManifestError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        hint = "it is relative to the folder of the manifest"
        if path.startswith("~"):
            hint = "`~` is not expanded here: write the path relative to the manifest, or absolute"
        return bad(f"`{path}` does not exist", hint)
    return bad(f"`{path}` cannot be looked at: {error.strerror if isinstance(error, OSError) else error}")
