"""On which references all versions of Nix agree, by attribute; test_flakefile_real_nix.py asks the versions."""

import pytest

from flakesync.nix.program.portability import Attrs, ambiguous, is_portable
from flakesync.nix.reference.flakeref import FlakeRef

REV = "0123456789abcdef0123456789abcdef01234567"
GITHUB: Attrs = {"type": "github", "owner": "o", "repo": "r"}
GIT: Attrs = {"type": "git", "url": "https://h.example/x"}


@pytest.mark.parametrize(
    "more",
    [{}, {"ref": "release/2.x"}, {"rev": REV}, {"host": "git.example"}, {"dir": "sub/a"}, {"owner": "~o%2Fp"}],
    ids=str,
)
@pytest.mark.parametrize("kind", ["github", "gitlab", "sourcehut"])
def test_what_a_forge_knows_is_portable(kind: str, more: Attrs) -> None:
    assert is_portable({**GITHUB, "type": kind, **more})


@pytest.mark.parametrize(
    "more",
    [
        {"ref": "a..b"}, {"ref": "x.lock"}, {"ref": "-x"}, {"ref": "a b"}, {"rev": REV.upper()}, {"rev": REV[1:]},
        {"host": "git-hub.example"}, {"host": "git.example:8443"}, {"dir": "../a"}, {"owner": "o/p"},
        {"repo": "r.lock"}, {"repo": "~r"}, {"narHash": "sha256-x"}, {"submodules": True},
        {"url": "https://h.example/x"}, {"id": "x"},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("kind", ["github", "gitlab", "sourcehut"])
def test_what_is_odd_about_a_forge_is_not_portable(kind: str, more: Attrs) -> None:
    assert not is_portable({**GITHUB, "type": kind, **more})


@pytest.mark.parametrize(
    ("more", "portable"),
    [
        ({}, True),
        ({"url": "file:///a/b.c"}, True),
        ({"url": "ssh://git@h:22/x"}, True),
        ({"ref": "main"}, True),
        ({"rev": REV}, True),
        ({"submodules": True}, True),
        ({"shallow": True}, True),
        ({"submodules": False}, False),
        ({"shallow": 1}, False),
        ({"submodules": "1"}, False),
        ({"url": "file:/a"}, False),
        ({"url": "/a/b"}, False),
        ({"url": "https://h.example/x?y"}, False),
        ({"url": "https://u:p@h.example/x"}, False),
        ({"ref": "@"}, False),
        ({"dir": "sub"}, False),
        ({"allRefs": True}, False),
        ({"owner": "o"}, False),
    ],
    ids=str,
)
def test_every_value_of_a_git_reference_is_looked_at(more: Attrs, portable: bool) -> None:
    assert is_portable({**GIT, **more}) is portable


@pytest.mark.parametrize(
    ("attrs", "portable"),
    [
        ({"type": "indirect", "id": "nixpkgs", "ref": "nixos-25.11", "rev": REV}, True),
        ({"type": "indirect", "id": "1x"}, False),
        ({"type": "indirect", "id": "nixpkgs", "ref": "x y"}, False),
        ({"type": "indirect", "id": "nixpkgs", "dir": "lib"}, False),
        ({"type": "path", "path": "/a/b"}, True),
        ({"type": "path", "path": "a"}, False),
        ({"type": "path", "path": "/a", "rev": REV}, False),
        ({"type": "tarball", "url": "https://h/x.tar.gz"}, False),
        ({"type": "mercurial", "url": "https://h/x"}, False),
    ],
    ids=str,
)
def test_each_type_has_attributes_of_its_own(attrs: Attrs, portable: bool) -> None:
    assert is_portable(attrs) is portable


@pytest.mark.parametrize(
    ("attrs", "key"),
    [
        (GITHUB, None),
        ({**GITHUB, "ref": "release/2.x+1@b"}, None),
        ({**GITHUB, "ref": "é"}, "ref"),
        ({**GITHUB, "ref": "_a"}, "ref"),
        ({**GITHUB, "ref": "a=b"}, "ref"),
        ({**GITHUB, "rev": REV}, None),
        ({**GITHUB, "rev": REV.upper()}, "rev"),
        ({**GIT, "lfs": False}, "lfs"),
        ({**GIT, "submodules": True}, None),
        ({**GIT, "url": "https://h.example:/x"}, "url"),
        ({**GIT, "url": "https://h.example/a//b"}, "url"),
        ({"url": f"github:o/r/{REV}"}, None),
        ({"url": f"github:o/r/{REV.upper()}"}, "rev"),
        ({"url": "git+https://h/x?ref=_a"}, "ref"),
        ({"url": "git+https://h/x?ref=a=b"}, "ref"),
        ({"url": "git+https://h/x?lfs=1"}, "url"),
        ({"url": "git+https://u:p@h/x"}, "url"),
    ],
    ids=str,
)
def test_what_versions_read_in_ways_of_their_own_is_named(attrs: Attrs, key: str | None) -> None:
    ref = FlakeRef.from_attrs(attrs) if "type" in attrs else FlakeRef.parse(str(attrs["url"]))
    assert ambiguous(attrs, ref) == key
