"""What sync knows of the update commits that it has just made, kept so that status need not read them back.

A commit id says its base and its locks, and commits never change: nothing here can be out of date.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from flakesync import __version__
from flakesync.cache.records import KeptRecords
from flakesync.nix.lock.file import LockNode
from flakesync.terms import InputPath, Rev
from flakesync.update.content import is_on_branch, references_of, top_of
from flakesync.update.difference import Difference
from flakesync.workspace.inputs import rev_of

_FORMAT = f"flakesync/made/1 {__version__}"
_IDENTIFY = ("type", "owner", "repo", "host", "url", "path")


class LockedCommit(msgspec.Struct, frozen=True, array_like=True):
    """A commit that an update moves an input to.

    references: what tells which repository that is: of `locked`, and of `original` where that differs. on_branch:
    whether the lock names the update branch.
    """

    rev: Rev
    references: tuple[Mapping[str, str], ...]
    on_branch: bool


class MadeUpdate(msgspec.Struct, frozen=True, array_like=True):
    """One update commit. base: its parent. locked: what it moves inputs to, as `locked_commits` gives it."""

    base: Rev
    locked: tuple[LockedCommit, ...]


class MadeUpdates:
    """The update commits of one branch name that runs have made here; none where the file holds anything else."""

    def __init__(self, place: Path | None, branch: str) -> None:
        """place: the file it is kept in, which need not exist; None: nothing is kept. branch: of the updates."""
        self._records = KeptRecords(place, (_FORMAT, branch))

    def get(self, commit: Rev) -> MadeUpdate | None:
        """Return what is known of a commit; None: nothing."""
        data = self._records.get(commit)
        try:
            return _update.decode(data) if data is not None else None
        except ValueError:
            return None

    def add(self, commit: Rev, record: bytes) -> None:
        """Note a commit that this run has made. record: of `encode_made`."""
        self._records.add(commit, msgspec.Raw(record))

    def write(self) -> None:
        """Keep what this run has made for status, and the latest of what was known before."""
        self._records.write()


_update = msgspec.msgpack.Decoder(MadeUpdate)


def encode_made(base: Rev, differing: Iterable[Iterable[Difference]], branch: str) -> bytes | None:
    """Return the record of an update commit; None: a lock names something that is no UTF-8.

    base: its parent. differing: what differs in each lock, and nothing else does. branch: of the updates.
    """
    moved = (each.after for found in differing for each in top_of(found))
    try:
        return msgspec.msgpack.encode(MadeUpdate(base, tuple(locked_commits(moved, branch))))
    except UnicodeEncodeError:  # a folder of this machine
        return None


def locked_commits(entries: Iterable[LockNode | InputPath | None], branch: str) -> Iterator[LockedCommit]:
    """Yield the commits that inputs are locked to. entries: of those that an update moves. branch: of the updates."""
    for entry in entries:
        if isinstance(entry, LockNode):
            locked, original = references_of(entry)
            rev = rev_of(locked)
            if rev is not None:
                one, other = _identifying(locked), _identifying(original)
                yield LockedCommit(rev, (one,) if one == other else (one, other), is_on_branch(locked, branch))


def _identifying(attrs: Mapping[str, object]) -> dict[str, str]:
    """Return those attributes of a reference that say which repository it is."""
    return {key: value for key in _IDENTIFY if isinstance(value := attrs.get(key), str)}
