"""No server holds a run for longer than an answer of its size is worth, whatever it drips."""

import threading
import time

import pytest

from flakesync.errors import FlakesyncError
from flakesync.net import http
from flakesync.net.http import NoAnswerError, Web
from flakesync.processes.stop import stopping
from tests.support.slow_server import HEAD, slow_server

ENDLESS_S = 30.0
KINDS = {
    "silence": (b"", b""),
    "a status line without end": (b"HTTP/1.1 200 ", b"O"),
    "headers without end": (HEAD, b"X: y\r\n"),
    "answers that are none": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a body": (HEAD + b"Content-Length: 100000\r\n\r\n", b" "),
    "a body without a length": (HEAD + b"Connection: close\r\n\r\n", b" "),
    "a chunk's extension": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x"),
    "chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "GRACE_S", 0.3)
    monkeypatch.setattr(http, "_AGAIN_S", 0.05)


def read(web: Web, url: str) -> bytes:
    with web.open("GET", url, headers={}, limit_bytes=1 << 20) as answer:
        return b"".join(answer.pieces)


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_that_takes_too_long_as_a_whole_is_given_up(kind: str) -> None:
    with slow_server(*KINDS[kind]) as server, Web(connect_s=ENDLESS_S, read_s=ENDLESS_S) as web:
        begun = time.monotonic()
        with pytest.raises(NoAnswerError, match="given up after") as caught:
            read(web, server.url)
        assert caught.value.trouble == "timeout"
        assert time.monotonic() - begun < ENDLESS_S / 2


def test_a_connection_that_is_used_again_is_given_up_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "GRACE_S", ENDLESS_S)
    whole = HEAD + b"Content-Length: 1\r\n\r\n1"
    with slow_server(before=whole) as server, Web(connect_s=ENDLESS_S, read_s=ENDLESS_S) as web:
        assert read(web, server.url) == b"1"
        monkeypatch.setattr(http, "GRACE_S", 0.1)
        with pytest.raises(NoAnswerError, match="given up after"):
            read(web, server.url)


def test_an_answer_that_comes_fast_enough_may_take_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "LEAST_BYTES_PER_S", 0.1)

    def answer(grace_s: float) -> bytes:
        monkeypatch.setattr(http, "GRACE_S", grace_s)
        size = int(50 * grace_s)  # takes a quarter longer than that
        head = HEAD + b"Content-Length: %d\r\n\r\n" % size
        with slow_server(head, b"ab") as server, Web(connect_s=ENDLESS_S, read_s=ENDLESS_S) as web:
            return read(web, server.url)

    try:
        found = answer(1.0)
    except NoAnswerError:  # a machine may be too busy for its first bytes
        found = answer(8.0)
    assert set(found.split(b"ab")) == {b""}
    assert len(found) >= 50


def test_no_answer_is_worth_more_than_the_longest_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "LEAST_BYTES_PER_S", 1)
    monkeypatch.setattr(http, "LONGEST_S", 0.3)
    with (
        slow_server(HEAD + b"Content-Length: 100000\r\n\r\n", b"abcdefghij") as server,
        Web(connect_s=ENDLESS_S, read_s=ENDLESS_S) as web,
        pytest.raises(NoAnswerError, match="given up after"),
    ):
        read(web, server.url)


@pytest.mark.parametrize("kind", KINDS)
def test_a_stop_ends_what_is_read_and_nothing_is_asked_after_it(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "GRACE_S", ENDLESS_S)
    codes: list[str] = []
    with slow_server(*KINDS[kind]) as server, Web(connect_s=ENDLESS_S, read_s=ENDLESS_S) as web:

        def ask() -> None:
            with pytest.raises(FlakesyncError) as caught:
                read(web, server.url)
            codes.append(caught.value.code)

        thread = threading.Thread(target=ask)
        thread.start()
        assert server.asked.wait(60)
        with stopping():
            thread.join(ENDLESS_S / 2)
            assert codes == ["interrupted"]
            ask()
    assert codes == ["interrupted", "interrupted"]
