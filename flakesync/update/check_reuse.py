"""When checks carry over: a commit that holds what another one held passes what that one has passed."""

from flakesync.errors import LockError
from flakesync.git.repository import Repository
from flakesync.git.store.trees import changed_paths
from flakesync.nix.lock.file import LockFile, LockNode
from flakesync.terms import InputPath, Rev, is_lock_file
from flakesync.update.difference import entries

_NAMES_A_COMMIT = frozenset({"rev", "ref", "revCount", "lastModified"})


def same_trees(repository: Repository, tested: Rev, new: Rev) -> bool:
    """Tell whether two commits hold the same files and the same sources.

    Only locks may differ, and those only in how a source is named: a squash gives the same tree another commit.
    """
    for path in changed_paths(repository.reader, tested, new):
        if not is_lock_file(path):
            return False
        before, after = repository.read(tested, path), repository.read(new, path)
        try:
            if not before or not after or not same_sources(LockFile.parse(before), LockFile.parse(after)):
                return False
        except LockError:
            return False
    return True


def same_sources(one: LockFile, other: LockFile) -> bool:
    """Tell whether every input of two locks has the same content, by its narHash, whatever commit it is named by."""
    mine, theirs = entries(one), entries(other)
    return mine.keys() == theirs.keys() and all(_content(mine[path]) == _content(theirs[path]) for path in mine)


def _content(entry: LockNode | InputPath) -> object:
    if not isinstance(entry, LockNode):
        return entry
    locked = dict(entry.locked or {})
    if "narHash" in locked:
        locked = {key: value for key, value in locked.items() if key not in _NAMES_A_COMMIT}
    return locked, dict(entry.original or {}), entry.flake, entry.parent
