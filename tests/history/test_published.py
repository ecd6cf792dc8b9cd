"""A history that is published: whatever its server answers, it is had whole or there is a reason."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from flakesync.errors import FlakesyncError
from flakesync.history import published as module
from flakesync.history.published import NoHistoryError, published
from flakesync.net import http
from flakesync.net.wall import offline
from flakesync.processes.stop import stopping
from tests.history.test_read import LINE
from tests.support.slow_server import HEAD, slow_server

DATA = msgspec.json.encode(LINE) + b"\n"
HTML = b"<!doctype html><title>Sign in</title>\n"
ANSWERS: dict[str, tuple[int, dict[str, str], bytes]] = {
    "/history.jsonl": (200, {}, DATA),
    "/empty": (200, {}, b""),
    "/moved": (301, {"Location": "/history.jsonl"}, b""),
    "/round": (302, {"Location": "/round"}, b""),
    "/away": (302, {"Location": "file:///etc/passwd"}, b""),
    "/sign-in": (302, {"Location": "/html"}, b""),
    "/nowhere": (302, {}, b""),
    "/html": (200, {}, HTML),
    "/500": (500, {}, HTML),
}


@contextmanager
def pages() -> Iterator[tuple[str, list[str]]]:
    """Give the address of a server with ANSWERS, and what it is asked for; all else is not found."""
    asked: list[str] = []

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            status, headers, body = ANSWERS.get(self.path, (404, {}, HTML))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAUSES_S", (0.0, 0.0))


def why(source: str) -> str:
    with pytest.raises(NoHistoryError) as caught:
        published(source)
    return str(caught.value)


def test_the_file_at_an_address_is_had_as_it_is_and_through_redirects() -> None:
    with pages() as (url, _):
        assert published(f"{url}/history.jsonl") == DATA
        assert published(f"{url}/moved") == DATA
        assert published(f"{url}/empty") == b""


def test_what_is_no_history_says_why() -> None:
    with pages() as (url, asked):
        assert why(f"{url}/none") == "HTTP 404 Not Found"
        assert why(f"{url}/html") == why(f"{url}/sign-in") == "it holds no line of a history"
        assert why(f"{url}/round") == "redirects without end"
        assert why(f"{url}/away") == "a redirect to file:"
        assert why(f"{url}/nowhere") == "HTTP 302 Found"
        assert asked.count("/none") == 1
        assert why(f"{url}/500") == "HTTP 500 Internal Server Error"
        assert asked.count("/500") == 3  # it may be had a moment later
    assert "refused" in why(f"{url}/history.jsonl")
    for other in ("ftp://h/x", "file:///etc/passwd", "://", "http://[", "https://h:port/x", "http://"):
        assert why(other)


def test_a_redirect_may_not_leave_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "origin", lambda url: ("https" if "moved" in url else "http", "h", 1))
    with pages() as (url, _):
        assert why(f"{url}/moved") == "a redirect to an address without TLS"


def test_an_answer_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIMIT_BYTES", 1 << 16)
    with slow_server(HEAD + b"Connection: close\r\n\r\n" + DATA * 500, DATA) as server:
        assert why(server.url) == "more than 65536 bytes"
    monkeypatch.setattr(http, "GRACE_S", 0.2)
    monkeypatch.setattr(http, "_AGAIN_S", 0.05)
    with slow_server(HEAD + b"Content-Length: 10000\r\n\r\n", b" ") as server:
        assert "given up after" in why(server.url)


def test_nobody_is_asked_behind_the_wall_and_a_file_is_read() -> None:
    with pages() as (url, asked), offline(True):
        assert why(f"{url}/history.jsonl") == "it is not asked for with --offline"
        assert asked == []


def test_a_stop_is_no_reason_for_a_page_without_its_history(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAUSES_S", (300.0,))
    with slow_server(HEAD, b"") as server:
        found: list[str] = []

        def ask() -> None:
            try:
                published(server.url)
            except FlakesyncError as error:
                found.append(error.code)

        thread = threading.Thread(target=ask)
        thread.start()
        assert server.asked.wait(60)
        with stopping():
            thread.join(60)
    assert found == ["interrupted"]


def test_a_file_is_had_as_it_is_and_what_is_no_history_says_why(tmp_path: Path) -> None:
    place = tmp_path / "h"
    assert why(str(place)) == "there is no such file"
    place.write_bytes(b"foreign\n" + DATA + DATA[:20])
    assert published(str(place)) == b"foreign\n" + DATA + DATA[:20]
    place.write_bytes(HTML)
    assert why(str(place)) == "it holds no line of a history"
    assert why(str(tmp_path)) == "it cannot be read: it is no file"
