"""Small records that one run keeps for the next, in one file: what is known of things that never change, by a key."""

import contextlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from flakesync.cache.keep import discard_part, keep

_MOST_OTHERS = 2000


class KeptRecords:
    """What is known by its keys; nothing where the file cannot be read, or holds anything else. One thread's."""

    def __init__(self, place: Path | None, head: tuple[str, str]) -> None:
        """place: the file, which need not exist; None: nothing is kept. head: what the file has to begin with."""
        self._place = place
        self._head = head
        self._known: Mapping[str, msgspec.Raw] = {}
        self._used: dict[str, msgspec.Raw] = {}
        self._is_new = False
        with contextlib.suppress(OSError, ValueError):
            if place is not None:
                found, known = _file.decode(place.read_bytes())
                if found == head:
                    self._known = known

    def has(self, key: str) -> bool:
        """Tell whether there is a record."""
        return key in self._used or key in self._known

    def get(self, key: str) -> msgspec.Raw | None:
        """Return a record, encoded as MessagePack, and note that it is used; None: there is none."""
        found = self._used.get(key, self._known.get(key))
        if found is not None:
            self._used[key] = found
        return found

    def add(self, key: str, record: msgspec.Raw) -> None:
        """Note a record of this run, encoded as MessagePack."""
        self._used[key] = record
        self._is_new = True

    def write(self) -> None:
        """Keep what this run has added and used for the next one, and the latest of what was known before."""
        if self._place is None:
            return
        if not self._is_new:
            # What a run was about to keep when it was killed, a later one may not find out again.
            discard_part(self._place)
            return
        others = [item for item in self._known.items() if item[0] not in self._used]
        latest = others[-len(self._used) - _MOST_OTHERS :]
        keep(self._place, msgspec.msgpack.encode((self._head, {**dict(latest), **self._used})))


_file = msgspec.msgpack.Decoder(tuple[tuple[str, str], dict[str, msgspec.Raw]])
