"""Asking the server of a tarball for its newest commit, over real sockets."""

import base64
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from flakesync.errors import FlakesyncError
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.terms import Rev
from flakesync.workspace.archive import Archive, newest_archive
from flakesync.workspace.hosts import Hosts
from flakesync.workspace.model import ForgeSettings
from tests.forge.test_choose import workspace
from tests.support.locks import nar_hash_of, rev_of

REV = Rev(rev_of("newest"))
HASH = nar_hash_of("newest")


@dataclass
class Answer:
    """What the server says on a path. methods: what it takes, all else is refused with `refusal`."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    methods: tuple[str, ...] = ("HEAD", "GET")
    refusal: int = 405
    body: bytes = b""


@dataclass
class Server:
    url: str
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)
    logins: list[str | None] = field(default_factory=list)

    def immutable(self, query: str = "") -> tuple[str, str]:
        return ("Link", f'<{self.url}/pinned/{REV}.tar.gz{query}>; rel="immutable"')

    def ask(self, path: str) -> Archive:
        return newest_archive(FlakeRef.parse(f"{self.url}{path}"))


def serve(tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            found.asked.append((self.command, self.path))
            found.agents.append(self.headers["User-Agent"])
            found.logins.append(self.headers["Authorization"])
            answer = found.answers.get(self.path, Answer(404))
            allowed = self.command in answer.methods
            self.send_response(answer.status if allowed else answer.refusal)
            for name, value in answer.headers if allowed else ():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(answer.body)

        do_HEAD = do_GET = answer

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        found = Server(f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    yield from serve()


def refused(server: Server, path: str) -> FlakesyncError:
    with pytest.raises(FlakesyncError) as caught:
        server.ask(path)
    return caught.value


def test_the_immutable_link_says_which_commit_and_where_it_stays(server: Server) -> None:
    query = f"?rev={REV}&revCount=835&lastModified=1700000000&narHash={HASH.replace('+', '%2B').replace('=', '%3D')}"
    server.answers["/latest.tar.gz"] = Answer(headers=(server.immutable(query),))
    assert server.ask("/latest.tar.gz") == Archive(
        REV,
        1_700_000_000,
        {
            "type": "tarball",
            "url": f"{server.url}/pinned/{REV}.tar.gz",
            "rev": REV,
            "revCount": 835,
            "lastModified": 1_700_000_000,
            "narHash": HASH,
        },
    )


def test_only_what_the_server_says_is_in_the_locked_attributes(server: Server) -> None:
    server.answers["/latest.tar.gz"] = Answer(headers=(server.immutable(f"?rev={REV}&token=x"),))
    archive = server.ask("/latest.tar.gz")
    assert archive.last_modified is None
    assert archive.locked == {"type": "tarball", "url": f"{server.url}/pinned/{REV}.tar.gz?token=x", "rev": REV}


def test_one_head_request_is_enough_and_nothing_is_downloaded(server: Server) -> None:
    server.answers["/latest.tar.gz"] = Answer(headers=(server.immutable(f"?rev={REV}"),))
    server.ask("/latest.tar.gz")
    assert server.asked == [("HEAD", "/latest.tar.gz")]
    assert server.agents[0].startswith("flakesync/")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_link_on_a_redirect_counts_although_the_last_answer_has_none(server: Server, status: int) -> None:
    server.answers["/channel.tar.xz"] = Answer(
        status, headers=(("Location", "/release.tar.xz"), server.immutable(f"?rev={REV}"))
    )
    server.answers["/release.tar.xz"] = Answer()
    assert server.ask("/channel.tar.xz").rev == REV
    assert server.asked == [("HEAD", "/channel.tar.xz"), ("HEAD", "/release.tar.xz")]


def test_the_last_link_on_the_way_counts(server: Server) -> None:
    server.answers["/a.tar.gz"] = Answer(302, headers=(("Location", "/b.tar.gz"), server.immutable(f"?rev={'0' * 40}")))
    server.answers["/b.tar.gz"] = Answer(headers=(server.immutable(f"?rev={REV}"),))
    assert server.ask("/a.tar.gz").rev == REV


@pytest.mark.parametrize("refusal", [403, 405, 501])
def test_a_server_that_refuses_head_is_asked_with_get_and_its_body_is_not_read(server: Server, refusal: int) -> None:
    server.answers["/latest.tar.gz"] = Answer(
        headers=(server.immutable(f"?rev={REV}"), ("Content-Length", str(1 << 40))), methods=("GET",), refusal=refusal
    )
    assert server.ask("/latest.tar.gz").rev == REV
    assert [method for method, _ in server.asked] == ["HEAD", "GET"]


@pytest.mark.parametrize(
    "value",
    [
        '<{}>; rel="immutable"',
        "<{}>; rel=immutable",
        '<{}>;rel="immutable"',
        '<{}> ; Rel = "Immutable"',
        '<{}>; type="x"; rel="immutable"; title=y',
        '<https://other.example/x>; rel="canonical", <{}>; rel="immutable"',
        '<{}>; rel="immutable", <https://other.example/x>; rel="next"',
    ],
)
def test_the_header_may_have_other_links_and_spaces(server: Server, value: str) -> None:
    link = f"{server.url}/pinned.tar.gz?rev={REV}"
    server.answers["/latest.tar.gz"] = Answer(headers=(("Link", value.format(link)),))
    assert server.ask("/latest.tar.gz").rev == REV


def test_an_object_store_says_it_in_a_header_of_its_own(server: Server) -> None:
    server.answers["/latest.tar.gz"] = Answer(headers=(("x-amz-meta-link", server.immutable(f"?rev={REV}")[1]),))
    assert server.ask("/latest.tar.gz").rev == REV


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("Link", '<https://example.com/x.tar.gz>; rel="canonical"'),),
        (("Link", '<https://example.com/x.tar.gz>; rel="immutable"'),),
        (("Link", '<https://example.com/x.tar.gz?rev=abc>; rel="immutable"'),),
        (("Link", f'<git+https://example.com/x?rev={REV}>; rel="immutable"'),),
        (("Link", f'<file:///etc/x.tar.gz?rev={REV}>; rel="immutable"'),),
        (("Link", f'<pinned/x.tar.gz?rev={REV}>; rel="immutable"'),),
        (("Link", '<'),),
    ],
)  # fmt: skip
def test_a_server_that_names_no_revision_is_an_error_with_a_hint(
    server: Server, headers: tuple[tuple[str, str], ...]
) -> None:
    server.answers["/latest.tar.gz"] = Answer(headers=headers)
    error = refused(server, "/latest.tar.gz")
    assert error.code == "no-immutable-link"
    assert error.hint is not None


@pytest.mark.parametrize(
    "header",
    [
        ("Link", "<" * 60_000),
        ("x-amz-meta-link", "<a>" + ";" * 60_000),
        ("x-amz-meta-link", "<>; " * 15_000),
    ],
)
def test_a_huge_hostile_header_is_read_in_no_time(server: Server, header: tuple[str, str]) -> None:
    server.answers["/latest.tar.gz"] = Answer(headers=(header,))
    assert refused(server, "/latest.tar.gz").code == "no-immutable-link"


def test_headers_without_end_are_not_read(server: Server) -> None:
    server.answers["/latest.tar.gz"] = Answer(headers=tuple(("Link", "<" * 60_000) for _ in range(20)))
    assert refused(server, "/latest.tar.gz").code == "unreachable"


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
def test_a_server_that_fails_is_unreachable(server: Server, status: int) -> None:
    server.answers["/latest.tar.gz"] = Answer(status)
    error = refused(server, "/latest.tar.gz")
    assert error.code == "unreachable"
    assert str(status) in error.message


def test_a_server_that_refuses_get_too_is_unreachable(server: Server) -> None:
    server.answers["/latest.tar.gz"] = Answer(methods=(), refusal=403)
    assert refused(server, "/latest.tar.gz").code == "unreachable"


def test_nobody_listening_is_unreachable() -> None:
    (server,) = [found.url for found in serve()]
    with pytest.raises(FlakesyncError, match="refused") as caught:
        newest_archive(FlakeRef.parse(f"{server}/x.tar.gz"))
    assert caught.value.code == "unreachable"


def test_a_loop_of_redirects_ends(server: Server) -> None:
    server.answers["/a.tar.gz"] = Answer(302, headers=(("Location", "/a.tar.gz"),))
    assert refused(server, "/a.tar.gz").code == "unreachable"


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x"])
def test_a_redirect_out_of_the_web_is_not_followed(server: Server, target: str) -> None:
    server.answers["/a.tar.gz"] = Answer(302, headers=(("Location", target), server.immutable(f"?rev={REV}")))
    assert refused(server, "/a.tar.gz").code == "unreachable"


@pytest.mark.parametrize(
    "reference", ["github:acme/lib", "git+https://example.com/x", "file:///tmp/x.tar.gz", "path:/x", "flake:nixpkgs"]
)
def test_what_is_no_archive_of_the_web_is_not_asked(reference: str) -> None:
    with pytest.raises(FlakesyncError) as caught:
        newest_archive(FlakeRef.parse(reference))
    assert caught.value.code == "no-immutable-link"


def test_no_message_shows_a_secret(server: Server) -> None:
    server.answers["/a.tar.gz?key=hunter2"] = Answer(404)
    assert "hunter2" not in refused(server, "/a.tar.gz?key=hunter2").message
    login = server.url.replace("//", "//user:hunter2@")
    with pytest.raises(FlakesyncError) as caught:
        newest_archive(FlakeRef.parse(f"{login}/a.tar.gz"))
    assert "hunter2" not in caught.value.message
    with pytest.raises(FlakesyncError) as caught:
        newest_archive(FlakeRef.parse("http://user:hunter2@127.0.0.1/a.tar.gz"))
    assert caught.value.code == "unreachable"
    assert "hunter2" not in caught.value.message


BASIC = f"Basic {base64.b64encode(b'user:hunter 2').decode()}"


@pytest.fixture
def other() -> Iterator[Server]:
    yield from serve()


def test_a_login_in_the_address_goes_to_its_own_server_and_to_no_other(server: Server, other: Server) -> None:
    server.answers["/a.tar.gz"] = Answer(302, headers=(("Location", "/b.tar.gz"),))
    server.answers["/b.tar.gz"] = Answer(302, headers=(("Location", f"{other.url}/c.tar.gz"),))
    other.answers["/c.tar.gz"] = Answer(headers=(server.immutable(f"?rev={REV}"),))
    login = server.url.replace("//", "//user:hunter%202@")
    assert newest_archive(FlakeRef.parse(f"{login}/a.tar.gz")).rev == REV
    assert server.logins == [BASIC, BASIC]
    assert other.logins == [None]


def test_a_login_that_a_redirect_names_goes_where_it_leads(server: Server, other: Server) -> None:
    there = other.url.replace("//", "//user:hunter%202@")
    server.answers["/a.tar.gz"] = Answer(302, headers=(("Location", f"{there}/c.tar.gz"),))
    other.answers["/c.tar.gz"] = Answer(headers=(server.immutable(f"?rev={REV}"),))
    assert server.ask("/a.tar.gz").rev == REV
    assert (server.logins, other.logins) == ([None], [BASIC])


@pytest.fixture
def authority(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that is its own authority, and its key."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    argv += ["-days", "2", "-subj", "/CN=acme", "-addext", "subjectAltName=IP:127.0.0.1"]
    try:
        subprocess.run([*argv, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    return certificate, key


@pytest.fixture
def tls_server(authority: tuple[Path, Path]) -> Iterator[Server]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority)
    yield from serve(context)


def test_the_manifest_names_the_token_and_the_authority_of_a_server(
    tls_server: Server, other: Server, authority: tuple[Path, Path]
) -> None:
    table = ForgeSettings(kind="gitlab", token_env="OWN", ca_file=authority[0])
    hosts = Hosts(workspace(forges={tls_server.url.removeprefix("https://"): table}), {"OWN": "s3cret"})
    tls_server.answers["/a.tar.gz"] = Answer(302, headers=(("Location", f"{other.url}/c.tar.gz"),))
    other.answers["/c.tar.gz"] = Answer(headers=(tls_server.immutable(f"?rev={REV}"),))
    assert newest_archive(FlakeRef.parse(f"{tls_server.url}/a.tar.gz"), hosts).rev == REV
    assert (tls_server.logins, other.logins) == (["Bearer s3cret"], [None])
    assert newest_archive(FlakeRef.parse(f"{other.url}/c.tar.gz"), hosts).rev == REV
    assert other.logins == [None, None]


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "NIX_SSL_CERT_FILE"])
def test_an_own_authority_is_trusted_through_the_environment(
    tls_server: Server, authority: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    tls_server.answers["/latest.tar.gz"] = Answer(headers=(tls_server.immutable(f"?rev={REV}"),))
    monkeypatch.setenv(variable, str(authority[0]))
    assert tls_server.ask("/latest.tar.gz").rev == REV


def test_an_unknown_authority_is_not_trusted(tls_server: Server) -> None:
    error = refused(tls_server, "/latest.tar.gz")
    assert error.code == "unreachable"
    assert "certificate" in error.message


def test_a_missing_file_of_authorities_is_an_error_and_no_traceback(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIX_SSL_CERT_FILE", "/no-cert-file.crt")
    assert refused(server, "/latest.tar.gz").code == "unreachable"
