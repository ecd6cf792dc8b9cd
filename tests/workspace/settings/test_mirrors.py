"""`[mirrors]` and `[sources]` in workspace.toml: which line counts, who gets which login, and what is a problem."""

import os
import subprocess
from pathlib import Path

import pytest

from flakesync.nix.reference.flakeref import identity_of_url
from flakesync.workspace.hosts import Hosts
from flakesync.workspace.manifest import InvalidManifest, Workspace, parse_workspace
from tests.workspace.test_hosts import config_of

MIRRORS = """
"github:NixOS/nixpkgs" = "git+https://git.internal/mirror/nixpkgs"
"github:acme/" = "git+https://git.internal/acme/"
"github:acme/odd" = "git+ssh://git@git.internal/odd.git"
"git+ssh://git@gitlab.example.com/" = "git+https://git.internal/lab/"
"git+ssh://git@gitlab.example.com/Deep/er/" = "git+file:///srv/git/"
"https://channels.nixos.org/" = "https://files.internal/channels/"
"https://example.org/x.tar.gz" = "https://files.internal/x.tar.gz"
"""
INTERNAL = '[forges."git.internal"]\nkind = "forgejo"\ntoken-env = "INTERNAL"\n'


def workspace(mirrors: str = MIRRORS, more: str = "") -> Workspace:
    text = f'[repos.app]\nurl = "github:acme/app"\n[mirrors]\n{mirrors}\n{more}'
    return parse_workspace(Path("/nowhere/workspace.toml"), text.encode())


@pytest.mark.parametrize(
    ("address", "asked"),
    [
        ("https://github.com/NixOS/nixpkgs", "https://git.internal/mirror/nixpkgs"),
        ("https://github.com/nixos/NIXPKGS.git", "https://git.internal/mirror/nixpkgs"),
        ("git@github.com:NixOS/nixpkgs.git", "https://git.internal/mirror/nixpkgs"),
        ("ssh://git@ssh.github.com:443/NixOS/nixpkgs", "https://git.internal/mirror/nixpkgs"),
        ("https://github.com/NixOS/nixpkgs-channels", None),
        ("https://github.com/NixOS/nix", None),
        ("https://github.com/acme/App.git", "https://git.internal/acme/App.git"),
        ("https://github.com/Acme/odd", "ssh://git@git.internal/odd.git"),
        ("https://github.com/acme-evil/app", None),
        ("https://github.com/acme/../evil/app", None),
        ("https://github.com.evil.example/acme/app", None),
        ("ssh://git@gitlab.example.com/group/sub/app.git", "https://git.internal/lab/group/sub/app.git"),
        ("https://gitlab.example.com/group/app.git", "https://git.internal/lab/group/app.git"),
        ("git@gitlab.example.com:Deep/er/x.git", "file:///srv/git/x.git"),
        ("https://gitlab.example.com:8443/group/app", None),
        ("https://me:secret@github.com/acme/app", "https://git.internal/acme/app"),
        ("https://git.internal/mirror/nixpkgs", None),
        ("/srv/git/x.git", None),
        ("file:///srv/git/x.git", None),
        ("", None),
    ],
)
def test_a_repository_s_own_line_counts_and_then_the_longest_prefix(address: str, asked: str | None) -> None:
    assert workspace().mirrors.of(address) == asked


def test_archives_are_asked_for_at_a_web_address_and_keep_their_own() -> None:
    mirrors = workspace().mirrors
    channel = "https://channels.nixos.org/nixos-25.11/nixexprs.tar.xz"
    assert mirrors.of_archive(channel) == "https://files.internal/channels/nixos-25.11/nixexprs.tar.xz"
    assert (
        mirrors.canonical("https://files.internal/channels/a/b.tar.xz?rev=1")
        == "https://channels.nixos.org/a/b.tar.xz?rev=1"
    )
    assert mirrors.of_archive("https://example.org/x.tar.gz") == "https://files.internal/x.tar.gz"
    assert mirrors.canonical("https://files.internal/x.tar.gz") == "https://example.org/x.tar.gz"
    assert mirrors.of_archive("https://example.org/y.tar.gz") is None
    assert mirrors.of_archive("https://github.com/NixOS/nixpkgs/archive/x.tar.gz") is None
    assert mirrors.canonical("https://releases.nixos.org/x") == "https://releases.nixos.org/x"


