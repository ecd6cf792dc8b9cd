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
from flakesync.terms import FlakeDir, Rev
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
