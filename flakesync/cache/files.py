"""Files of commits that an earlier run has read, kept in the cache directory.

A commit id names its files for ever, so nothing here can be out of date. What is kept spares the objects: in a clone
as git makes it these are packed, and libgit2 would be loaded for them.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from flakesync.cache.keep import discard_part, keep
from flakesync.terms import Rev

_FORMAT = "flakesync/kept/1"
_MOST_BYTES = 1 << 30
"""How much is kept of what a run has used: 20 kB a repo of 50,000."""
_MOST_UNUSED_BYTES = 64 << 20
_UNUSED_SHARE = 2
"""How many times as much is kept beside it: of base branches when update branches are read, and of a night before."""

_Files = dict[str, memoryview | None]
_decoder = msgspec.msgpack.Decoder(tuple[str, dict[Rev, _Files]])


class KeptFiles:
    """What is known of commits. Where the cache cannot be read or written, or holds anything else, nothing is."""

    def __init__(self, place: Path, *beside: Path) -> None:
        """place: the file it is kept in; it need not exist. beside: more files of the kind, which are only read."""
        self._place = place
        self._known = _read(place)
        for other in beside:
            for rev, files in _read(other).items():
                self._known[rev] = {**files, **self._known.get(rev, {})}
        self._read: dict[Rev, Mapping[str, bytes | None]] = {}
        self._used: set[Rev] = set()

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
        """Keep what this run read and used for the next run, and of what was known otherwise the latest that fits.

        That is a multiple of what this run used: each run reads all that is kept, and it must not grow for years.
        """
        if not self._read:
            # What a run was about to keep when it was killed, a later one may not find out again.
            discard_part(self._place)
            return
        kept: dict[Rev, Mapping[str, bytes | memoryview | None]] = {}
        used = [item for item in self._known.items() if item[0] in self._used]
        taken = _keep(kept, [*self._read.items(), *used], _MOST_BYTES)
        unused = [item for item in self._known.items() if item[0] not in self._used]
        _keep(kept, unused, min(_MOST_UNUSED_BYTES, _UNUSED_SHARE * taken))
        keep(self._place, _encoded(kept))


def _read(place: Path) -> dict[Rev, _Files]:
    try:
        version, known = _decoder.decode(place.read_bytes())
    except (OSError, ValueError):
        return {}
    return known if version == _FORMAT else {}


def _encoded(kept: Mapping[Rev, Mapping[str, bytes | memoryview | None]]) -> Iterator[bytes]:
    """Give what `_decoder` reads, commit by commit: in one piece it would be in memory twice."""
    pack = msgspec.msgpack.encode
    yield b"\x92" + pack(_FORMAT)  # an array of two
    yield b"\xdf" + len(kept).to_bytes(4, "big")  # a map, whose length takes four bytes
    yield from (pack(rev) + pack(files) for rev, files in kept.items())


def _keep(
    kept: dict[Rev, Mapping[str, bytes | memoryview | None]],
    some: Iterable[tuple[Rev, Mapping[str, bytes | memoryview | None]]],
    room: int,
) -> int:
    """Add files of commits to those that are kept, as far as there is room; return how many bytes that took."""
    taken = 0
    for rev, files in some:
        size = sum(len(data) for data in files.values() if data is not None)
        if taken + size > room:
            break
        taken += size
        kept[rev] = {**kept.get(rev, {}), **files}
    return taken
