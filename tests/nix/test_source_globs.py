"""Globs on sources: one matcher for what is allowed and for what must be signed."""

import pytest

from flakesync.nix.reference.flakeref import FlakeRef, identity_of_glob
from flakesync.nix.reference.identity import Identity
from flakesync.nix.reference.source_globs import covers


def identity(reference: str) -> Identity:
    found = FlakeRef.parse(reference).identity
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("glob", "reference"),
    [
        ("github:acme/*", "github:acme/lib"),
        ("github:acme/*", "github:ACME/Lib"),
        ("github:Acme/*", "git+ssh://git@github.com/acme/lib.git"),
        ("github:acme/*", "git+https://github.com/acme/lib"),
        ("github:acme/*", "https://github.com/acme/lib/archive/main.tar.gz"),
        ("github:acme/*", "https://api.github.com/repos/acme/lib/tarball/main"),
        ("github:NixOS/nixpkgs", "github:nixos/nixpkgs/nixos-25.11?dir=lib"),
        ("github:acme/lib-*", "github:acme/lib-core"),
        ("github:*/nixpkgs", "github:NixOS/nixpkgs"),
        ("github:*", "github:acme/lib"),
        ("*", "path:/home/me/lib"),
        ("gitlab:acme/*", "gitlab:acme%2Fcore%2Fdeep/lib"),
        ("gitlab:acme%2Fcore/*", "gitlab:acme%2Fcore/lib"),
        ("git+ssh://git@gitlab.example.com/*", "git+ssh://git@gitlab.example.com/a/b/c"),
        ("git+ssh://git@gitlab.example.com/*", "gitlab:acme/lib?host=gitlab.example.com"),
        ("git+ssh://git@gitlab.example.com/acme/*", "git+ssh://other@gitlab.example.com:22/Acme/lib.git"),
        ("git+https://*.example.com/*", "git+https://git.example.com/acme/lib"),
        ("github:acme/*?host=ghe.example.com", "github:acme/lib?host=ghe.example.com"),
        ("sourcehut:~me/*", "sourcehut:~me/lib"),
        ("https://flakehub.com/f/NixOS/*", "https://api.flakehub.com/f/pinned/NixOS/nixpkgs/0.1/x/source.tar.gz"),
        ("git+file:///srv/git/*", "git+file:///srv/git/lib.git"),
    ],
)
def test_a_glob_means_a_repository_in_all_its_spellings(glob: str, reference: str) -> None:
    assert covers([glob], identity(reference))


@pytest.mark.parametrize(
    ("glob", "reference"),
    [
        ("github:acme/*", "github:acme-evil/lib"),
        ("github:acme/*", "github:evil/acme"),
        ("github:acme/*", "gitlab:acme/lib"),
        ("github:acme/*", "github:acme/lib?host=github.com.evil.example"),
        ("github:acme/*", "git+https://evil.example/github.com/acme/lib"),
        ("github:acme/*", "git+https://github.com@evil.example/acme/lib"),
        ("github:acme/*", "git+https://github.com:8443/acme/lib"),
        ("github:acme/lib", "github:acme/lib-fork"),
        ("github:acme/lib", "github:acme/li"),
        ("github:acme/l.b", "github:acme/lib"),
        ("github:NixOS/nixpkgs", "github:N1xOS/nixpkgs"),
        ("git+https://*.example.com/*", "git+https://evil/example.com/x"),
        ("git+https://*.example.com/*", "git+https://example.com/x"),
        ("git+ssh://git@host.example/acme-*", "git+ssh://git@host.example/acme-x/lib"),
        ("path:/nix/*", "path:/home/me"),
        ("nixpkgs", "github:NixOS/nixpkgs"),
        ("github:acme", "github:acme/lib"),
        ("", "github:acme/lib"),
    ],
)
def test_a_glob_means_no_other_repository(glob: str, reference: str) -> None:
    assert not covers([glob], identity(reference))


def test_one_of_several_is_enough_and_none_means_none() -> None:
    lib = identity("github:acme/lib")
    assert covers(["github:other/*", "github:acme/*"], lib)
    assert not covers([], lib)


def test_what_names_no_repository_is_meant_by_the_star_alone() -> None:
    assert covers(["*"], None)
    assert not covers(["github:*", "path:/*"], None)


@pytest.mark.parametrize("glob", ["", "acme", "github:acme", "nixpkgs", "lib/*", "git+ssh://"])
def test_what_is_no_reference_means_nothing(glob: str) -> None:
    assert identity_of_glob(glob) is None


def test_many_stars_take_no_time() -> None:
    glob = "git+ssh://git@host.example/" + "a*" * 60 + "b"
    assert not covers([glob], Identity("host.example", "a" * 5_000))
