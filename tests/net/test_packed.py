"""A packed answer is unpacked piece by piece, so that the cap on what is read holds for it too."""

import gzip
import tracemalloc
import zlib
from collections.abc import Iterator

import httpx2
import pytest

from flakesync.net.http import NoAnswerError, Web


class Body(httpx2.SyncByteStream):
    def __init__(self, data: bytes) -> None:
        self._data = data

    def __iter__(self) -> Iterator[bytes]:
        yield self._data


def read(data: bytes, encoding: str, limit_bytes: int = 1 << 20) -> bytes:
    answer = httpx2.Response(200, headers={"Content-Encoding": encoding}, stream=Body(data))
    with (
        Web(connect_s=1, read_s=1, transport=httpx2.MockTransport(lambda _: answer)) as web,
        web.open("GET", "https://forge.example/x", headers={}, limit_bytes=limit_bytes) as found,
    ):
        return b"".join(found.pieces)


def test_a_packed_answer_is_read() -> None:
    text = b"some text" * 100_000
    assert read(gzip.compress(text), "gzip") == text
    assert read(text, "identity") == text
    assert read(b"", "gzip") == b""


def test_a_bomb_ends_at_the_cap_before_it_is_unpacked() -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join([packer.compress(bytes(1 << 20)) for _ in range(100)]) + packer.flush()
    tracemalloc.start()
    try:
        with pytest.raises(NoAnswerError) as caught:
            read(bomb, "gzip")
        assert caught.value.trouble == "too-large"
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b"x", "gzip, gzip"),
        (b"x", "br"),
        (b"x", "zstd"),
        (b"no gzip", "gzip"),
        (gzip.compress(b"x" * 1000, mtime=0)[:-9], "gzip"),
    ],
)
def test_what_was_not_asked_for_and_what_is_cut_off_is_no_answer(data: bytes, encoding: str) -> None:
    with pytest.raises(NoAnswerError) as caught:
        read(data, encoding)
    assert caught.value.trouble == "content"
