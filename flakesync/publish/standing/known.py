"""What earlier runs have found of update branches, so that the next one reads only their refs.

Which commits a branch has that the base lacks, whose they are and what they lock follows from the commits that four
refs are at, and commits never change: nothing here can be out of date.
"""

import contextlib
from pathlib import Path

import msgspec

from flakesync import __version__
from flakesync.cache.records import KeptRecords
from flakesync.publish.branches import Branches
from flakesync.terms import Rev
from flakesync.update.made import LockedCommit, MadeUpdates

_FORMAT = f"flakesync/updates/1 {__version__}"


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

    def __init__(self, place: Path, branch: str, made: MadeUpdates) -> None:
        """place: the file it is kept in, which need not exist. branch: the name of the update branches."""
        self._records = KeptRecords(place, (_FORMAT, branch))
        self._made = made

    def has(self, branches: Branches) -> bool:
        """Tell whether something is known where the branches are at these commits."""
        return self._records.has(_key(branches)) or self._as_made(branches) is not None

    def get(self, branches: Branches) -> KnownUpdate | None:
        """Return what is known where the branches are at these commits; None: nothing."""
        data = self._records.get(_key(branches))
        if data is not None:
            with contextlib.suppress(ValueError):
                return _update.decode(data)
        return self._as_made(branches)

    def add(self, branches: Branches, update: KnownUpdate) -> None:
        """Note what was found where the branches are at these commits."""
        self._records.add(_key(branches), msgspec.Raw(msgspec.msgpack.encode(update)))

    def write(self) -> None:
        """Keep what this run has looked at for the next one, and the latest of what was known before."""
        self._records.write()

    def _as_made(self, branches: Branches) -> KnownUpdate | None:
        """Return what is on branches that are as sync has left them; None: they are not.

        Each is one commit that was made here, on the base as it is here and on the server: then the base lacks it.
        """
        tips = list(dict.fromkeys(tip for tip in (branches.local, branches.remote) if tip is not None))
        made = [self._made.get(tip) for tip in tips]
        if not made or made[0] is None or set(branches.bases) != {each.base if each else None for each in made}:
            return None
        return KnownUpdate(tips[0], frozenset(tips), made[0].locked, landed=False)


_update = msgspec.msgpack.Decoder(KnownUpdate)


def _key(branches: Branches) -> str:
    places = (branches.local, branches.remote, branches.base, branches.remote_base)
    # Where the server was asked, its base alone says what has landed.
    return " ".join([*(rev or "-" for rev in places), "asked" if branches.url is not None else ""])
