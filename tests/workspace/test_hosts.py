"""Which credential belongs to which host, who gets it, and what a person is told where there is none."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from flakesync.errors import FlakesyncError, GitError
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.terms import PinName
from flakesync.workspace.hosts import Hosts
from flakesync.workspace.model import ForgeSettings, Pin, Workspace
from tests.forge.test_choose import workspace

TOKEN = "s3cret"
ENVIRON = {"GITHUB_TOKEN": TOKEN}
NAMELESS = (
    'name the variable with a token for {host}: `token-env` in [forges."{host}"]; '
    "or give git a credential helper for it"
)
HUB = "credential.https://github.com.helper"


def config_of(environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the settings that an environment gives git."""
    count = int(environ.get("GIT_CONFIG_COUNT", "0"))
    return [(environ[f"GIT_CONFIG_KEY_{number}"], environ[f"GIT_CONFIG_VALUE_{number}"]) for number in range(count)]


def test_git_finds_the_token_in_its_environment_only() -> None:
    remote = Hosts(workspace("github:acme/lib"), ENVIRON).remote("https://github.com/acme/lib")
    assert sorted(remote.environment.values()) == sorted([TOKEN, "x-access-token"])
    assert TOKEN not in repr(remote)
    assert [key for key, _ in remote.settings] == [HUB] * 2
    assert remote.settings[0][1] == ""
    assert not [value for _, value in remote.config if TOKEN in value]
    assert remote.login == "the token in GITHUB_TOKEN"


@pytest.mark.parametrize(
    "url",
    [
        "git@github.com:acme/lib.git",
        "ssh://git@github.com/acme/lib",
        "http://github.com/acme/lib",
        "https://git.example.com/acme/lib",
        "https://github.com:8443/acme/lib",
        "https://github.com.evil.example/acme/lib",
        "ssh://git@github.com:acme/lib",
        "file:///srv/lib",
        "//[srv/lib",
        "/srv/lib",
    ],
)
def test_other_addresses_get_nothing(url: str) -> None:
    remote = Hosts(workspace("github:acme/lib"), ENVIRON).remote(url)
    assert (remote.settings, remote.environment, remote.login) == ((), {}, None)


def test_what_is_no_address_is_refused_as_everywhere() -> None:
    for url in ("https://[", "https://h:port/x", "ext::sh"):
        with pytest.raises(GitError) as caught:
            Hosts(workspace(), {}).remote(url)
        assert caught.value.code == "bad-url"


def test_a_login_in_the_address_counts_before_the_token() -> None:
    remote = Hosts(workspace("github:acme/lib"), ENVIRON).remote("https://me:mine@github.com/acme/lib")
    assert sorted(remote.environment.values()) == ["me", "mine"]
    assert remote.login == "the login in its address"


def test_the_token_counts_before_a_name_in_the_address() -> None:
    remote = Hosts(workspace("github:acme/lib"), ENVIRON).remote("https://me@github.com/acme/lib")
    assert remote.url == "https://github.com/acme/lib"
    assert [key for key, _ in remote.settings] == [HUB] * 2


def test_without_a_token_the_users_own_helpers_stay() -> None:
    forges = {"github.com": ForgeSettings(kind="github", ca_file=Path("/ca.pem"))}
    remote = Hosts(workspace(forges=forges), {}).remote("https://github.com/acme/lib")
    assert remote.settings == (("http.https://github.com/.sslCAInfo", "/ca.pem"),)
    assert remote.environment == {}


@pytest.mark.parametrize(
    ("url", "forges", "hint"),
    [
        ("https://github.com/a/b", {}, "put a token for github.com into GITHUB_TOKEN or GH_TOKEN"),
        ("https://gitlab.com/a/b", {}, "put a token for gitlab.com into GITLAB_TOKEN"),
        (
            "https://git.example.com:8443/a/b",
            {"git.example.com": ForgeSettings(kind="gitlab", token_env="ACME_TOKEN")},
            "put a token for git.example.com into ACME_TOKEN",
        ),
        (
            "https://git.example.com/a/b",
            {},
            NAMELESS.format(host="git.example.com"),
        ),
        (
            "https://ghe.example.com/a/b",
            {"ghe.example.com": ForgeSettings(kind="github"), "github.com": ForgeSettings(kind="github")},
            NAMELESS.format(host="ghe.example.com"),
        ),
        ("http://git.example.com/a/b", {}, "a token for git.example.com is sent over https alone"),
    ],
)
def test_where_a_token_is_missing_the_hint_names_the_variable(
    url: str, forges: Mapping[str, ForgeSettings], hint: str
) -> None:
    assert Hosts(workspace(forges=forges), {}).remote(url).hint == hint


