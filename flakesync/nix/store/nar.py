"""NARs, Nix's archive format, written as a stream (`dumpPath` of Nix).

A NAR holds names, contents, executable bits and symlinks; no owners, times or other modes. Memory does not grow with
the tree: contents pass through in pieces, and only the folders on the way down are held.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

from flakesync.errors import NixError

_TREE = 0o40000
_SYMLINK = 0o120000
_GITLINK = 0o160000
_FILES = (0o100644, 0o100664, 0o100755)
_EXECUTABLE = 0o100

_MOST_ENTRIES = 1_000_000
"""Ten times what the largest sources have. A git tree that has the same folder twice, forty times over, has 2^40."""
_MOST_BYTES = 1 << 35
"""As in an archive (tarball.py): the same blob may be there as often."""

_PIECE_BYTES = 1 << 16
"""How much of what is small is gathered before it is passed on."""


def _text(*words: bytes) -> bytes:
    """Return strings as a NAR holds them: the length in 8 bytes, the text, zeros up to a multiple of 8."""
    return b"".join([len(word).to_bytes(8, "little") + word + bytes(-len(word) % 8) for word in words])


_MAGIC = _text(b"nix-archive-1")
_FOLDER = _text(b"(", b"type", b"directory")
_FILE = _text(b"(", b"type", b"regular", b"contents")
_PROGRAM = _text(b"(", b"type", b"regular", b"executable", b"", b"contents")
_LINK = _text(b"(", b"type", b"symlink", b"target")
_ENTRY = _text(b"entry", b"(", b"name")
_NODE = _text(b"node")
_END = _text(b")")
_END_ENTRY = _END + _END
_EMPTY_FOLDER = _FOLDER + _END


class TreeReader(Protocol):
    """Where a tree's folders and contents come from; for git trees see `flakesync.git.store.contents.TreeContents`."""

    def tree(self, oid: str) -> Mapping[bytes, tuple[int, str]]:
        """Return the entries of a tree: name → (git's mode, object id), in any order."""
        ...

    def blob(self, oid: str) -> tuple[int, Iterable[bytes]]:
        """Return the size of a blob in bytes, and its content in pieces."""
        ...


def write_nar(reader: TreeReader, tree: str, write: Callable[[bytes], object]) -> None:
    """Write the NAR of a git tree, as `nar_pieces` gives it. Raises: as it."""
    for piece in nar_pieces(reader, tree):
        write(piece)


def nar_pieces(reader: TreeReader, tree: str) -> Iterator[bytes]:
    """Give the NAR of a git tree as it is stored, in pieces; a submodule is an empty folder.

    Raises:
        NixError: `no-nar` for an entry that has no place in a NAR, or a blob that is not as long as it should be;
            `large-tree`: it holds more than any source has.
    """
    return _together(_parts(reader, tree))


def nar_of_file(size: int, pieces: Iterable[bytes], *, executable: bool = False) -> Iterator[bytes]:
    """Give the NAR of a single file (an input of the type `file`), in pieces. size: how many bytes it has.

    Raises:
        NixError: `no-nar`: it is not as long as that.
    """
    return _together(_file(size, pieces, executable=executable))


def _together(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Give what is small together: a write and a hash of each name would take longer than the work itself."""
    waiting = bytearray()
    for part in parts:
        if len(part) >= _PIECE_BYTES:
            if waiting:
                yield bytes(waiting)
                waiting.clear()
            yield part
            continue
        waiting += part
        if len(waiting) >= _PIECE_BYTES:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)


def _file(size: int, pieces: Iterable[bytes], *, executable: bool) -> Iterator[bytes]:
    yield _MAGIC + (_PROGRAM if executable else _FILE)
    yield from _content("file", size, pieces)
    yield _END


def _parts(reader: TreeReader, tree: str) -> Iterator[bytes]:
    yield _MAGIC + _FOLDER
    entries = size = 0
    open_folders = [_sorted(reader, tree)]
    while open_folders:
        entry = next(open_folders[-1], None)
        if entry is None:
            open_folders.pop()
            yield _END_ENTRY if open_folders else _END
            continue
        name, mode, oid = entry
        entries += 1
        if entries > _MOST_ENTRIES or size > _MOST_BYTES:
            much = f"{_MOST_ENTRIES} files and folders" if entries > _MOST_ENTRIES else f"{_MOST_BYTES} bytes"
            raise NixError("large-tree", f"the tree {tree} has more than {much}")
        yield _ENTRY + _text(name) + _NODE
        if mode == _TREE:
            yield _FOLDER
            open_folders.append(_sorted(reader, oid))
        elif mode == _GITLINK:
            yield _EMPTY_FOLDER + _END
        elif mode == _SYMLINK or mode in _FILES:
            yield _LINK if mode == _SYMLINK else _PROGRAM if mode & _EXECUTABLE else _FILE
            length, pieces = reader.blob(oid)
            size += length
            yield from _content(f"object {oid}", length, pieces)
            yield _END_ENTRY
        else:
            raise NixError("no-nar", f"{_shown(name)} has the mode {mode:o}, which Nix does not know")


def _sorted(reader: TreeReader, oid: str) -> Iterator[tuple[bytes, int, str]]:
    """Give a folder's entries in the order of a NAR: by bytes, folders among files (git sorts `a` as `a/`)."""
    entries = reader.tree(oid)
    for name in entries:
        if name in (b"", b".", b"..") or b"/" in name or b"\0" in name:
            raise NixError("no-nar", f"{_shown(name)!r} cannot be the name of a file")
    return iter([(name, *entries[name]) for name in sorted(entries)])


def _content(what: str, size: int, pieces: Iterable[bytes]) -> Iterator[bytes]:
    yield size.to_bytes(8, "little")
    left = size
    for piece in pieces:
        left -= len(piece)
        yield piece
    if left:
        raise NixError("no-nar", f"the {what} is not {size} bytes long")
    yield bytes(-size % 8)


def _shown(name: bytes) -> str:
    return name.decode("utf-8", "replace")
