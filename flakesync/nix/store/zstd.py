"""zstd as caches of Nix have it: one thread and fixed settings, so that the same bytes come to the same bytes.

Nix takes a window of at most 128 MiB and knows no dictionaries; what is packed here has a window of 2 MiB.
"""

from collections.abc import Iterable, Iterator

from flakesync.errors import NixError

_LEVEL = 3
_LARGEST_WINDOW_BYTES = 1 << 27
_PIECE_BYTES = 1 << 17


def packed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Give what pieces come to, compressed. How they are cut makes no difference."""
    import zstandard

    packer = zstandard.ZstdCompressor(level=_LEVEL).compressobj()
    for piece in pieces:
        if ready := packer.compress(piece):
            yield ready
    yield packer.flush()


def unpacked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Give what pieces hold, decompressed, 128 KiB at a time: whoever takes it can stop where it gets too much.

    Data that ends in the middle of a frame ends early without an error: the length has to be known from elsewhere.

    Raises:
        NixError: `bad-blob`: it is no zstd, or wants a dictionary or more memory than Nix gives it.
    """
    import zstandard

    reader = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW_BYTES).stream_reader(
        _Pieces(pieces),  # type: ignore[arg-type]  # it calls read and nothing else
        read_size=_PIECE_BYTES,
        read_across_frames=True,
    )
    while True:
        try:
            piece = reader.read(_PIECE_BYTES)
        except zstandard.ZstdError as error:
            raise NixError("bad-blob", f"it cannot be decompressed: {error}") from None
        if not piece:
            return
        yield piece


class _Pieces:
    """Pieces as zstandard reads them: it takes one that is shorter than it has asked for, but none that is longer."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = memoryview(b"")

    def read(self, size: int) -> bytes:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._rest = memoryview(piece)
        found, self._rest = self._rest[:size], self._rest[size:]
        return bytes(found)
