"""Where the files of a NAR lie in it. The NAR has been proven: what cannot be read here is a form that Nix has not."""

import hashlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from flakesync.errors import NixError

_PIECE_BYTES = 1 << 18
_LONGEST_WORD_BYTES = 1 << 16
_MAGIC = b"nix-archive-1"


class NarFile(NamedTuple):
    """A file. path: names with zero bytes between them.

    before: where what stands before its content begins: the end of the file before it. start: of its content; end: of
    its content with the zeros after it.
    """

    path: bytes
    before: int
    start: int
    end: int
    digest: bytes


def files_in(nar: BinaryIO) -> Iterator[NarFile]:
    """Give the files of a NAR in its order. nar: read from its first byte on. Raises: NixError(`no-nar`)."""
    nar.seek(0)
    _expect(nar, _MAGIC)
    names: list[bytes] = []
    before = 0
    while True:
        for part in (b"(", b"type"):
            _expect(nar, part)
        kind = _word(nar)
        if kind == b"regular":
            found = _file(nar, b"\0".join(names), before)
            before = found.end
            yield found
        elif kind == b"symlink":
            _expect(nar, b"target")
            _word(nar)
        elif kind != b"directory":
            raise _unread()
        if not _next_entry(nar, names, inside=kind == b"directory"):
            return


def _next_entry(nar: BinaryIO, names: list[bytes], *, inside: bool) -> bool:
    """Go on to the next node, of which the name is the last of `names` then; tell whether there is one."""
    if not inside:
        _expect(nar, b")")
        if not names:
            return False
        _expect(nar, b")")
        names.pop()
    while (word := _word(nar)) == b")":
        if not names:
            return False
        _expect(nar, b")")
        names.pop()
    if word != b"entry":
        raise _unread()
    for part in (b"(", b"name"):
        _expect(nar, part)
    names.append(_word(nar))
    _expect(nar, b"node")
    return True


def _file(nar: BinaryIO, path: bytes, before: int) -> NarFile:
    word = _word(nar)
    if word == b"executable":
        _expect(nar, b"")
        word = _word(nar)
    if word != b"contents":
        raise _unread()
    size = _size(nar)
    start = nar.tell()
    digest = hashlib.sha256()
    left = size
    while left:
        piece = nar.read(min(left, _PIECE_BYTES))
        if not piece:
            raise _unread()
        digest.update(piece)
        left -= len(piece)
    end = start + size + -size % 8
    nar.seek(end)
    return NarFile(path, before, start, end, digest.digest())


def _size(nar: BinaryIO) -> int:
    found = nar.read(8)
    if len(found) != 8:
        raise _unread()
    return int.from_bytes(found, "little")


def _word(nar: BinaryIO) -> bytes:
    size = _size(nar)
    if size > _LONGEST_WORD_BYTES:
        raise _unread()
    padded = nar.read(size + -size % 8)
    if len(padded) < size:
        raise _unread()
    return padded[:size]


def _expect(nar: BinaryIO, wanted: bytes) -> None:
    if _word(nar) != wanted:
        raise _unread()


def _unread() -> NixError:
    return NixError("no-nar", "the NAR has a form that is not known")
