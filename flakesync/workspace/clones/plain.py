"""The files of a plain folder, as they lie there."""

from collections.abc import Iterable
from pathlib import Path


def read_plain(folder: Path, names: Iterable[str]) -> tuple[dict[str, bytes | None], dict[str, str]]:
    """Return the files `names` below a folder (None: there is none), and of those that are symlinks, where they lead.

    Raises: OSError, with the file's name.
    """
    files: dict[str, bytes | None] = {}
    links: dict[str, str] = {}
    for name in names:
        path = folder / name
        if path.is_symlink():
            links[name] = str(path.readlink())
        files[name] = path.read_bytes() if path.is_file() else None
    return files, links