def test_a_host_without_a_table_is_asked_about_by_name() -> None:
    hosts = Hosts(workspace("github:acme/lib"), ENVIRON)
    assert hosts.hint("api.github.com") == "is the token in GITHUB_TOKEN still valid, and may it read that repository?"
    assert hosts.hint("gitlab.com") == "put a token for gitlab.com into GITLAB_TOKEN"
    assert hosts.hint("codeload.github.com") == hosts.hint("api.github.com")
    assert '[forges."api.example.com"]' in (hosts.hint("api.example.com") or "")
    assert hosts.hint("cache.nixos.org", by_git=False) is None
    assert hosts.hint("github.com", by_git=False) == hosts.hint("github.com")
    assert hosts.hint("codeberg.org", by_git=False) == (
        'name the variable with a token for codeberg.org: `token-env` in [forges."codeberg.org"]'
    )


def test_the_usual_variables_belong_to_their_tools_own_host_where_the_manifest_has_none_of_that_kind() -> None:
    tokens = {"GITHUB_TOKEN": "hub", "GITLAB_TOKEN": "lab", "FORGEJO_TOKEN": "jo"}
    hosts = Hosts(workspace("git+ssh://git@git.example.com/a/b"), tokens)
    assert [hosts.account(host).token for host in ("github.com", "gitlab.com", "codeberg.org")] == ["hub", "lab", None]
    own = Hosts(workspace(forges={"git.example.com": ForgeSettings(kind="gitlab")}), tokens)
    assert [own.account(host).token for host in ("gitlab.com", "git.example.com")] == [None, "lab"]
    two = {"a.example": ForgeSettings(kind="gitlab"), "b.example": ForgeSettings(kind="gitlab")}
    undecided = Hosts(workspace(forges=two), tokens)
    assert [undecided.account(host).token for host in ("gitlab.com", "a.example", "b.example")] == [None, None, None]


def test_a_usual_variable_that_the_manifest_gives_to_one_host_is_no_others() -> None:
    forges = {"ghe.example.com": ForgeSettings(kind="github", token_env="GITHUB_TOKEN")}
    for ws in (workspace(forges=forges), workspace("github:acme/lib", forges=forges)):
        hosts = Hosts(ws, {"GITHUB_TOKEN": "enterprise"})
        assert hosts.account("ghe.example.com").token == "enterprise"
        assert (hosts.account("github.com").token, hosts.account("github.com").token_env) == (None, ("GH_TOKEN",))
    assert Hosts(ws, {"GITHUB_TOKEN": "enterprise", "GH_TOKEN": "hub"}).account("github.com").token == "hub"


def test_what_cannot_be_a_token_is_one_error_that_does_not_show_it() -> None:
    with pytest.raises(FlakesyncError) as caught:
        Hosts(workspace("github:acme/lib"), {"GITHUB_TOKEN": "two w0rds"}).remote("https://github.com/acme/lib")
    assert caught.value.code == "forge-token"
    assert "w0rds" not in caught.value.message


# ---- Nix ---------------------------------------------------------------------------------------------------------


def for_nix(ws: Workspace, environ: Mapping[str, str], *urls: str) -> dict[str, str]:
    return Hosts(ws, environ).for_nix(environ, urls)


def test_nix_and_its_git_get_the_credentials_after_what_the_user_has() -> None:
    environ = {
        "GITHUB_TOKEN": TOKEN,
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "user.name",
        "GIT_CONFIG_VALUE_0": "me",
        "NIX_CONFIG": "cores = 2",
    }
    found = for_nix(workspace("github:acme/lib"), environ)
    assert [key for key, _ in config_of(found)] == ["user.name", HUB, HUB]
    assert found["NIX_CONFIG"] == f"cores = 2\nextra-access-tokens = github.com={TOKEN}"
    assert {name: found[name] for name in ("GITHUB_TOKEN", "GIT_CONFIG_VALUE_0")} == {
        "GITHUB_TOKEN": TOKEN,
        "GIT_CONFIG_VALUE_0": "me",
    }


