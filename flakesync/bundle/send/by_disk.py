"""Sources from files of this machine: a `path:` input, or what a Nix has in its store. No nix is started."""

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from flakesync.bundle.send.way import not_by
from flakesync.nix.store.nar import nar_of_file, nar_pieces

_PIECE_BYTES = 1 << 18
_TREE = 0o40000
_SYMLINK = 0o120000
_FILE = 0o100644
_PROGRAM = 0o100755


def disk_nar(path: Path) -> Iterator[bytes]:
    """Give the NAR of a folder or a file. Raises: FlakesyncError: it cannot be read, or holds what no NAR has."""
    try:
        found = path.lstat()
        if stat.S_ISREG(found.st_mode):
            program = bool(found.st_mode & stat.S_IXUSR)
            yield from nar_of_file(found.st_size, _content(os.fspath(path)), executable=program)
            return
        if not stat.S_ISDIR(found.st_mode):
            raise not_by(f"{path} is neither a folder nor a file")
        yield from nar_pieces(_Folder(found.st_dev), os.fspath(path))
    except OSError as error:
        raise not_by(f"{path}: {error.strerror or error}") from None
    except ValueError as error:  # a name with a zero byte
        raise not_by(f"{str(path)!r}: {error}") from None


class _Folder:
    """A folder as a TreeReader: an object id is a path. What is mounted inside it is not read."""

    def __init__(self, device: int) -> None:
        self._device = device

    def tree(self, oid: str) -> Mapping[bytes, tuple[int, str]]:
        with os.scandir(oid) as entries:
            return {os.fsencode(entry.name): (self._mode(entry), entry.path) for entry in entries}

    def blob(self, oid: str) -> tuple[int, Iterator[bytes]]:
        found = os.lstat(oid)
        if stat.S_ISLNK(found.st_mode):
            target = os.fsencode(os.readlink(oid))  # noqa: PTH115
            return len(target), iter([target])
        return found.st_size, _content(oid)

    def _mode(self, entry: "os.DirEntry[str]") -> int:
        found = entry.stat(follow_symlinks=False)
        if stat.S_ISLNK(found.st_mode):
            return _SYMLINK
        if stat.S_ISDIR(found.st_mode) and found.st_dev == self._device:
            return _TREE
        if stat.S_ISREG(found.st_mode):
            return _PROGRAM if found.st_mode & stat.S_IXUSR else _FILE
        raise not_by(f"{entry.path} is neither a file, a folder nor a symlink")


def _content(path: str) -> Iterator[bytes]:
    # No symlink is followed that has come in between, and no pipe waited for.
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(handle, "rb") as file:  # noqa: PTH123
        while piece := file.read(_PIECE_BYTES):
            yield piece
