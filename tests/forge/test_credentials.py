"""git and the API of a forge with one token, against a forge that lets nobody else in."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from flakesync.demo.forge.web import smart_http
from flakesync.demo.forge.web.messages import Answer, Request
from flakesync.errors import GitError
from flakesync.forge.hosts import Servers
from flakesync.git.remotes.remote import Remote
from flakesync.git.remotes.transfer import push
from flakesync.terms import Rev
from flakesync.workspace.hosts import Hosts
from flakesync.workspace.model import ForgeSettings
from tests.forge.test_choose import workspace
from tests.support import repos
from tests.support.forge import Forge
from tests.support.forge.faults import Perform


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[Forge]:
    with Forge(tmp_path / "forge", [("git.example.com", "gitlab")]) as running:
        yield running


@pytest.fixture
def url(forge: Forge) -> str:
    forge.site("git.example.com").create("acme/lib", private=True)
    return f"https://127.0.0.1:{forge.open_port('git.example.com')}/acme/lib.git"


def remote(url: str, forge: Forge, token: str) -> Remote:
    host = url.removeprefix("https://").partition("/")[0]
    settings = ForgeSettings(kind="gitlab", ca_file=forge.certificates.ca, token_env="BOT_TOKEN")
    return Servers(workspace(forges={host: settings}), {"BOT_TOKEN": token}).remote(url)


def put(clone: Path, rev: Rev, remote: Remote) -> None:
    push(clone, remote, "refs/heads/main", rev, old=None)


def test_git_pushes_with_the_token_and_trusts_the_named_authority(
    forge: Forge, url: str, tmp_path: Path, hermetic: Path
) -> None:
    token = "t0ken-'$(touch~pwned)\"\\n%s"
    forge.site("git.example.com").add_account(token)
    # A helper of the user's own is neither asked nor told, however closely it is bound.
    asked = tmp_path / "asked"
    with (hermetic / ".gitconfig").open("a") as file:
        for section in ("[credential]", f'[credential "{url}"]'):
            file.write(f'{section}\n\thelper = "!f() {{ echo $1 >> {asked}; echo password=wrong; }}; f"\n')
    clone = tmp_path / "clone"
    rev = repos.make_repo(clone, {"flake.nix": "{ }"})
    put(clone, rev, remote(url, forge, token))
    project = forge.site("git.example.com").find("acme/lib")
    assert project is not None
    assert project.storage.branch("main") == rev
    assert not asked.exists()
    assert token not in (clone / ".git/config").read_text() + (hermetic / ".gitconfig").read_text()


def test_a_wrong_token_is_refused_and_not_shown(forge: Forge, url: str, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    rev = repos.make_repo(clone, {"flake.nix": "{ }"})
    with pytest.raises(GitError) as caught:
        put(clone, rev, remote(url, forge, "wr0ng-token"))
    assert "wr0ng" not in caught.value.message
    assert caught.value.code == "access-denied"
    assert caught.value.hint == "is the token in BOT_TOKEN still valid, and may it push to that repository?"


def test_a_git_that_is_given_a_password_in_an_address_does_not_take_it_to_another_server(
    forge: Forge, url: str, tmp_path: Path
) -> None:
    """Nix hands its git addresses as they stand in flake.nix; git itself would keep the login for its next request."""
    site = forge.site("git.example.com")
    site.add_account("pa55word")
    here = url.removeprefix("https://").partition("/")[0]
    there = f"127.0.0.1:{forge.open_port('git.example.com')}"
    site.projects["acme/lib"].private = False
    repos.commit(site.projects["acme/lib"].storage.path, {"flake.nix": "{ }"})

    def send_on(request: Request, perform: Perform) -> Answer:
        if request.authority != here:
            return perform()
        if request.secret is None:
            return smart_http.ask_for_password()
        return Answer(301, b"", (("Location", f"https://{there}{request.target}"),), "text/html")

    forge.faults.add(send_on, path="info/refs", times=None)
    address = url.replace("https://", "https://me:pa55word@")
    env = Hosts(workspace(), {}).for_nix({**os.environ, **forge.certificates.environment()}, [address])
    repos.make_repo(tmp_path / "clone", {"x": "1"})
    subprocess.run(["git", "fetch", "-q", address, "main"], cwd=tmp_path / "clone", env=env, check=False)
    seen = [(exchange.request.authority, exchange.request.secret) for exchange in forge.log]
    assert (here, "pa55word") in seen
    assert {secret for authority, secret in seen if authority == there} == {None}
