"""A NAR is made again of an old one and a delta; nothing in the delta is believed.

Memory: one frame with its prefix, at most 100 MB. What comes is proven by whoever takes it, by its narHash.
"""

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from flakesync.bundle.delta.form import (
    COPY,
    DIGEST_BYTES,
    END,
    FRAME,
    LARGEST_WINDOW_LOG,
    LONGEST_NUMBER,
    MAGIC,
    MOST_DATA_BYTES,
    MOST_PREFIX_BYTES,
    MOST_RANGES,
    TAKE,
)
from flakesync.errors import NixError

_PIECE_BYTES = 1 << 18


def rebuilt(pieces: Iterable[bytes], old: BinaryIO, digests: tuple[bytes, bytes], *, size: int) -> Iterator[bytes]:
    """Give the NAR that a delta makes of an old one. digests: SHA-256 of both. size: of the new one, in bytes.

    The delta is read to its end. Raises: NixError(`bad-blob`): it is damaged, of other NARs, or asks for what no delta
    needs; and what `pieces` raises.
    """
    delta = _Delta(pieces)
    if delta.read(len(MAGIC)) != MAGIC:
        raise _bad("it is none, or one of a later version")
    if (delta.read(DIGEST_BYTES), delta.read(DIGEST_BYTES)) != digests:
        raise _bad("it is one of other sources")
    old_size = old.seek(0, 2)
    left, prefixes_left = size, old_size
    frame = memoryview(b"")
    while (kind := delta.read(1)[0]) != END:
        if kind == COPY:
            start, length = _range(delta, old_size)
            left -= _counted(length, left)
            yield from _copied(old, start, length)
        elif kind == FRAME and not frame:
            ranges = _ranges(delta, old_size)
            # Each file of the old NAR is a prefix once: else a short delta could have all of it read many times.
            prefixes_left -= sum(length for _, length in ranges)
            if prefixes_left < 0:
                raise _bad("it takes too much of the old source")
            frame = memoryview(_read_frame(delta, old, ranges, left))
        elif kind == TAKE:
            length = _counted(delta.number(), min(left, len(frame)))
            left -= length
            yield bytes(frame[:length])
            frame = frame[length:]
        else:
            raise _bad(f"it has a record of the kind {kind} where none can be")
    delta.require_end()
    if left or frame:
        raise _bad(f"it makes a NAR that is {left} bytes too short, or has more than it uses")


def _ranges(delta: "_Delta", old_size: int) -> list[tuple[int, int]]:
    """Return the ranges of the old NAR that are the prefix of a frame."""
    found: list[tuple[int, int]] = []
    size = 0
    count = delta.number()
    if count > MOST_RANGES:
        raise _bad("it has a frame of too many parts")
    for _ in range(count):
        found.append(_range(delta, old_size))
        size += found[-1][1]
        if size > MOST_PREFIX_BYTES or not found[-1][1]:
            raise _bad("it takes too much of the old source at once")
    return found


def _range(delta: "_Delta", old_size: int) -> tuple[int, int]:
    start, length = delta.number(), delta.number()
    if start + length > old_size:
        raise _bad("it takes more than there is of the old source")
    return start, length


def _read_frame(delta: "_Delta", old: BinaryIO, ranges: list[tuple[int, int]], left: int) -> bytes:
    unpacked, packed = delta.number(), delta.number()
    if not 0 < unpacked <= min(left, MOST_DATA_BYTES) or packed > MOST_DATA_BYTES + MOST_DATA_BYTES // 64:
        raise _bad("it has a frame that is too large, or empty")
    prefix = b"".join(piece for start, length in ranges for piece in _copied(old, start, length))
    return _unpacked(delta.read(packed), prefix, unpacked)


def _counted(length: int, left: int) -> int:
    if not 0 < length <= left:
        raise _bad("it makes a NAR that is larger than it should be, or has an empty record")
    return length


def _copied(old: BinaryIO, start: int, length: int) -> Iterator[bytes]:
    old.seek(start)
    while length:
        piece = old.read(min(length, _PIECE_BYTES))
        if not piece:
            raise _bad("the old source has become shorter")
        length -= len(piece)
        yield piece


def _unpacked(frame: bytes, prefix: bytes, size: int) -> bytes:
    """Return what a frame comes to. Its header says how much, before anything is unpacked."""
    import zstandard

    known = zstandard.ZstdCompressionDict(prefix, dict_type=zstandard.DICT_TYPE_RAWCONTENT) if prefix else None
    try:
        header = zstandard.get_frame_parameters(frame)
        if header.content_size != size or header.window_size > 1 << LARGEST_WINDOW_LOG or header.dict_id:
            raise _bad("it has a frame of another size than it says, or one that takes too much memory")
        unpacker = zstandard.ZstdDecompressor(dict_data=known, max_window_size=1 << LARGEST_WINDOW_LOG)
        found = unpacker.decompress(frame, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise _bad(f"it cannot be decompressed: {error}") from None
    if len(found) != size:
        raise _bad("it has a frame of another size than it says")
    return found


class _Delta:
    """The bytes of a delta, which come in pieces."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._piece, self._at = b"", 0

    def read(self, size: int) -> bytes:
        """Return the next bytes, exactly as many. Raises: NixError(`bad-blob`)."""
        start, end = self._at, self._at + size
        if end > len(self._piece):
            parts, found = [self._piece[start:]], len(self._piece) - start
            while found < size:
                piece = next(self._pieces, None)
                if piece is None:
                    raise _bad("it is cut off")
                parts.append(piece)
                found += len(piece)
            self._piece, start, end = b"".join(parts), 0, size
        self._at = end
        return self._piece[start:end]

    def number(self) -> int:
        """Return the next number. Raises: NixError(`bad-blob`)."""
        value = 0
        for place in range(LONGEST_NUMBER):
            (byte,) = self.read(1)
            value |= (byte & 0x7F) << 7 * place
            if byte <= 0x7F:
                return value
        raise _bad("it has a number that is too long")

    def require_end(self) -> None:
        """Read to the end of the pieces, whose own checks come there. Raises: NixError(`bad-blob`)."""
        more = self._at < len(self._piece)
        for piece in self._pieces:
            more = more or bool(piece)
        if more:
            raise _bad("something follows its end")


def _bad(why: str) -> NixError:
    return NixError("bad-blob", f"the delta cannot be used: {why}", hint="copy the bundle once more")
