"""From the node that Nix writes for a local commit to the one that the input's own fetcher would have written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from flakesync.errors import SyncError
from flakesync.nix.lock.file import LockNode
from flakesync.sync.lockers import FromClone, Move
from flakesync.sync.lockers.nix import canonical_locked
from flakesync.terms import Rev

OLD, NEW = Rev("a" * 40), Rev("b" * 40)
FOUND: dict[str, Any] = {
    "narHash": "sha256-new", "lastModified": 2, "rev": NEW, "ref": "flakesync/update", "revCount": 7,
    "type": "git", "url": "file:///clones/lib",
}  # fmt: skip
STALE: dict[str, Any] = {"narHash": "sha256-old", "lastModified": 1, "rev": OLD}
HASH: dict[str, Any] = {"narHash": "sha256-new", "lastModified": 2, "rev": NEW}


def canonical(
    original: Mapping[str, Any],
    locked: Mapping[str, Any] | None = None,
    *,
    found: Mapping[str, Any] = FOUND,
    branch: str = "flakesync/update",
) -> dict[str, Any]:
    """Return the new `locked`. locked: the old one; None: it has what `original` has."""
    source = FromClone(NEW, Path("/clones/lib"), f"refs/heads/{branch}", branch, pushed=False)
    move = Move(("lib",), original, {**(original if locked is None else locked), **STALE}, source)
    return canonical_locked(move, source, LockNode(inputs={}, locked=dict(found), original=dict(original)))


GITHUB = {"type": "github", "owner": "acme", "repo": "lib"}
GITLAB = {"type": "gitlab", "owner": "acme%2Fcore", "repo": "lib", "host": "git.acme.example"}
GIT = {"type": "git", "url": "ssh://git@git.acme.example/acme/lib"}


@pytest.mark.parametrize("original", [GITHUB, GITLAB, GITHUB | {"dir": "sub"}, GITHUB | {"type": "sourcehut"}])
def test_a_forge_node_has_neither_ref_nor_rev_count(original: dict[str, Any]) -> None:
    assert canonical(original) == original | HASH


def test_the_branch_of_a_forge_reference_is_not_locked() -> None:
    assert canonical(GITHUB | {"ref": "main"}, GITHUB) == GITHUB | HASH


def test_a_git_node_names_the_branch_that_has_the_commit() -> None:
    assert canonical(GIT, GIT | {"ref": "main", "revCount": 3}) == GIT | HASH | {
        "ref": "flakesync/update", "revCount": 7,
    }  # fmt: skip


def test_the_branch_is_spelled_as_it_was() -> None:
    full = canonical(GIT, GIT | {"ref": "refs/heads/main", "revCount": 3})
    assert full["ref"] == "refs/heads/flakesync/update"
    assert canonical(GIT | {"ref": "main"}, GIT | {"ref": "main"}, branch="main")["ref"] == "main"
    assert canonical(GIT, GIT)["ref"] == "flakesync/update"


def test_a_shallow_git_node_has_no_rev_count() -> None:
    original = GIT | {"shallow": True}
    assert canonical(original, original | {"ref": "main"}) == original | HASH | {"ref": "flakesync/update"}


def test_a_rev_count_that_nix_did_not_find_is_not_kept() -> None:
    found = {key: value for key, value in FOUND.items() if key != "revCount"}
    assert "revCount" not in canonical(GIT, GIT | {"ref": "main", "revCount": 3}, found=found)


@pytest.mark.parametrize("more", [{"dir": "sub"}, {"submodules": True}, {"submodules": False}, {"lfs": True}])
def test_what_else_the_reference_says_stays(more: dict[str, Any]) -> None:
    original = GIT | more
    assert canonical(original, original | {"ref": "main"}) == original | HASH | {
        "ref": "flakesync/update", "revCount": 7,
    }  # fmt: skip


def test_a_local_path_never_gets_into_the_lock() -> None:
    for original in (GITHUB, GITLAB, GIT):
        assert "/clones" not in str(canonical(original))


def test_a_lock_of_another_repository_is_led_back_to_its_own_reference() -> None:
    foreign = GITHUB | {"owner": "somebody-else"}
    assert canonical(GITHUB, foreign) == GITHUB | HASH
    assert canonical(GITHUB | {"ref": "main"}, foreign) == GITHUB | HASH, "rev and ref together are no reference"
    assert canonical(GITHUB, GIT | {"ref": "main", "revCount": 3}) == GITHUB | HASH


def test_a_registry_name_keeps_what_it_was_resolved_to() -> None:
    assert canonical({"type": "indirect", "id": "lib"}, GITHUB) == GITHUB | HASH


@pytest.mark.parametrize("missing", ["narHash", "lastModified"])
def test_a_node_without_a_hash_is_an_error(missing: str) -> None:
    found = {key: value for key, value in FOUND.items() if key != missing}
    with pytest.raises(SyncError, match=missing) as caught:
        canonical(GITHUB, found=found)
    assert caught.value.code == "no-hash"
