"""Archives in every compression that Nix unpacks, whole, cut off and overgrown."""

import bz2
import gzip
import lzma
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakesync.errors import NixError
from flakesync.nix.store import compression
from flakesync.nix.store.compression import decompressed
from flakesync.nix.store.zstd import packed, unpacked


def zstd(data: bytes) -> bytes:
    return b"".join(packed([data]))


Way = Callable[[bytes], bytes]
WAYS: dict[str, Way] = {"gzip": gzip.compress, "xz": lzma.compress, "bzip2": bz2.compress, "zstd": zstd}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    return WAYS[request.param]


def cut(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


@pytest.mark.parametrize("size", [1, 5, 4096, 1 << 20])
def test_what_is_compressed_comes_out_however_its_pieces_are_cut(way: Way, size: int) -> None:
    data = b"".join(number.to_bytes(4, "big") for number in range(3000))
    assert b"".join(decompressed(cut(way(data), size))) == data


@pytest.mark.parametrize("data", [b"", b"BZ", b"plain text", b"\x1f", b"\xfd7zX"])
def test_what_is_not_compressed_stays_as_it_is(data: bytes) -> None:
    assert b"".join(decompressed(cut(data, 1))) == data


@pytest.mark.parametrize("name", ["gzip", "xz", "bzip2"])
def test_what_is_cut_off_is_refused(name: str) -> None:
    whole = WAYS[name](b"some words " * 50)
    for length in range(8, len(whole)):
        with pytest.raises(NixError) as caught:
            list(decompressed([whole[:length]]))
        assert caught.value.code == "bad-archive"


def test_several_streams_are_one_archive() -> None:
    assert b"".join(decompressed(cut(bz2.compress(b"one ") + bz2.compress(b"two"), 7))) == b"one two"
    padded = lzma.compress(b"one ") + bytes(8) + lzma.compress(b"two") + bytes(4)
    assert b"".join(decompressed(cut(padded, 7))) == b"one two"


def test_an_archive_that_grows_beyond_measure_is_refused_in_little_memory(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compression, "_ANY_RATIO_BYTES", 4 << 20)
    bomb = way(bytes(20 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(NixError, match="100 times as large"):
            for _ in decompressed([bomb]):
                pass
        assert tracemalloc.get_traced_memory()[1] < 12 << 20, "xz has a window of 8 MiB"
    finally:
        tracemalloc.stop()


def test_archives_that_want_much_memory_are_refused() -> None:
    greedy = lzma.compress(b"x", filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 28}])
    with pytest.raises(NixError, match="cannot be read"):
        list(decompressed([greedy]))


def test_a_window_larger_than_nix_takes_is_refused() -> None:
    with pytest.raises(NixError, match="cannot be decompressed") as caught:
        list(unpacked([_framed(28)]))
    assert caught.value.code == "bad-blob"
    assert b"".join(unpacked([_framed(27)])) == b""


def _framed(window_log: int) -> bytes:
    """Return a frame of nothing that asks for a window: magic, descriptor, window, an empty last block."""
    return b"\x28\xb5\x2f\xfd" + b"\x00" + bytes([(window_log - 10) << 3]) + b"\x01\x00\x00"


def test_a_frame_that_wants_a_dictionary_is_refused() -> None:
    import zstandard

    words = zstandard.ZstdCompressionDict(b"some words that are often there " * 20, dict_type=zstandard.DICT_TYPE_AUTO)
    foreign = zstandard.ZstdCompressor(dict_data=words).compress(b"some words that are often there, and others")
    with pytest.raises(NixError):
        list(unpacked([foreign]))


@given(st.lists(st.binary(max_size=3000) | st.integers(1, 400_000).map(bytes), max_size=6), st.integers(1, 300_000))
def test_the_same_bytes_are_packed_to_the_same_bytes(pieces: list[bytes], size: int) -> None:
    data = b"".join(pieces)
    file = b"".join(packed(pieces))
    assert file == b"".join(packed(cut(data, size)))
    assert b"".join(unpacked(cut(file, size))) == data


@given(st.binary(max_size=300))
def test_no_data_does_harm(data: bytes) -> None:
    for start in (b"\x1f\x8b", b"\xfd7zXZ\0", b"BZh9", b"\x28\xb5\x2f\xfd", b""):
        with suppress(NixError):
            list(decompressed([start + data]))
