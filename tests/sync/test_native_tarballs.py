"""Archives with a commit (channels, FlakeHub) that a lock of the workspace is a target from, locked without Nix."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from flakesync.nix.lock.file import LockFile
from flakesync.sync.lockers import FromServer, Move, Request
from flakesync.sync.lockers.native.locker import NativeLocker
from flakesync.sync.lockers.native.sources import Sources
from flakesync.sync.lockers.native.values import NotNativeError
from flakesync.terms import FlakeDir, NodeLabel, Rev
from tests.support import repos

CHANNEL = {"type": "tarball", "url": "https://channels.example/nixos/nixexprs.tar.xz"}


def channel(rev: str, **others: Any) -> dict[str, Any]:
    return {
        **CHANNEL, "url": f"https://releases.example/{rev}.tar.xz", "rev": rev * 40, "narHash": f"sha256-{rev}",
        "lastModified": 1, **others,
    }  # fmt: skip


def channel_lock(locked: Mapping[str, Any]) -> LockFile:
    nodes = {"root": {"inputs": {"nixpkgs": "nixpkgs"}}, "nixpkgs": {"locked": locked, "original": CHANNEL}}
    return LockFile.parse(json.dumps({"nodes": nodes, "root": "root", "version": 7}, indent=2, sort_keys=True).encode())


@pytest.mark.parametrize("known", [True, False], ids=["known-to-have-no-inputs", "unknown"])
def test_an_archive_that_another_lock_has_is_taken_as_it_is_there(tmp_path: Path, known: bool) -> None:
    flake_nix = f'{{ inputs.nixpkgs.url = "{CHANNEL["url"]}"; outputs = _: {{ }}; }}'
    rev = repos.make_repo(tmp_path / "app", {"flake.nix": flake_nix})
    old, target = channel("a"), channel("b", revCount=7)
    locker = NativeLocker(Sources({}, [channel_lock(target)] if known else [], tmp_path / "cache", offline=True))

    def moved(old: Mapping[str, Any]) -> bytes:
        move = Move(("nixpkgs",), CHANNEL, old, FromServer(Rev("b" * 40), None, target))
        return locker.lock(Request(tmp_path / "app", rev, FlakeDir("."), channel_lock(old), [move])).to_bytes()

    if not known:
        with pytest.raises(NotNativeError, match="no clone and no lock of the workspace has"):
            moved(old)
        return
    assert moved(old) == channel_lock(target).to_bytes()
    # A Nix that noted no commit so far would note none now.
    with pytest.raises(NotNativeError, match="notes no commit of an archive"):
        moved({key: value for key, value in old.items() if key not in ("lastModified", "rev")})


@pytest.mark.parametrize("where", ["original", "locked"])
def test_a_folder_of_an_archive_is_left_to_nix(tmp_path: Path, where: str) -> None:
    rev = repos.make_repo(
        tmp_path / "app", {"flake.nix": f'{{ inputs.nixpkgs.url = "{CHANNEL["url"]}"; outputs = _: {{ }}; }}'}
    )
    old, target = channel("a"), channel("b", revCount=7)
    locker = NativeLocker(Sources({}, [channel_lock(target)], tmp_path / "cache", offline=True))
    folder = {"dir": "sub"}
    original = CHANNEL | (folder if where == "original" else {})
    locked = target | (folder if where == "locked" else {})
    move = Move(("nixpkgs",), original, old, FromServer(Rev("b" * 40), None, locked))
    with pytest.raises(NotNativeError, match="input nixpkgs is a folder of an archive"):
        locker.lock(Request(tmp_path / "app", rev, FlakeDir("."), channel_lock(old), [move]))


def test_an_archive_that_says_no_number_of_commits_is_taken_without_one(tmp_path: Path) -> None:
    rev = repos.make_repo(
        tmp_path / "app", {"flake.nix": f'{{ inputs.nixpkgs.url = "{CHANNEL["url"]}"; outputs = _: {{ }}; }}'}
    )
    old, target = channel("a"), channel("b")
    locker = NativeLocker(Sources({}, [channel_lock(target)], tmp_path / "cache", offline=True))
    move = Move(("nixpkgs",), CHANNEL, old, FromServer(Rev("b" * 40), None, target))
    made = locker.lock(Request(tmp_path / "app", rev, FlakeDir("."), channel_lock(old), [move]))
    assert made.to_bytes() == channel_lock(target).to_bytes()


def test_an_archive_is_known_by_its_hash_too(tmp_path: Path) -> None:
    rev = repos.make_repo(
        tmp_path / "app", {"flake.nix": f'{{ inputs.nixpkgs.url = "{CHANNEL["url"]}"; outputs = _: {{ }}; }}'}
    )
    old, target = channel("a"), channel("b", revCount=7)
    packed_otherwise = {**target, "narHash": "sha256-BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA="}
    locks = [channel_lock(target), channel_lock(packed_otherwise)]
    locker = NativeLocker(Sources({}, locks, tmp_path / "cache", offline=True))
    move = Move(("nixpkgs",), CHANNEL, old, FromServer(Rev("b" * 40), None, target))
    made = locker.lock(Request(tmp_path / "app", rev, FlakeDir("."), channel_lock(old), [move]))
    assert made.to_bytes() == channel_lock(target).to_bytes()


GITHUB = {"type": "github", "owner": "o", "repo": "lib"}


def github_lock(hash: str, rev: str = "b", *, with_inputs: bool = False) -> LockFile:
    locked = {**GITHUB, "rev": rev * 40, "narHash": f"sha256-{hash * 43}=", "lastModified": 7}
    node = {"locked": locked, "original": GITHUB, **({"inputs": {"x": "x"}} if with_inputs else {})}
    x = {"x": {"locked": {**locked, "repo": "x"}, "original": {**GITHUB, "repo": "x"}}} if with_inputs else {}
    nodes = {"root": {"inputs": {"lib": "lib"}}, "lib": node, **x}
    return LockFile.parse(json.dumps({"nodes": nodes, "root": "root", "version": 7}, indent=2, sort_keys=True).encode())


@pytest.mark.parametrize(
    ("known", "taken"),
    [
        ([github_lock("A")], True),
        ([github_lock("A"), github_lock("A")], True),
        ([github_lock("A", with_inputs=True), github_lock("A")], True),
        ([github_lock("A"), github_lock("A", with_inputs=True)], True),
        ([github_lock("A", with_inputs=True)], False),
        ([github_lock("A"), github_lock("C")], False),
        ([github_lock("A"), github_lock("C"), github_lock("A")], False),
        ([], False),
    ],
    ids=["one", "two", "first with inputs", "second with inputs", "with inputs", "disagree", "disagree first", "none"],
)
def test_a_commit_is_taken_from_the_locks_that_have_it_where_they_agree(
    tmp_path: Path, known: list[LockFile], taken: bool
) -> None:
    rev = repos.make_repo(tmp_path / "app", {"flake.nix": '{ inputs.lib.url = "github:o/lib"; outputs = _: { }; }'})
    old = github_lock("Z", "a")
    locked = old.nodes[NodeLabel("lib")].locked
    assert locked is not None
    locker = NativeLocker(Sources({}, known, tmp_path / "cache", offline=True))
    move = Move(("lib",), GITHUB, locked, FromServer(Rev("b" * 40), None, None))
    request = Request(tmp_path / "app", rev, FlakeDir("."), old, [move])
    if taken:
        assert locker.lock(request).to_bytes() == github_lock("A").to_bytes()
    else:
        with pytest.raises(NotNativeError):
            locker.lock(request)
