"""A source is sent as what the receiver lacks of it, where an older one is here and that makes it much smaller."""

import contextlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, NamedTuple, cast

from flakesync.bundle.delta.earlier import BaseSources
from flakesync.bundle.delta.writing import delta_pieces
from flakesync.bundle.layout.oci import DELTA_TYPE
from flakesync.bundle.layout.reader import open_layout
from flakesync.bundle.layout.writer import LayoutWriter
from flakesync.bundle.send.bases import Bases
from flakesync.bundle.send.wanted import WantedSource
from flakesync.bundle.send.way import DiffersError, Proven, Way
from flakesync.bundle.send.ways import Ways
from flakesync.bundle.send.written import Written, WrittenBlobs, delta_key
from flakesync.errors import FlakesyncError
from flakesync.nix.store.narhash import sha256_of
from flakesync.nix.store.zstd import unpacked

_WORTH = 2
"""A delta is sent if it is at most half as large as the source."""


class Delta(NamedTuple):
    """A source as a delta. base: the narHash of the source that it is made from."""

    base: str
    blob: Written


class Deltas:
    """Makes deltas; threads may share it."""

    def __init__(
        self, earlier: BaseSources, bases: Bases, ways: Ways, writer: LayoutWriter, written: WrittenBlobs
    ) -> None:
        """bases: what the receiver has."""
        self._earlier = earlier
        self._bases = bases
        self._ways = ways
        self._writer = writer
        self._written = written

    def there(self, source: WantedSource) -> Delta | None:
        """Return the delta that an earlier run has written; None: there is none."""
        old = self._earlier.of(source)
        found = self._written.find(delta_key(old.nar_hash, source.nar_hash)) if old is not None else None
        return Delta(old.nar_hash, found) if old is not None and found is not None else None

    def smaller(self, source: WantedSource, whole: Written) -> Delta | Written:
        """Return the delta that a source is sent as in place of its whole NAR, or the whole NAR, which is a blob.

        Raises: OSError: the bundle cannot be written; FlakesyncError(`interrupted`).
        """
        old = self._earlier.of(source)
        if old is None:
            return whole
        digests = sha256_of(old.nar_hash) or b"", sha256_of(source.nar_hash) or b""
        with _scratch(self._writer) as before, _scratch(self._writer) as after:
            if not self._has_old(old, before):
                return whole
            try:
                after.writelines(unpacked(self._writer.pieces(whole.digest)))
                after.flush()
                pieces = _no_more(delta_pieces(before, after, digests), whole.size // _WORTH)
                digest, size = self._writer.add(DELTA_TYPE, pieces)
            except FlakesyncError as error:
                if error.code.endswith("interrupted"):
                    raise
                return whole
        blob = Written(delta_key(old.nar_hash, source.nar_hash), digest, size, whole.nar_size)
        self._written.note(blob)
        return Delta(old.nar_hash, blob)

    def _has_old(self, old: WantedSource, file: BinaryIO) -> bool:
        """Write the NAR of an old source down; tell whether there is a way that gives it."""
        with contextlib.suppress(FlakesyncError):
            for way in self._ways_to(old):
                file.seek(0)
                file.truncate()
                try:
                    file.writelines(Proven(old.nar_hash).through(way.nar()))
                    file.flush()
                except (FlakesyncError, DiffersError) as error:
                    if isinstance(error, FlakesyncError) and error.code.endswith("interrupted"):
                        raise
                    continue
                return True
        return False

    def _ways_to(self, old: WantedSource) -> Iterator[Way]:
        if (known := self._bases.blobs.get(old.nar_hash)) is not None:
            yield Way(f"the bundle {known[0]}", lambda: _from_bundle(*known))
        yield from self._ways.kept(old)


def _scratch(writer: LayoutWriter) -> BinaryIO:
    """Return a file without a name on the disk of the bundle: temporary folders may be small."""
    return cast("BinaryIO", TemporaryFile(dir=writer.scratch))


def _from_bundle(place: Path, digest: str) -> Iterator[bytes]:
    with closing(open_layout(place)) as layout:
        yield from unpacked(layout.blob(digest))


def _no_more(pieces: Iterator[bytes], most: int) -> Iterator[bytes]:
    """Give pieces on. Raises: FlakesyncError(`large-delta`): they are more than so many bytes."""
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > most:
            raise FlakesyncError("large-delta", f"the delta has more than {most} bytes")
        yield piece
