"""Trees and blobs for a narHash: nothing is kept, large blobs come in pieces."""

import os
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from flakesync.errors import GitError
from flakesync.git import process
from flakesync.git.store.commits import corrupt
from flakesync.git.store.objects import ObjectReader

_ENTRY = re.compile(rb"([0-7]{5,6}) ([^\0]+)\0(.{20})", re.DOTALL)
_ENTRY_SHA256 = re.compile(rb"([0-7]{5,6}) ([^\0]+)\0(.{32})", re.DOTALL)
_PIECE_BYTES = 1 << 16
_LARGE_BYTES = 1 << 24
"""From this size on a blob is not read into memory as a whole."""
_WINDOW_BYTES = 8 << 20


def bound_memory(reader: ObjectReader) -> None:
    """Let libgit2 map no more than 32 MiB of packs, from now on: it maps a whole one otherwise, which counts as memory.

    Where there are no packs libgit2 is not needed, nor loaded.
    """
    if reader.lenders or any(Path(reader.common_dir, "objects", "pack").glob("*.pack")):
        import pygit2

        pygit2.settings.mwindow_size = _WINDOW_BYTES
        pygit2.settings.mwindow_mapped_limit = 4 * _WINDOW_BYTES


class TreeContents:
    """The trees and blobs of one repository, as `flakesync.nix.store.narhash.TreeReader` asks for them."""

    def __init__(self, reader: ObjectReader) -> None:
        """Read through `reader`, without its memory of trees."""
        self._reader = reader

    def tree(self, oid: str) -> dict[bytes, tuple[int, str]]:
        """Return a tree's entries: name → (mode, object id). Raises: GitError(`missing-object` | `corrupt`)."""
        kind, data = self._reader.raw(oid)
        size = len(oid) // 2
        rows = (_ENTRY if size == 20 else _ENTRY_SHA256).findall(data) if kind == b"tree" else []
        entries = {name: (int(mode, 8), raw.hex()) for mode, name, raw in rows}
        if kind != b"tree" or sum([len(mode) + len(name) + size + 2 for mode, name, _ in rows]) != len(data):
            raise self._corrupt(oid)
        if len(entries) != len(rows):
            raise self._corrupt(oid)
        return entries

    def blob(self, oid: str) -> tuple[int, Iterable[bytes]]:
        """Return a blob's size in bytes and its content in pieces. Raises: GitError(`missing-object` | `corrupt`)."""
        place = f"{self._reader.common_dir}/objects/{oid[:2]}/{oid[2:]}"
        try:
            loose = open(place, "rb")  # noqa: PTH123, SIM115 -- small files by the thousand
        except OSError:
            return self._elsewhere(oid)
        with loose:
            if os.fstat(loose.fileno()).st_size < _PIECE_BYTES:
                inflater = zlib.decompressobj()
                # With a limit: 64 kB of zlib can hold 64 MB of zeros.
                start = self._inflate(inflater, loose.read(), _LARGE_BYTES, oid)
                if inflater.eof:
                    size, content = self._header(start, oid)
                    return size, (content,)
        return self._large_loose(oid, place)

    def _elsewhere(self, oid: str) -> tuple[int, Iterable[bytes]]:
        for folder in self._reader.lenders:
            if os.path.exists(place := f"{folder}/{oid[:2]}/{oid[2:]}"):  # noqa: PTH110
                return self._large_loose(oid, place)
        if len(oid) == 40 and self._reader.odb.exists(oid):
            kind, size = self._reader.odb.read_header(oid)
            if int(kind) == _BLOB and size >= _LARGE_BYTES:
                # libgit2 gives packed objects only as a whole.
                return size, process.stream(["cat-file", "blob", oid], cwd=self._reader.path)
        found, content = self._reader.raw(oid)
        if found != b"blob":
            raise self._corrupt(oid)
        return len(content), (content,)

    def _large_loose(self, oid: str, place: str) -> tuple[int, Iterator[bytes]]:
        # Hashed while it is inflated: a blob of a gigabyte takes 64 kB of memory.
        loose = open(place, "rb")  # noqa: PTH123, SIM115 -- closed by _pieces
        try:
            inflater = zlib.decompressobj()
            size, first = self._header(self._inflate(inflater, loose.read(4096), _PIECE_BYTES, oid), oid)
        except BaseException:
            loose.close()
            raise
        return size, self._pieces(loose, inflater, first, oid)

    def _pieces(self, loose: BinaryIO, inflater: "zlib._Decompress", first: bytes, oid: str) -> Iterator[bytes]:
        with loose:
            yield first
            while not inflater.eof:
                data = inflater.unconsumed_tail or loose.read(_PIECE_BYTES)
                if not data:
                    raise self._corrupt(oid)
                yield self._inflate(inflater, data, _PIECE_BYTES, oid)

    def _inflate(self, inflater: "zlib._Decompress", data: bytes, most: int, oid: str) -> bytes:
        try:
            return inflater.decompress(data, most)
        except zlib.error:
            raise self._corrupt(oid) from None

    def _header(self, start: bytes, oid: str) -> tuple[int, bytes]:
        header, nul, content = start.partition(b"\0")
        kind, _, size = header.partition(b" ")
        if kind != b"blob" or not nul or not size.isdigit():
            raise self._corrupt(oid)
        return int(size), content

    def _corrupt(self, oid: str) -> GitError:
        return corrupt(self._reader.path, f"the object {oid} is corrupt, or not what it should be")


_BLOB = 3
