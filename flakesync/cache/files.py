"""Files of commits that an earlier run has read, kept in the cache directory.

A commit id names its files for ever, so nothing here can be out of date. What is kept spares the objects: in a clone
as git makes it these are packed, and libgit2 would be loaded for them.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from flakesync.cache.keep import keep
from flakesync.terms import Rev

_FORMAT = "flakesync/kept/1"
_MOST_BYTES = 64 << 20

_Files = dict[str, memoryview | None]
_decoder = msgspec.msgpack.Decoder(tuple[str, dict[Rev, _Files]])


class KeptFiles:
    """What is known of commits. Where the cache cannot be read or written, or holds anything else, nothing is."""

    def __init__(self, place: Path) -> None:
        """place: the file it is kept in; it need not exist."""
        self._place = place
        self._known: dict[Rev, _Files] = {}
        self._read: dict[Rev, Mapping[str, bytes | None]] = {}
        self._used: set[Rev] = set()
        try:
            version, known = _decoder.decode(place.read_bytes())
        except (OSError, ValueError):
            return
        if version == _FORMAT:
            self._known = known

    def files(self, rev: Rev, names: Iterable[str]) -> dict[str, bytes | None] | None:
        """Return the files `names` of a commit (None: there is no such file); None if not all of them are known."""
        found = self.views(rev, names)
        if found is None:
            return None
        return {name: bytes(data) if data is not None else None for name, data in found.items()}

    def views(self, rev: Rev, names: Iterable[str]) -> dict[str, memoryview | None] | None:
        """Return as `files` does, without a copy of what is in memory anyway."""
        known = self._known.get(rev)
        if known is None:
            return None
        try:
            found = {name: known[name] for name in names}
        except KeyError:
            return None
        self._used.add(rev)
        return found

    def add(self, rev: Rev, files: Mapping[str, bytes | None]) -> None:
        """Note files of a commit that were read now, or what was found out from them under a name of its own."""
        self._read[rev] = {**self._read.get(rev, {}), **files}

    def write(self) -> None:
        """Keep what was read for the next run, and of what was known all that fits, what this run used first."""
        if not self._read:
            return
        old = sorted(self._known.items(), key=lambda item: item[0] not in self._used)
        kept: dict[Rev, Mapping[str, bytes | memoryview | None]] = {}
        room = _MOST_BYTES
        for rev, files in (*self._read.items(), *old):
            room -= sum(len(data) for data in files.values() if data is not None)
            if room < 0:
                break
            kept[rev] = {**kept.get(rev, {}), **files}
        keep(self._place, msgspec.msgpack.encode((_FORMAT, kept)))
