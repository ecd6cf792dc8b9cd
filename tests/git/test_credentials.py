"""How git logs in over http(s): what it is told, what stands where, and what another server sees after a redirect."""

import base64
import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from flakesync.demo.forge.web import smart_http
from flakesync.demo.forge.web.messages import Answer, Request
from flakesync.errors import GitError
from flakesync.git import process
from flakesync.git.remotes.commit_cache import fetch_commit
from flakesync.git.remotes.credentials import Credential, helpers, login_in, secrets_in, server_of
from flakesync.git.remotes.mirror import mirror
from flakesync.git.remotes.remote import ls_remote, parse_remote
from flakesync.git.remotes.transfer import push
from flakesync.terms import Rev
from tests.support import repos
from tests.support.forge import Forge
from tests.support.forge.faults import Perform

A, B = "one.example.com", "two.example.com"
SECRET = "s3cret/ü%'\"\\ $(x)"


def test_the_secret_is_read_from_the_environment_and_stands_in_no_setting() -> None:
    settings, environment = helpers(
        [Credential("https://h:8443", "me", SECRET), Credential("https://i", "me", "other")]
    )
    assert [key for key, _ in settings] == ["credential.https://h:8443.helper"] * 2 + [
        "credential.https://i.helper"
    ] * 2
    assert sorted(environment.values()) == sorted(["me", "me", SECRET, "other"])
    assert not [value for _, value in settings if SECRET in value or "other" in value]
    assert SECRET not in repr(Credential("https://h", "me", SECRET))
    assert set(secrets_in(environment)) == {SECRET, "other"}


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("https://H.example/a", "https://h.example"),
        ("https://h:443/a", "https://h"),
        ("https://h:80/a", "https://h:80"),
        ("http://h:80/a", "http://h"),
        ("HTTPS://me:x@h:8443/a", "https://h:8443"),
        ("https://[::1]:8443/a", "https://[::1]:8443"),
        ("ssh://h/a", None),
        ("https:///a", None),
        ("/a", None),
    ],
)
def test_a_server_is_scheme_host_and_port(url: str, server: str | None) -> None:
    assert server_of(urlsplit(url)) == server


def test_a_login_with_a_line_break_is_refused_and_not_shown() -> None:
    for url in ("https://me:s3cret%0ahost=evil@h/r", "https://a%0d:s3cret@h/r", "https://a:s3cret%00@h/r"):
        with pytest.raises(GitError) as caught:
            parse_remote(url)
        assert caught.value.code == "bad-url"
        assert "s3cret" not in caught.value.message
    assert login_in(urlsplit("https://me@h/r")) is None
    assert login_in(urlsplit("ssh://me:x@h/r")) is None


@pytest.fixture
def forge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Forge]:
    """Two sites; `acme/lib` of the first is private, that of the second is not."""
    with Forge(tmp_path / "forge", [(A, "forgejo"), (B, "forgejo")]) as running:
        for name, value in running.certificates.environment().items():
            monkeypatch.setenv(name, value)
        for host in (A, B):
            running.site(host).add_account(SECRET)
            project = running.site(host).create("acme/lib", private=host == A)
            repos.commit(project.storage.path, {"flake.nix": "{ }"})
        yield running


def address(forge: Forge, host: str, login: str = "") -> str:
    return f"https://{login}localhost:{forge.open_port(host)}/acme/lib.git"


LOGIN = f"me:{quote(SECRET, safe='')}@"


def test_every_way_to_contact_a_server_logs_in(forge: Forge, tmp_path: Path) -> None:
    url = address(forge, A, LOGIN)
    rev = ls_remote(url, "main")
    assert (mirror(url, tmp_path / "cache", offline=False) / "refs/remotes/origin/main").read_text().strip() == rev
    assert fetch_commit(url, "main", rev, tmp_path / "cache") is not None
    (clone,) = (tmp_path / "cache/mirrors").glob("*/")
    push(clone, url, "refs/heads/new", rev, old=None)
    assert ls_remote(url, "new") == rev
    files = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert not [path for path in files if quote(SECRET, safe="") in path.read_text(errors="replace")]
    with pytest.raises(GitError) as caught:
        ls_remote(address(forge, A), "main")
    assert caught.value.code == "access-denied"
    assert caught.value.hint == "git may not ask for a password here: give it a credential helper for that server"


