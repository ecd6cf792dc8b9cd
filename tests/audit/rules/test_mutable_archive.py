"""`mutable-archive`: which addresses of archives are of a commit, and which may lead to other files tomorrow."""

import pytest

from flakesync.audit.rules.commit import mutable_archive
from tests.audit.rules.ask import ask, said
from tests.support import locks
from tests.support.locks import Input

REV = "0123456789abcdef0123456789abcdef01234567"
SHA256 = "ab" * 32
RELEASE = "https://releases.nixos.org/nixos/25.11/nixos-25.11.1.abc/nixexprs.tar.xz"
FLAKEHUB = "https://api.flakehub.com/f/pinned/o/r/0.1.1/x/source.tar.gz"

STAYS = (
    # GitHub, its API, and where it leads to
    f"https://github.com/o/r/archive/{REV}.tar.gz",
    f"https://GitHub.COM/o/r/archive/{REV}.tar.gz",
    f"https://github.com:443/o/r/archive/{REV.upper()}.zip",
    f"https://github.com/o/archive/archive/{REV}.tar.gz",
    f"https://github.com/o/r/tarball/{REV}",
    f"https://api.github.com/repos/o/r/tarball/{REV}",
    f"https://api.github.com/repos/o/tarball/tarball/{REV}",
    f"https://ghe.example/api/v3/repos/o/r/zipball/{REV}",
    f"https://codeload.github.com/o/r/tar.gz/{REV}",
    f"https://codeload.github.com/o/r/legacy.tar.gz/{REV}",
    f"https://raw.githubusercontent.com/o/r/{REV}/file.patch",
    f"https://github.com/o/r/raw/{REV}/file.patch",
    # GitLab
    f"https://gitlab.com/o/r/-/archive/{REV}/r-{REV}.tar.gz",
    f"https://gitlab.com/o/sub/r/-/archive/{REV}/any.tar.bz2",
    f"https://gitlab.com/o/r/-/archive/{REV}.tar.gz",
    f"https://gitlab.com/api/v4/projects/o%2Fr/repository/archive.tar.gz?sha={REV}",
    f"https://gitlab.com/api/v4/projects/12/repository/archive?x=y&%73ha={REV}",
    f"https://gitlab.com/o/r/-/raw/{REV}/file.patch",
    # Forgejo, cgit, sourcehut, gitiles, Bitbucket
    f"https://codeberg.org/o/r/archive/{REV}.tar.gz?rev={REV}",
    f"https://codeberg.org/api/v1/repos/o/r/archive/{REV}.tar.gz",
    f"https://codeberg.org/o/r/archive/{SHA256}.tar.gz",
    f"https://codeberg.org/o/r/raw/commit/{REV}/file.patch",
    f"https://git.example/r.git/snapshot/r-{REV}.tar.gz",
    f"https://git.example/cgit/r/snapshot/{REV}.tar.xz",
    f"https://git.sr.ht/~o/r/archive/{REV}.tar.gz",
    f"https://git.example/x/+archive/{REV}.tar.gz",
    f"https://bitbucket.org/o/r/get/{REV}.tar.gz",
    # any server: a whole part of the path
    f"https://h/x/archive/{REV}.tar.gz",
    f"https://h/{REV}/nixexprs.tar.xz",
    f"https://h/x/{REV}.tar.xz",
    f"https://h/x/main/../{REV}/y.tar.gz",
    f"https://h/x/snapshot/{REV}/y.tar.gz",
    "https://h/" + "".join(f"%{ord(each):02x}" for each in REV) + "/x.tar.gz",
    # servers that never change what they have
    RELEASE,
    RELEASE.replace("releases.nixos.org", "Releases.NixOS.org"),
    "https://releases.nixos.org/nixpkgs/nixpkgs-26.05pre1.abc/nixexprs.tar.xz",
    "https://releases.nixos.org/nix/nix-2.34.0/nix-2.34.0-x86_64-linux.tar.xz",
    FLAKEHUB,
    FLAKEHUB.replace("api", "API"),
)
CHANGES = (
    "https://github.com/o/r/archive/main.tar.gz",
    "https://github.com/o/r/archive/refs/tags/v1.2.tar.gz",
    f"https://github.com/o/r/archive/refs/heads/{REV}.tar.gz",
    f"https://github.com/o/r/archive/main/{REV}.tar.gz",
    f"https://github.com/o/{REV}/archive/main.tar.gz",
    f"https://github.com/{REV}/r/archive/main.tar.gz",
    f"https://github.com/o/r/archive/x/-/archive/{REV}/r.tar.gz",
    f"https://github.com/o/r/archive/{REV}/../main.tar.gz",
    f"https://github.com/o/r/archive/{REV}%2F%2e%2E/main.tar.gz",
    f"https://github.com/o/r/archive/{REV}b.tar.gz",
    f"https://github.com/o/r/archive/{REV[:39]}.tar.gz",
    f"https://github.com/o/r/archive/main.tar.gz?sha={REV}",
    f"https://github.com/o/r/releases/download/{REV}/x.tar.gz",
    f"https://api.github.com/repos/o/{REV}/tarball/main",
    f"https://codeload.github.com/o/{REV}/tar.gz/refs/heads/main",
    f"https://raw.githubusercontent.com/o/{REV}/main/file.patch",
    f"https://gitlab.com/o/r/-/archive/main/r-{REV}.tar.gz",
    f"https://gitlab.com/o/r/-/archive/main/{REV}.tar.gz",
    f"https://gitlab.com/o/r/-/archive/{REV}/x/r.tar.gz",
    "https://gitlab.com/api/v4/projects/o%2Fr/repository/archive.tar.gz",
    f"https://gitlab.com/api/v4/projects/o%2F{REV}/repository/archive.tar.gz?sha=main",
    f"https://gitlab.com/api/v4/projects/12/repository/archive.tar.gz?sha={REV}&sha=main",
    f"https://gitlab.com/api/v4/projects/12/repository/archive.tar.gz?ref={REV}",
    f"https://codeberg.org/o/r/raw/branch/{REV}/file.patch",
    f"https://git.example/r/snapshot/other-{REV}.tar.gz",
    f"https://bitbucket.org/o/{REV}/get/main.tar.gz",
)
UNKNOWN = (
    "https://h/x.tar.gz",
    "https://h/x/archive/v1.2.tar.gz",
    f"https://h/x.tar.gz?rev={REV}",
    f"https://h/archive.tar.gz?sha={REV}",
    f"https://h/x.tar.gz?/{REV}/",
    f"https://h/x.tar.gz#/{REV}/",
    f"https://{REV}/x.tar.gz",
    f"https://{REV}.example/x.tar.gz",
    f"https://{REV}:{REV}@h/x.tar.gz",
    f"https://h/x-{REV}.tar.gz",
    f"https://h/{REV}/../x.tar.gz",
    f"https://h/{REV}/%2e%2e/x.tar.gz",
    f"file:///{REV}/x.tar.gz",
    "https://releases.nixos.org/../x",
    "https://releases.nixos.org/nixos/25.11/nixexprs.tar.xz",
    "https://releases.nixos.org/nixos/25.11/nixos-25.11.1.abc/../nixexprs.tar.xz",
    "https://releases.nixos.org.evil.example/nixos/25.11/nixos-25.11.1.abc/nixexprs.tar.xz",
    "https://releases.nixos.org@evil.example/nixos/25.11/nixos-25.11.1.abc/nixexprs.tar.xz",
    "https://evil.example/releases.nixos.org/nixos/25.11/nixos-25.11.1.abc/nixexprs.tar.xz",
    RELEASE.replace("https", "http"),
    RELEASE.replace("org/", "org:8443/"),
    "https://channels.nixos.org/nixos-25.11/nixexprs.tar.xz",
    "https://api.flakehub.com/f/pinned/../o/r/0.1/source.tar.gz",
    "https://flakehub.com/f/o/r/*.tar.gz",
    "",
)
ASKED = "https://h/asked.tar.gz"


