"""What each real Nix is set to; binary caches on loopback."""

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from flakesync.doctor.doctor import LOOKS, examine, find_place
from flakesync.documents.doctor import DoctorDocument
from tests.doctor.asking import one, rows
from tests.support.nix import RealNix

pytestmark = pytest.mark.usefixtures("away")
SECRET = "s3cret-of-nix"


class _Cache(BaseHTTPRequestHandler):
    """A binary cache: `/good` is one, `/login` wants a login, all else is broken."""

    def do_GET(self) -> None:
        status = 200 if self.path.startswith("/good/") else 401 if self.path.startswith("/login/") else 500
        body = b"StoreDir: /nix/store\n"
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def caches() -> Iterator[str]:
    """The address of a server with binary caches."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Cache) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def look(nix: RealNix, config: str, *, offline: bool = False, manifest: Path | None = None) -> DoctorDocument:
    env = {**os.environ, **nix.env(), "NIX_CONFIG": config}
    return examine(
        find_place(manifest, env, offline=offline), [each for each in LOOKS if each[0] in ("programs", "nix")]
    )


def test_the_settings_of_every_version_are_read(nix: RealNix) -> None:
    found = look(nix, f"access-tokens = git.acme.example={SECRET} git.example.org=PAT:{SECRET}\nsandbox = false")
    assert nix.full_version in one(found, "nix").detail
    assert one(found, "sandbox").how == "warning"
    assert one(found, "experimental").detail == "nix-command and flakes"
    assert one(found, "access tokens").detail == "git.acme.example, git.example.org in nix.conf"
    assert SECRET not in str(found)
    assert one(found, "room in the store").how in ("ok", "warning")


def test_a_cache_that_does_not_answer_is_a_warning(nix: RealNix, caches: str) -> None:
    user = "http://me:pass@127.0.0.1:9/x"
    found = look(nix, f"substituters = {caches}/good {caches}/login?priority=10 {caches}/broken {user} file:///x")
    broken, silent, good = rows(found, "substituters")
    assert (broken.how, broken.detail) == ("warning", f"{caches}/broken does not answer: status 500")
    assert silent.how == "warning"
    assert "pass" not in str(found)
    assert (good.how, good.detail) == ("ok", f"{caches}/good, {caches}/login?priority=10, file:///x")


def test_with_offline_no_cache_is_asked(any_nix: RealNix, caches: str) -> None:
    assert one(look(any_nix, f"substituters = {caches}/broken", offline=True), "substituters").how == "not-looked-at"


def test_settings_that_nix_cannot_read_are_a_row(any_nix: RealNix) -> None:
    row = one(look(any_nix, "max-jobs = many"), "nix")
    assert (row.how, "max-jobs" in row.detail) == ("fails", True)


def test_github_without_a_token_is_a_warning(any_nix: RealNix, away: Path) -> None:
    file = away / "workspace.toml"
    file.write_text('[workspace]\nname = "acme"\n[repos.lib]\nurl = "github:acme/lib"\n')
    assert one(look(any_nix, "", offline=True, manifest=file), "access tokens").how == "warning"


def test_without_nix_the_row_says_what_is_lost(away: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAKESYNC_NIX", "/nonexistent/nix")
    found = examine(find_place(None, os.environ), [each for each in LOOKS if each[0] in ("programs", "nix")])
    nix = one(found, "nix")
    assert (nix.how, "written by flakesync alone" in nix.detail) == ("warning", True)
    assert not [row for row in found.rows if row.group == "nix"]