def test_a_login_that_is_refused_is_asked_about_and_never_shown(forge: Forge) -> None:
    with pytest.raises(GitError) as caught:
        ls_remote(address(forge, A, "me:wr0ng@"), "main")
    assert caught.value.code == "access-denied"
    assert caught.value.hint == "is the login in its address still valid, and may it read that repository?"
    assert "wr0ng" not in caught.value.message


def test_what_a_server_repeats_of_a_login_is_blotted_out(forge: Forge) -> None:
    def repeat(request: Request, _: Perform) -> Answer:
        if request.secret is None:
            return smart_http.ask_for_password()
        return Answer(403, f"{request.secret} may not do this".encode(), (), "text/plain")

    forge.faults.add(repeat, times=None)
    with pytest.raises(GitError) as caught:
        ls_remote(address(forge, A, "me:t0psecret@"), "main")
    assert "t0psecret" not in caught.value.message


def test_a_name_alone_is_told_to_the_helpers_of_the_user(forge: Forge, tmp_path: Path, hermetic: Path) -> None:
    asked, helper = tmp_path / "asked", tmp_path / "helper"
    helper.write_text(f"#!/bin/sh\ncat > {asked}\necho password=plain-secret\n")
    helper.chmod(0o755)
    with (hermetic / ".gitconfig").open("a") as file:
        file.write(f"[credential]\n\thelper = {helper}\n")
    forge.site(A).add_account("plain-secret")
    assert ls_remote(address(forge, A, "org@"), "main")
    assert "username=org\n" in asked.read_text()


Redirect = Callable[[Request, Perform], Answer]


def redirect(here: str, to: str, *, first_ask: bool) -> Redirect:
    """Return what sends git on from one server to another, at once, or after it has logged in."""

    def action(request: Request, perform: Perform) -> Answer:
        if request.authority != here:
            return perform()
        if first_ask and request.secret is None:
            return smart_http.ask_for_password()
        return Answer(301, b"", (("Location", f"{to}{request.target}"),), "text/html")

    return action


@pytest.mark.parametrize("first_ask", [False, True], ids=["at-once", "after-the-login"])
@pytest.mark.parametrize("private", [False, True], ids=["public", "private"])
def test_a_login_does_not_go_to_the_server_that_a_redirect_leads_to(
    forge: Forge, tmp_path: Path, first_ask: bool, private: bool
) -> None:
    there = address(forge, B)
    other = there.removesuffix("/acme/lib.git")
    forge.site(B).projects["acme/lib"].private = private
    url = address(forge, A, LOGIN)
    here = urlsplit(url).netloc.rpartition("@")[2]
    forge.faults.add(redirect(here, other, first_ask=first_ask), path="info/refs", times=None)
    rev = Rev((forge.site(B).projects["acme/lib"].storage.path / "refs/heads/main").read_text().strip())
    for ask in (
        lambda: ls_remote(url, "main"),
        lambda: mirror(url, tmp_path / "cache", offline=False),
        lambda: fetch_commit(url, "main", rev, tmp_path / "cache"),
    ):
        with contextlib.suppress(GitError):
            ask()
    seen = [exchange.request for exchange in forge.log if exchange.request.authority in other]
    assert seen
    assert {request.headers.get("authorization") for request in seen} == {None}
    if first_ask:
        basic = base64.b64encode(f"me:{SECRET}".encode()).decode()
        logins = {request.request.headers.get("authorization") for request in forge.log}
        assert f"Basic {basic}" in logins


def test_settings_and_secrets_are_out_of_sight_of_the_process_list() -> None:
    remote = parse_remote("https://me:s3cret@h/r")
    shown = process.git(["config", "--get-regexp", "^credential"], config=remote.config, env=remote.environment).text
    assert "credential.https://h.helper" in shown
    assert "s3cret" not in shown


@pytest.mark.parametrize(
    ("says", "hint"),
    [
        (
            "git@h: Permission denied (publickey).",
            "git may not ask for a password here: load an ssh key that the server knows into an agent",
        ),
        (
            "Host key verification failed.",
            "ssh does not know that server's key: connect once by hand, or add it to known_hosts",
        ),
    ],
)
@pytest.mark.parametrize("url", ["git@h:o/r", "ssh://git@h/o/r", "https://h/o/r"])
def test_ssh_has_hints_of_its_own_also_where_a_setting_leads_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, says: str, hint: str
) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\necho '{says}' >&2\nexit 255\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    repos.run_git("config", "--global", "url.ssh://git@h/.insteadOf", "https://h/", cwd=tmp_path)
    with pytest.raises(GitError) as caught:
        ls_remote(url, None)
    assert (caught.value.code, caught.value.hint) == ("access-denied", hint)
