"""What earlier runs have found of update branches, so that the next one reads only their refs.

Which commits a branch has that the base lacks, whose they are and what they lock follows from the commits that four
refs are at, and commits never change: nothing here can be out of date.
"""

import contextlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from flakesync import __version__
from flakesync.cache.keep import keep
from flakesync.publish.branches import Branches
from flakesync.terms import Rev

_FORMAT = f"flakesync/updates/1 {__version__}"
_MOST_OTHERS = 2000
_IDENTIFY = ("type", "owner", "repo", "host", "url", "path")


class LockedCommit(msgspec.Struct, frozen=True, array_like=True):
    """A commit that an update moves an input to.

    references: what tells which repository that is: of `locked`, and of `original` where that differs. on_branch:
    whether the lock names the update branch.
    """

    rev: Rev
    references: tuple[Mapping[str, str], ...]
    on_branch: bool


class KnownUpdate(msgspec.Struct, frozen=True, array_like=True):
    """What is on an update branch that nobody else has committed to.

    commit: its newest commit that the base lacks; None: there is none. known: all of those, here and on the server.
    landed: whether the base has the branch.
    """

    commit: Rev | None
    known: frozenset[Rev]
    locked: tuple[LockedCommit, ...]
    landed: bool


class KnownUpdates:
    """What is known of the update branches of one name; nothing where the file cannot be read, or holds anything else.

    Not shared between threads.
    """

    def __init__(self, place: Path, branch: str) -> None:
        """place: the file it is kept in, which need not exist. branch: the name of the update branches."""
        self._place = place
        self._head = (_FORMAT, branch)
        self._known: Mapping[str, msgspec.Raw] = {}
        self._used: dict[str, msgspec.Raw] = {}
        self._is_new = False
        with contextlib.suppress(OSError, ValueError):
            head, known = _file.decode(place.read_bytes())
            if head == self._head:
                self._known = known

    def has(self, branches: Branches) -> bool:
        """Tell whether something is known where the branches are at these commits."""
        return _key(branches) in self._known

    def get(self, branches: Branches) -> KnownUpdate | None:
        """Return what is known where the branches are at these commits; None: nothing."""
        key = _key(branches)
        data = self._used.get(key, self._known.get(key))
        if data is None:
            return None
        try:
            found = _update.decode(data)
        except ValueError:
            return None
        self._used[key] = data
        return found

    def add(self, branches: Branches, update: KnownUpdate) -> None:
        """Note what was found where the branches are at these commits."""
        self._used[_key(branches)] = msgspec.Raw(msgspec.msgpack.encode(update))
        self._is_new = True

    def write(self) -> None:
        """Keep what this run has looked at for the next one, and the latest of what was known before."""
        if not self._is_new:
            return
        others = [item for item in self._known.items() if item[0] not in self._used]
        latest = others[-len(self._used) - _MOST_OTHERS :]
        keep(self._place, msgspec.msgpack.encode((self._head, {**dict(latest), **self._used})))


_file = msgspec.msgpack.Decoder(tuple[tuple[str, str], dict[str, msgspec.Raw]])
_update = msgspec.msgpack.Decoder(KnownUpdate)


def identifying(attrs: Mapping[str, object]) -> dict[str, str]:
    """Return those attributes of a reference that say which repository it is."""
    return {key: value for key in _IDENTIFY if isinstance(value := attrs.get(key), str)}


def _key(branches: Branches) -> str:
    places = (branches.local, branches.remote, branches.base, branches.remote_base)
    # Where the server was asked, its base alone says what has landed.
    return " ".join([*(rev or "-" for rev in places), "asked" if branches.url is not None else ""])
