"""Pins on archives: the node that Nix itself writes, wherever on the way their server names the commit."""

import io
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flakesync.sync.lockers import FromServer, Move
from flakesync.sync.lockers.nix import override_reference
from flakesync.terms import Rev
from tests.support.nix import RealNix
from tests.support.nixspace import Space, run_sync

MTIME = 1_795_000_000


def archive(version: int) -> bytes:
    text = b"{ outputs = _: { }; } # %d" % version
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        info = tarfile.TarInfo("top/flake.nix")
        info.size, info.mtime = len(text), MTIME + version
        tar.addfile(info, io.BytesIO(text))
    return buffer.getvalue()


class Channel(ThreadingHTTPServer):
    """`/WHERE/n.tar.gz` is the newest archive; WHERE: which answers on the way name the commit."""

    version = 1

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        where = path.split("/")[1]
        if where == "fixed":
            _, _, version, links, _ = path.split("/")
            headers = {"Link": self.link(int(version), "linked", "&revCount=7")} if links == "linked" else {}
            return 200, headers, archive(int(version))
        links = "linked" if where in ("both", "last") else "silent"
        to = f"{self.url}/fixed/{self.version}/{links}/n.tar.gz"
        link = {"Link": self.link(self.version, links, f"&lastModified={MTIME + self.version}")}
        match where:
            case "here":
                return 200, link, archive(self.version)
            case "middle":
                return 302, {"Location": f"{self.url}/first/n.tar.gz"}, b""
            case "dated":
                older = {"Link": self.link(self.version, links, "&lastModified=1790000000&revCount=12")}
                return 302, {"Location": to, **older}, b""
            case "query":
                return 302, {"Location": to, "Link": link["Link"].replace("?", "?token=x&")}, b""
            case "last":
                return 302, {"Location": to}, b""
            case _:
                return 302, {"Location": to, **link}, b""

    def link(self, version: int, links: str, more: str) -> str:
        rev = str(version) * 40
        return f'<{self.url}/fixed/{version}/{links}/n.tar.gz?rev={rev}{more}>; rel="immutable"'


class _Handler(BaseHTTPRequestHandler):
    server: Channel

    def do_HEAD(self) -> None:
        self._send(body=False)

    def do_GET(self) -> None:
        self._send(body=True)

    def _send(self, *, body: bool) -> None:
        status, headers, data = self.server.answer(self.path.partition("?")[0])
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def channel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Channel]:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with Channel() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def lock_of(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode((path / "flake.lock").read_bytes())["nodes"]["np"]
    return found


def nix_writes(folder: Path, flake_nix: str) -> dict[str, Any]:
    """Return the node of `np` that Nix makes of a flake without a lock."""
    folder.mkdir()
    (folder / "flake.nix").write_text(flake_nix)
    subprocess.run(["nix", "flake", "lock", f"path:{folder}"], check=True, capture_output=True)
    return lock_of(folder)


@pytest.mark.slow_between
@pytest.mark.parametrize("where", ["first", "both", "last", "middle", "here", "dated", "query"])
def test_an_archive_is_locked_as_nix_locks_it(
    nix: RealNix, use_nix: RealNix, tmp_path: Path, channel: Channel, where: str
) -> None:
    url = f"{channel.url}/{where}/n.tar.gz"
    flake_nix = f'{{ inputs.np.url = "{url}"; outputs = _: {{ }}; }}'
    old = nix_writes(tmp_path / "old", flake_nix)
    space = Space(tmp_path / "space")
    space.make("app", {"flake.nix": flake_nix, "flake.lock": (tmp_path / "old" / "flake.lock").read_text()})
    channel.version = 2
    manifest = tmp_path / "space" / "workspace.toml"
    manifest.write_text(f"""[workspace]
name = "acme"
[pins.np]
source = "{url}"
[repos.app]
path = "app"
""")
    ran = run_sync(manifest)
    if use_nix.version < (2, 19):
        assert "rev" not in old["locked"]
        error = ran["app"].error
        assert error is not None
        assert "note no commit for an archive" in (error.hint or "")
        return
    assert ran.statuses == {"app": "updated"}
    assert ran.errors == {}
    rev = space.ref("app")
    assert rev is not None
    made = space.locked("app", "np", rev=rev)
    fresh = nix_writes(tmp_path / "fresh", flake_nix.replace("/n.tar.gz", "/again/n.tar.gz"))
    assert made == fresh["locked"]
    assert made["rev"] == "2" * 40


def test_all_that_the_server_says_of_an_archive_is_in_the_reference() -> None:
    locked: dict[str, str | int] = {
        "type": "tarball",
        "url": "https://h/n.tar.gz",
        "rev": "2" * 40,
        "revCount": 3,
        "lastModified": 9,
    }
    original = {"type": "tarball", "url": "https://h/latest.tar.gz"}
    move = Move(("np",), original, {}, FromServer(Rev("2" * 40), None, {**locked, "narHash": "sha256-x"}))
    assert override_reference(move) == f"https://h/n.tar.gz?lastModified=9&rev={'2' * 40}&revCount=3"
