"""What archives and files of caches are compressed with: gzip, xz, bzip2, zstd, or nothing."""

import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from flakesync.errors import NixError
from flakesync.nix.store.zstd import unpacked

_PIECE_BYTES = 1 << 18
_MOST_MEMORY_BYTES = 1 << 27
"""`xz -9` takes half of it to be unpacked."""
_GREATEST_RATIO = 100
_ANY_RATIO_BYTES = 1 << 26
"""Up to so many bytes an archive may be packed as tightly as it likes."""
_MAGIC = {"gzip": b"\x1f\x8b", "xz": b"\xfd7zXZ\0", "bzip2": b"BZh", "zstd": b"\x28\xb5\x2f\xfd"}
_LONGEST_MAGIC = 6


def decompressed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Give the decompressed pieces, checksum and length verified, or the pieces as they are if they are none of these.

    Raises:
        NixError: `bad-archive`: it is damaged, cut off, unpacks to more than 64 MiB and 100 times its size, or takes
            more than 128 MiB of memory.
    """
    source = iter(pieces)
    first = b""
    while len(first) < _LONGEST_MAGIC and (piece := next(source, None)) is not None:
        first += piece
    source = itertools.chain((first,), source)
    name = next((name for name, magic in _MAGIC.items() if first.startswith(magic)), None)
    return source if name is None else _measured(source, name)


def decompressed_as(name: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Give the decompressed pieces of a file of a cache. name: its compression, as a narinfo says it.

    Nothing limits how large it is: whoever takes the pieces has to stop.

    Raises:
        NixError: `bad-blob`: it is damaged, cut off, or in a compression that is not known here.
    """
    if name == "none":
        return iter(pieces)
    if name not in _MAGIC:
        raise NixError("bad-blob", f"the compression {name[:50]!r} is not known")
    return _unpacked(name, iter(pieces))


def _unpacked(name: str, source: Iterator[bytes]) -> Iterator[bytes]:
    unpack = {"gzip": _gunzipped, "xz": _unxz, "bzip2": _bunzipped, "zstd": unpacked}[name]
    try:
        yield from unpack(source)
    except (EOFError, ValueError, zlib.error) as error:
        raise NixError("bad-blob", f"it cannot be decompressed: {error}") from None


def _measured(source: Iterator[bytes], name: str) -> Iterator[bytes]:
    size = out = 0

    def counted() -> Iterator[bytes]:
        nonlocal size
        for piece in source:
            size += len(piece)
            yield piece

    pieces = _unpacked(name, counted())
    while True:
        try:
            piece = next(pieces, None)
        except NixError as error:
            raise NixError("bad-archive", f"the archive cannot be read: {error.message}") from None
        if piece is None:
            return
        out += len(piece)
        if out > max(_ANY_RATIO_BYTES, _GREATEST_RATIO * size):
            raise NixError("bad-archive", f"the archive is more than {_GREATEST_RATIO} times as large unpacked")
        yield piece


def _gunzipped(source: Iterator[bytes]) -> Iterator[bytes]:
    gzip = zlib.decompressobj(wbits=31)
    for piece in source:
        waiting = piece
        while waiting and not gzip.eof:
            yield gzip.decompress(waiting, _PIECE_BYTES)
            waiting = gzip.unconsumed_tail
        if gzip.unused_data.strip(b"\0"):
            raise ValueError("something follows the end of the compressed data")
    while not gzip.eof:
        rest = gzip.decompress(gzip.unconsumed_tail, _PIECE_BYTES)
        if not rest and not gzip.eof:
            raise EOFError("the compressed data is cut off")
        yield rest


class _Decompressor(Protocol):
    """What lzma and bz2 have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


def _unxz(source: Iterator[bytes]) -> Iterator[bytes]:
    import lzma

    try:
        yield from _streams(source, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MOST_MEMORY_BYTES))
    except lzma.LZMAError as error:
        raise ValueError(error) from None


def _bunzipped(source: Iterator[bytes]) -> Iterator[bytes]:
    import bz2

    return _streams(source, bz2.BZ2Decompressor)


def _streams(source: Iterator[bytes], start: Callable[[], _Decompressor]) -> Iterator[bytes]:
    """Decompress one stream after the other: programs that use several processors write several."""
    stream = start()
    for piece in source:
        waiting = piece
        while True:
            if stream.eof:
                waiting = waiting.lstrip(b"\0")  # between streams of xz there may be zeros
                if not waiting:
                    break
                stream = start()
            try:
                yield stream.decompress(waiting, _PIECE_BYTES)
            except OSError as error:  # that is what bz2 raises
                raise ValueError(error) from None
            waiting = stream.unused_data
            if not stream.eof and stream.needs_input:
                break
    if not stream.eof:
        raise EOFError("the compressed data is cut off")
