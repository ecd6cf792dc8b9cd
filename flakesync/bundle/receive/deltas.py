"""Sources that come as deltas: made of a source that the cache has, and proven as every other."""

import tempfile
from collections.abc import Iterable
from typing import BinaryIO, cast

from flakesync.bundle.delta.rebuilding import rebuilt
from flakesync.bundle.layout.oci import bad_blob
from flakesync.bundle.layout.reader import Layout
from flakesync.documents.airgap.manifest import BundleSource, SourceDelta
from flakesync.errors import NixError
from flakesync.nix.store.checked import check_nar
from flakesync.nix.store.narhash import sha256_of
from flakesync.nix.store.part_file import cannot_write
from flakesync.nix.store.static_cache import StaticCache


def add_delta(cache: StaticCache, layout: Layout, source: BundleSource, delta: SourceDelta) -> None:
    """Put a source into the cache, which has to be held for writing. The old one is unpacked beside it for the time.

    Raises:
        FlakesyncError: `bad-blob`: the delta is damaged or makes something else, or the old source is damaged; or the
            folder cannot be written to.
    """
    digests = sha256_of(delta.base) or b"", sha256_of(source.nar_hash) or b""
    size = source.nar_size or 0
    try:
        held = tempfile.TemporaryFile(dir=cache.folder / "nar")  # noqa: SIM115 -- it has no name, and goes when closed
    except OSError as error:
        raise cannot_write(cache.folder, error) from None
    with held:
        old = cast("BinaryIO", held)
        try:
            pieces = cache.nar(delta.base)
        except NixError as error:
            raise bad_blob(delta.blob, f"it is a delta of another source: {error.message}") from None
        _fill(cache, old, delta, pieces)
        made = rebuilt(layout.blob(delta.blob), old, digests, size=size)
        cache.add_nar(source.nar_hash, check_nar(made, size=size, nar_hash=source.nar_hash))


def room_for_deltas(cache: StaticCache, sources: Iterable[BundleSource]) -> int:
    """Return how many bytes deltas take once made: each what its old source does, and the largest of these unpacked."""
    found = [(source.delta, cache.find(source.delta.base)) for source in sources if source.delta]
    files = sum((info.file_size or 0) + delta.size for delta, info in found if info is not None)
    return files + max((info.nar_size for _, info in found if info is not None), default=0)


def _fill(cache: StaticCache, old: BinaryIO, delta: SourceDelta, pieces: Iterable[bytes]) -> None:
    iterator = iter(pieces)
    while True:
        try:
            piece = next(iterator, None)
        except NixError as error:
            message = f"the source {delta.base} in {cache.folder}, of which it is a delta, is damaged: {error.message}"
            hint = "remove its narinfo, import the bundle that had it once more, then this one"
            raise NixError("bad-blob", message, hint=hint) from None
        if piece is None:
            break
        try:
            old.write(piece)
        except OSError as error:
            raise cannot_write(cache.folder, error) from None
    try:
        old.flush()
    except OSError as error:
        raise cannot_write(cache.folder, error) from None