def test_no_line_asks_anybody_else() -> None:
    mirrors = workspace("").mirrors
    assert not mirrors
    assert (mirrors.of("https://github.com/acme/app"), mirrors.rewrites(["https://github.com/acme/app"])) == (None, ())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('"github:NixOS/nixpkgs/x" = "https://a.example/c"', "names a branch, a commit or a folder"),
        ('"github:NixOS/" = "https://a.example/c"', "does not end in a `/`"),
        ('"github:NixOS/a" = "https://a.example/c/"', "ends in a `/`"),
        ('"github:a/b" = "https://github.com/a/b"', "has a mirror itself"),
        ('"https://h.example/" = "https://h.example/x/"', "has a mirror itself"),
        ('nixpkgs = "https://a.example/c"', "names no repository"),
        ('"https://u:secret@h.example/" = "https://a.example/"', "carries a password"),
        ('"https://h.example/" = "https://u:secret@a.example/"', "carries a password"),
        ('"/srv/x" = "https://a.example/c"', "is on this machine"),
        ('"github:a/b" = 3', "must be a string"),
        ('"github:a/b" = "ext::sh -c id"', "names no repository"),
        ('"github:a/b" = "path:/srv/x"', "is no address that can be asked"),
        ('"a/" = "b/"', "names no repository"),
        ('"github:a/b" = "https://x.y/b"\n"https://github.com/A/b.git" = "https://x.y/c"', "means the same"),
        ('"github:a/" = "https://x.y/b/"\n"https://github.com/a/" = "https://x.y/c/"', "means the same"),
    ],
)
def test_what_is_wrong_is_named_with_its_line_and_without_its_secret(line: str, message: str) -> None:
    with pytest.raises(InvalidManifest) as caught:
        workspace(line)
    [problem] = caught.value.problems
    assert message in problem.message
    assert problem.place.startswith("mirrors.")
    assert "secret" not in problem.message


def test_each_server_gets_its_own_token_and_none_of_another() -> None:
    hosts = Hosts(workspace(more=INTERNAL), {"GITHUB_TOKEN": "of-github", "INTERNAL": "of-internal"})
    mirrored = hosts.remote("https://me:mine@github.com/acme/app")
    assert (mirrored.url, mirrored.place) == ("https://git.internal/acme/app", "https://github.com/acme/app")
    assert mirrored.login == "the token in INTERNAL"
    assert not {"of-github", "me", "mine"} & {*mirrored.environment.values()}
    own = hosts.remote("https://github.com/NixOS/nix")
    assert (own.url, own.place, own.mirror_of) == (*["https://github.com/NixOS/nix"] * 2, None)
    assert "of-internal" not in own.environment.values()
    without = Hosts(workspace(), {"GITHUB_TOKEN": "of-github"}).remote("https://github.com/acme/app")
    assert (dict(without.environment), without.login) == ({}, None)


@pytest.mark.parametrize(
    ("address", "asked"),
    [
        ("https://github.com/NixOS/nixpkgs", "https://git.internal/mirror/nixpkgs"),
        ("https://github.com/NixOS/nixpkgs.git", "https://git.internal/mirror/nixpkgs"),
        ("https://github.com/NixOS/nixpkgs-channels", "https://github.com/NixOS/nixpkgs-channels"),
        ("https://github.com/acme/app", "https://git.internal/acme/app"),
        ("git@gitlab.example.com:Deep/er/x.git", "file:///srv/git/x.git"),
        ("ssh://git@gitlab.example.com/other", "https://git.internal/lab/other"),
        ("https://me:secret@github.com/acme/app", "https://git.internal/acme/app"),
    ],
)
def test_the_git_that_nix_starts_asks_the_mirror_by_its_environment_alone(address: str, asked: str) -> None:
    hosts = Hosts(workspace(more=INTERNAL), {"INTERNAL": "of-internal"})
    known = ["https://github.com/NixOS/nixpkgs", "https://github.com/NixOS/nixpkgs-channels", address]
    environ = hosts.for_nix(os.environ, known)
    argv = ["git", "ls-remote", "--get-url", address]
    assert subprocess.run(argv, env=environ, capture_output=True, text=True, check=True).stdout.strip() == asked
    assert "credential.https://git.internal.helper" in {key for key, _ in config_of(environ)}
    assert not (Path(os.environ["HOME"]) / ".gitconfig").read_text().count("insteadOf")


def test_whether_a_repository_has_a_mirror_is_told_by_what_it_is() -> None:
    mirrors = workspace().mirrors
    wanted = {"github:NixOS/nixpkgs": True, "git+https://github.com/acme/x?ref=y": True, "github:NixOS/nix": False}
    for reference, has in wanted.items():
        identity = identity_of_url(reference)
        assert identity is not None
        assert mirrors.has(identity) is has


def test_the_cache_of_sources_lies_beside_the_manifest_and_need_not_be_there(tmp_path: Path) -> None:
    assert workspace(more='[sources]\ncache = "../srv/sources"').sources == Path("/srv/sources")
    assert workspace().sources is None
    (tmp_path / "file").touch()
    for given, message in (
        (tmp_path / "file", "is a file"),
        ("/srv/a b", "has a character"),
        ("", "must not be empty"),
    ):
        with pytest.raises(InvalidManifest, match=message):
            workspace(more=f'[sources]\ncache = "{given}"')
