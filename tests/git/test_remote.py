"""Asking other repositories: what is asked for, what is refused, and what each failure is called."""

import base64
import http.server
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flakesync.errors import GitError
from flakesync.git.remotes.remote import ls_remote, parse_remote
from tests.support.repos import commit, make_repo, run_git

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    make_repo(tmp_path / "r", {"x": "1"}, branch="trunk")
    return tmp_path / "r"


def code_of(url: str, ref: str | None = None, timeout_s: float = 10) -> str:
    with pytest.raises(GitError) as caught:
        ls_remote(url, ref, timeout_s=timeout_s)
    assert "flakesync-remote" not in caught.value.message
    return caught.value.code


def test_a_ref_is_head_a_branch_a_tag_or_a_full_name(path: Path) -> None:
    head = run_git("rev-parse", "trunk", cwd=path)
    side = commit(path, {"x": "2"}, branch="release/1.0")
    run_git("tag", "-a", "-m", "t", "v1", side, cwd=path)
    run_git("tag", "release/1.0", head, cwd=path)
    run_git("update-ref", "refs/odd/refs/heads/trunk", side, cwd=path)
    for url in (str(path), f"file://{path}"):
        assert ls_remote(url, None) == ls_remote(url, "HEAD") == ls_remote(url, "trunk") == head
        assert ls_remote(url, "release/1.0") == side
        assert ls_remote(url, "refs/tags/release/1.0") == head
        assert ls_remote(url, "v1") == ls_remote(url, "refs/tags/v1") == side


def test_a_ref_that_is_missing_is_not_an_unreachable_repository(path: Path, tmp_path: Path) -> None:
    assert code_of(str(path), "1.0") == "no-such-ref"
    assert code_of(str(path), "tr*nk") == "bad-ref"
    assert code_of(str(path), "--upload-pack=touch x") == "bad-ref"
    assert code_of(str(tmp_path / "none")) == "unreachable"
    run_git("init", "--quiet", "--bare", str(tmp_path / "empty"), cwd=tmp_path)
    assert code_of(str(tmp_path / "empty")) == "no-such-ref"


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c touch% x",
        "ext::x",
        "fd::17",
        "-u",
        "--upload-pack=x",
        "ftp://h/x",
        "git+ssh://h/x",
        "transport::https://h/x",
        "ssh://-oProxyCommand=x/y",
        "-oProxyCommand=x:y",
        "u@-oProxyCommand=x:y",
        "https://[::1/x",
        "https://h/\nx",
        "",
    ],
)
def test_what_could_run_a_program_is_refused_before_git_starts(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert code_of(url) == "bad-url"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:secret@h:8443/o/r.git?a=b", "https://h:8443/o/r.git?a=b"),
        ("https://secret@h/r", "https://h/r"),
        ("ssh://git:secret@h:22/r", "ssh://git@h:22/r"),
        ("ssh://git@h/r", "ssh://git@h/r"),
        ("git@h:o/r", "git@h:o/r"),
        ("[::1]:o/r", "[::1]:o/r"),
        ("/a/b", "/a/b"),
        ("file:///a/b", "file:///a/b"),
    ],
)
def test_an_address_is_kept_without_its_password(url: str, shown: str) -> None:
    remote = parse_remote(url)
    assert remote.url == shown
    assert "secret" not in repr(remote)
    # Alone before the `@` it is a user's name, which git has to know.
    said = [value for _, value in remote.config if "secret" in value]
    assert said == (["secret"] if url == "https://secret@h/r" else [])


@contextmanager
def server(answer: Answer) -> Iterator[str]:
    """Serve HTTP on a port of its own; give its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- its name there
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"127.0.0.1:{listening.server_address[1]}"
        finally:
            listening.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "code"), [(401, "access-denied"), (403, "access-denied"), (404, "unreachable"), (500, "unreachable")]
)
def test_http_failures_are_told_apart_without_a_question(
    monkeypatch: pytest.MonkeyPatch, status: int, code: str
) -> None:
    monkeypatch.setattr("flakesync.git.remotes.tries.PAUSES_S", ())
    with server(lambda request: request.send_error(status)) as host:
        assert code_of(f"http://{host}/r") == code


def test_a_password_goes_to_the_server_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flakesync.git.remotes.tries.PAUSES_S", ())
    seen: list[str | None] = []
    listed: list[str] = []

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        login = request.headers["Authorization"]
        seen.append(login)
        if login is None:
            request.send_response(401)
            request.send_header("WWW-Authenticate", 'Basic realm="git"')
            request.send_header("Content-Length", "0")
            return request.end_headers()
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                listed.append((folder / "cmdline").read_text(errors="replace"))
            except OSError:
                continue
        return request.send_error(500)

    with server(answer) as host, pytest.raises(GitError) as caught:
        ls_remote(f"http://me:s3%20cret@{host}/r?private_token=tok3n", None)
    assert seen == [None, f"Basic {base64.b64encode(b'me:s3 cret').decode()}"]
    assert any("ls-remote" in line for line in listed)
    assert not [line for line in listed if "s3%20cret" in line or "s3 cret" in line]
    assert "cret" not in str(caught.value)
    assert "tok3n" not in str(caught.value)


def test_a_server_that_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert code_of(f"git://127.0.0.1:{silent.getsockname()[1]}/r", timeout_s=0.4) == "unreachable"
    assert code_of("http://127.0.0.1:1/r") == "unreachable"


@pytest.mark.parametrize(
    ("says", "code"),
    [
        ("git@h: Permission denied (publickey).", "access-denied"),
        ("Host key verification failed.", "access-denied"),
        ("ERROR: Repository not found.", "access-denied"),
        ("ssh: connect to host h port 22: Connection refused", "unreachable"),
        ("ssh: Could not resolve hostname h: Name or service not known", "unreachable"),
    ],
)
def test_ssh_failures_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, code: str) -> None:
    (tmp_path / "bin").mkdir()
    ssh = tmp_path / "bin/ssh"
    ssh.write_text(f"#!/bin/sh\necho \"$@\" > '{tmp_path}/argv'\necho '{says}' >&2\nexit 255\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    assert code_of("git@h:o/r") == code
    assert "-oBatchMode=yes" in (tmp_path / "argv").read_text()


def test_an_ssh_command_of_the_user_is_left_to_him(tmp_path: Path) -> None:
    command = tmp_path / "my-ssh"
    command.write_text(f"#!/bin/sh\necho \"$@\" > '{tmp_path}/argv'\nexit 255\n")
    command.chmod(0o755)
    run_git("config", "--global", "core.sshCommand", str(command), cwd=tmp_path)
    assert code_of("ssh://git@h/r") == "unreachable"
    assert "git@h" in (tmp_path / "argv").read_text()
