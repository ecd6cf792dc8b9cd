"""The immutable archives that the server of a tarball source has named, so that one can still be locked when it is old
enough: a server names its newest alone.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

import msgspec

from flakesync.cache.expiry import read_used
from flakesync.cache.keep import keep
from flakesync.cache.layout import archive_file
from flakesync.nix.reference.flakeref import Attr, FlakeRef
from flakesync.terms import Rev

_MOST = 400
_decoder = msgspec.json.Decoder(dict[str, dict[str, str | int | bool]])


class Archives:
    """The archives of one source by their commit, the latest named last. Threads have one each."""

    def __init__(self, place: Path, known: Mapping[Rev, Mapping[str, Attr]]) -> None:
        """place: the file that they are kept in."""
        self._place = place
        self._known = dict(known)

    @classmethod
    def read(cls, cache: Path, reference: FlakeRef) -> Self:
        """Return what the cache has of a source; nothing where that cannot be read."""
        place = archive_file(cache, "named", reference.to_url())
        try:
            known = _decoder.decode(read_used(place))
        except (OSError, ValueError):
            known = {}
        return cls(place, {Rev(rev): attrs for rev, attrs in known.items()})

    def add(self, rev: Rev, attrs: Mapping[str, Attr]) -> None:
        """Keep the archive of a commit, for this run and later ones."""
        if self._known.get(rev) != attrs:
            self._known[rev] = dict(attrs)
            kept = dict(list(self._known.items())[-_MOST:])
            keep(self._place, msgspec.json.encode(kept))

    def get(self, rev: Rev) -> Mapping[str, Attr] | None:
        """Return the archive of a commit; None: nobody has named it."""
        return self._known.get(rev)