def test_nothing_is_added_where_there_is_no_token() -> None:
    assert for_nix(workspace("github:acme/lib"), {"HOME": "/h"}) == {"HOME": "/h"}
    assert for_nix(workspace("github:acme/lib"), {"GITHUB_TOKEN": "two words"}) == {"GITHUB_TOKEN": "two words"}


def test_access_tokens_of_the_user_stay() -> None:
    forges = {"git.example.com": ForgeSettings(kind="gitlab", token_env="LAB")}
    environ = {"GITHUB_TOKEN": "hub", "LAB": "lab", "NIX_CONFIG": "access-tokens = github.com=mine"}
    config = for_nix(workspace("github:acme/lib", forges=forges), environ)["NIX_CONFIG"]
    assert config == "access-tokens = github.com=mine\nextra-access-tokens = git.example.com=OAuth2:lab"


def test_only_hosts_that_nix_has_a_fetcher_for_get_an_access_token() -> None:
    forges = {
        "a.example": ForgeSettings(kind="forgejo", token_env="A"),
        "b.example": ForgeSettings(kind="none", token_env="B"),
        "c.example": ForgeSettings(kind="gitlab", token_env="C"),
    }
    found = for_nix(workspace(forges=forges), {"A": "aaaaa", "B": "bbbbb", "C": "cc#cc"})
    assert "NIX_CONFIG" not in found
    helpers = [key for key, value in config_of(found) if value]
    assert helpers == [f"credential.https://{host}.helper" for host in forges]


def test_the_git_of_nix_logs_in_at_unusual_ports_and_trusts_the_named_authority() -> None:
    forges = {"git.example.com": ForgeSettings(kind="gitlab", token_env="LAB", ca_file=Path("/ca.pem"))}
    ws = workspace("git+https://git.example.com:8443/acme/lib", forges=forges)
    pin = Pin(name=PinName("p"), source=FlakeRef.parse("git+https://git.example.com:9443/acme/pins?ref=main"))
    ws = Workspace(**{**{name: getattr(ws, name) for name in ws.__struct_fields__}, "pins": (pin,)})
    settings = config_of(for_nix(ws, {"LAB": "lab-token"}, "https://git.example.com:7443/x", "ssh://git.example.com/x"))
    places = ["git.example.com", "git.example.com:8443", "git.example.com:9443", "git.example.com:7443"]
    assert [key for key, value in settings if value.startswith("!")] == [
        f"credential.https://{place}.helper" for place in places
    ]
    assert [key for key, value in settings if value == "/ca.pem"] == [
        f"http.https://{place}/.sslCAInfo" for place in places
    ]


def test_the_git_of_nix_does_not_see_a_password_in_an_address() -> None:
    url = "https://me:s3cret@git.example.com:8443/acme/lib"
    found = for_nix(workspace(), {}, url, f"git+{url}?ref=main", "https://me@x.example/y")
    server = "https://git.example.com:8443"
    assert (f"url.{server}/.insteadOf", "https://me:s3cret@git.example.com:8443/") in config_of(found)
    assert [key for key, value in config_of(found) if value.startswith("!")] == [f"credential.{server}.helper"]


def test_a_login_in_an_address_counts_before_the_token_for_its_repository_alone() -> None:
    url = "https://me:s3cret-of-mine@github.com/acme/lib"
    found = for_nix(workspace("github:acme/app"), {**os.environ, **ENVIRON}, url, url)
    answers = [ask(found, place) for place in ("github.com/acme/lib", "github.com/acme/app", "gitlab.com/acme/lib")]
    assert answers == [("me", "s3cret-of-mine"), ("x-access-token", TOKEN), None]


def ask(environ: Mapping[str, str], place: str) -> tuple[str, str] | None:
    """Return what git would log in with."""
    asked = subprocess.run(
        ["git", "credential", "fill"], input=f"url=https://{place}\n", env=environ, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    told = dict(line.split("=", 1) for line in asked.stdout.splitlines())
    return (told["username"], told["password"]) if asked.returncode == 0 else None


def test_what_is_there_already_is_not_added_again() -> None:
    ws = workspace("github:acme/lib")
    once = for_nix(ws, ENVIRON)
    assert Hosts(ws, ENVIRON).for_nix(once, ["https://github.com/acme/other"]) == once
