"""The locks that inputs may have once they move: those of the workspace's own repos, at their bases."""

from collections.abc import Callable

from flakesync.nix.lock import graph as lockgraph
from flakesync.nix.lock.file import LockFile, LockNode
from flakesync.nix.reference.flakeref import Identity
from flakesync.survey.follow.roots import dir_of
from flakesync.workspace.snapshot import RepoAtCommit, Snapshot

_WITHOUT_INPUTS = LockFile(7, lockgraph.ROOT, {lockgraph.ROOT: LockNode()}, {}, False, {})


def locks_at_base(snapshot: Snapshot) -> Callable[[LockNode], LockFile | None]:
    """Return what gives the lock of a node's flake at the base of its repo.

    None: it is no repo of the workspace, is of another branch, names a commit, or has no lock that says what it takes.
    """
    owners: dict[Identity, RepoAtCommit] = {}
    for state in snapshot.states.values():
        if isinstance(state, RepoAtCommit):
            owners.update(dict.fromkeys(state.repo.identities, state))

    def find(node: LockNode) -> LockFile | None:
        source, dir = node.origin.source, dir_of(node) or "."
        state = owners.get(source[0]) if source is not None and node.flake and not node.origin.fixed else None
        if state is None or source is None or source[1] not in (None, state.base):
            return None
        flake = next((flake for flake in state.flakes if flake.dir == dir), None)
        if flake is None or flake.stale or flake.problem is not None:
            return None
        return flake.lock if flake.lock is not None else _WITHOUT_INPUTS

    return find
