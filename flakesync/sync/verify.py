"""Did the lock do what the plan said? Exit 0 of Nix proves nothing, so every new lock is read back and compared."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from flakesync.errors import SyncError
from flakesync.nix.expression.stale import find_stale
from flakesync.nix.lock.file import LockFile, LockNode
from flakesync.survey.pins import is_archive
from flakesync.terms import InputPath, Rev, show_path
from flakesync.update.difference import differences, without_dir
from flakesync.workspace.inputs import rev_of

_GONE = "does its flake.nix still have this input, without a follows?"
_NO_COMMITS = (
    "old versions of Nix (2.8 is one) note no commit for an archive: lock with a newer one, or hold this input"
)


def verify(
    before: LockFile,
    after: LockFile,
    wanted: Mapping[InputPath, Rev],
    *,
    file: str,
    stale: AbstractSet[InputPath] = frozenset(),
) -> None:
    """Check that exactly the planned inputs have moved, each to its commit, and nothing but what lies below them.

    wanted: the planned inputs and their commits. file: the name of the lock in messages. stale: the inputs on which
    flake.nix and the lock before disagree, which are locked anew.

    Raises:
        SyncError: `not-moved` (a planned input is elsewhere), `stale-lock` (its reference changed as well: flake.nix
        and flake.lock disagreed before), `moved-more` (something else moved).
    """
    for path, rev in wanted.items():
        node, old = after.node(path), before.node(path)
        found = rev_of(node.locked) if node is not None and node.locked is not None else None
        if node is None or found != rev:
            raise SyncError(
                "not-moved",
                f"{file}: input {show_path(path)} should be at {rev}, but the new lock has {found or 'no such commit'}",
                hint=_NO_COMMITS if node is not None and is_archive(node.locked or {}) else _GONE,
            )
        if old is not None and path not in stale and _reference(old) != _reference(node):
            raise SyncError(
                "stale-lock",
                f"{file}: flake.nix and flake.lock disagree on what input {show_path(path)} is",
                hint="run `nix flake lock` there and commit the result to the base branch first",
            )
    stray = [found.path for found in differences(before, after) if not _is_below(found.path, wanted.keys() | stale)]
    if stray:
        raise SyncError(
            "moved-more",
            f"{file}: {', '.join(map(show_path, stray))} moved too, which the plan does not say",
            hint="flake.nix and flake.lock disagree there: run `nix flake lock`, commit the result to the base branch",
        )


def require_agreement(flake_nix: bytes, after: LockFile, *, file: str) -> None:
    """Check that a lock that was stale is not so any more. Raises: SyncError(`stale-lock`)."""
    left = find_stale(flake_nix, after)
    if left:
        raise SyncError(
            "stale-lock",
            f"{file}: the new lock is not as flake.nix says: {'; '.join(each.detail for each in left)}",
            hint="run `nix flake lock` there and commit the result to the base branch first",
        )


def _is_below(path: InputPath, wanted: AbstractSet[InputPath]) -> bool:
    return any(path[:length] in wanted for length in range(1, len(path) + 1))


def _reference(node: LockNode) -> object:
    return without_dir(node.original or {}), node.flake