def fires(url: str, *, asked: str | None = None, rev: str | None = None, kind: str = "tarball") -> bool:
    """Tell whether an archive is told. asked: the address in flake.nix; None: the same. rev: as the lock has it."""
    locked = {"type": kind, "url": url, "narHash": locks.nar_hash_of("x"), **({"rev": rev} if rev is not None else {})}
    original = {"type": kind, "url": asked if asked is not None else url}
    return bool(said(ask(mutable_archive.RULE, {"lib": Input(locked, original)})))


@pytest.mark.parametrize("url", STAYS)
def test_an_address_that_names_a_commit_or_a_release_stays(url: str) -> None:
    assert not fires(url)
    assert not fires(url, kind="file")


@pytest.mark.parametrize("url", CHANGES)
def test_an_address_of_a_branch_or_tag_may_change_whatever_rev_stands_beside_it(url: str) -> None:
    assert fires(url)
    assert fires(url, asked=ASKED, rev=REV)


@pytest.mark.parametrize("url", UNKNOWN)
def test_of_any_other_address_the_rev_counts_where_a_server_has_led_to_it(url: str) -> None:
    assert fires(url, asked=ASKED)
    assert fires(url, rev=REV)
    assert not fires(url, asked=ASKED, rev=REV)


def test_one_place_in_two_spellings_is_not_where_a_server_has_led_to() -> None:
    assert fires("https://H:443/./asked.tar.gz?x=y#z", asked=ASKED, rev=REV)


@pytest.mark.parametrize("part", ["/archive", "/snapshot", "/-/archive", "a", "/raw", "%2e/", "/../a", ".tar.gz", "=&"])
def test_a_long_address_takes_no_longer_than_its_length(part: str) -> None:
    for url in (f"https://h/o/r{part * 100_000}", f"https://h/api/v4/projects{part * 100_000}/repository/archive?sha="):
        assert fires(url)
