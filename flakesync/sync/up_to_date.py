"""Which update branches earlier runs have found to be up to date, so that the next one need not read them again.

A branch's commit, its base and the decisions say all there is to know, and commits never change: nothing here can be
out of date.
"""

import contextlib
import hashlib
from pathlib import Path

import msgspec

from flakesync import __version__
from flakesync.cache.keep import keep

_MOST = 100_000


class UpToDateBranches:
    """Digests of update branches at what was planned; none where the file cannot be read. Threads may share it."""

    def __init__(self, place: Path | None) -> None:
        """place: the file it is kept in, which need not exist; None: nothing is kept."""
        self._place = place
        self._known: frozenset[bytes] = frozenset()
        self._found: set[bytes] = set()
        with contextlib.suppress(OSError, ValueError):
            if place is not None:
                self._known = msgspec.msgpack.decode(place.read_bytes(), type=frozenset[bytes])

    def has(self, *what: object) -> bool:
        """Tell whether this very branch, commit and plan were found to agree."""
        digest = _digest(what)
        if digest not in self._known:
            return False
        self._found.add(digest)
        return True

    def add(self, *what: object) -> None:
        """Note that these agree."""
        self._found.add(_digest(what))

    def take(self) -> frozenset[bytes]:
        """Return what was found since this was asked last, for another process to `put`; it is not kept here."""
        found, self._found = frozenset(self._found), set()
        return found

    def put(self, found: frozenset[bytes]) -> None:
        """Note what another process has found, as `take` gives it."""
        self._found |= found

    def write(self) -> None:
        """Keep what this run has found for the next one, and what was known before, up to a size."""
        if self._place is None or self._found <= self._known:
            return
        every = self._found | self._known
        keep(self._place, msgspec.msgpack.encode(every if len(every) <= _MOST else self._found))


def _digest(what: tuple[object, ...]) -> bytes:
    return hashlib.sha256(msgspec.msgpack.encode((__version__, what))).digest()
