from collections.abc import Iterator
from pathlib import Path

import pytest

from flakesync.errors import GitError
from flakesync.forge.choose import Servers
from flakesync.forge.credentials import VARIABLE, Access, git_access
from flakesync.git import process
from flakesync.workspace.model import ForgeSettings
from tests.forge.test_choose import workspace
from tests.support import repos
from tests.support.forge import Forge

TOKEN = "s3cret"
ENVIRON = {"GITHUB_TOKEN": TOKEN}


def test_git_finds_the_token_in_its_environment_only() -> None:
    access = git_access("https://github.com/acme/lib", Servers(workspace("github:acme/lib"), ENVIRON))
    assert access.environment == {VARIABLE: TOKEN}
    assert "s3cret" not in repr(access)
    assert [key for key, _ in access.config] == ["credential.https://github.com.helper"] * 2
    assert access.config[0][1] == ""
    assert "username=%s" in access.config[1][1]
    assert "x-access-token" in access.config[1][1]


@pytest.mark.parametrize(
    "url",
    [
        "git@github.com:acme/lib.git",
        "ssh://git@github.com/acme/lib",
        "http://github.com/acme/lib",
        "https://me:mine@github.com/acme/lib",
        "https://git.example.com/acme/lib",
        "https://github.com:8443/acme/lib",
        "file:///srv/lib",
        "/srv/lib",
        "https://[",
    ],
)
def test_other_addresses_get_nothing(url: str) -> None:
    assert git_access(url, Servers(workspace("github:acme/lib"), ENVIRON)) == Access()


def test_without_a_token_the_users_own_helpers_stay() -> None:
    forges = {"github.com": ForgeSettings(kind="github", ca_file=Path("/ca.pem"))}
    access = git_access("git+https://github.com/acme/lib", Servers(workspace(forges=forges), {}))
    assert access == Access((("http.https://github.com/.sslCAInfo", "/ca.pem"),))


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[Forge]:
    with Forge(tmp_path / "forge", [("git.example.com", "gitlab")]) as running:
        yield running


@pytest.fixture
def url(forge: Forge) -> str:
    forge.site("git.example.com").create("acme/lib", private=True)
    return f"https://127.0.0.1:{forge.open_port('git.example.com')}/acme/lib.git"


def push(clone: Path, url: str, access: Access) -> None:
    process.git(["push", "-q", url, "HEAD:main"], cwd=clone, config=access.config, env=access.environment)


def servers(url: str, forge: Forge, token: str) -> Servers:
    host = url.removeprefix("https://").partition("/")[0]
    settings = ForgeSettings(kind="gitlab", ca_file=forge.certificates.ca, token_env="BOT_TOKEN")
    return Servers(workspace(forges={host: settings}), {"BOT_TOKEN": token})


def test_git_pushes_with_the_token_and_trusts_the_named_authority(
    forge: Forge, url: str, tmp_path: Path, hermetic: Path
) -> None:
    token = "t0ken-'$(touch~pwned)\"\\n%s"
    forge.site("git.example.com").add_account(token)
    # A helper of the user's own is neither asked nor told.
    asked = tmp_path / "asked"
    with (hermetic / ".gitconfig").open("a") as file:
        file.write(f'[credential]\n\thelper = "!f() {{ echo $1 >> {asked}; echo password=wrong; }}; f"\n')
    clone = tmp_path / "clone"
    repos.make_repo(clone, {"flake.nix": "{ }"})
    push(clone, url, git_access(url, servers(url, forge, token)))
    project = forge.site("git.example.com").find("acme/lib")
    assert project is not None
    assert project.storage.branch("main") is not None
    assert not asked.exists()
    assert token not in (clone / ".git/config").read_text() + (hermetic / ".gitconfig").read_text()


def test_a_wrong_token_is_refused_and_not_shown(forge: Forge, url: str, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    repos.make_repo(clone, {"flake.nix": "{ }"})
    with pytest.raises(GitError) as caught:
        push(clone, url, git_access(url, servers(url, forge, "wr0ng-token")))
    assert "wr0ng" not in caught.value.message
