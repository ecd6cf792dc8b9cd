"""What the receiver has already: from bundles that were handed over, or from the receipt of an import."""

import contextlib
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

import msgspec

from flakesync.bundle.layout.oci import digest_of
from flakesync.bundle.layout.reader import open_layout
from flakesync.documents.airgap.manifest import BundleManifest
from flakesync.documents.airgap.receipt import Receipt
from flakesync.errors import FlakesyncError
from flakesync.nix.store.narhash import sha256_of, sri
from flakesync.terms import Rev

_MOST_BYTES = 256 << 20


class Bases(msgspec.Struct, frozen=True):
    """What the receiver has.

    digests: of the manifests, sorted. sources: narHash → the digest of a manifest that has it.
    tips: commits of each repo, by its name. blobs: narHash → a bundle that is still here and the blob in it.
    inputs: repo, flake and input → narHash, as manifests say.
    """

    digests: tuple[str, ...] = ()
    sources: Mapping[str, str] = {}
    tips: Mapping[str, frozenset[Rev]] = {}
    blobs: Mapping[str, tuple[Path, str]] = {}
    inputs: Mapping[tuple[str, str, str], str] = {}


def read_bases(places: Iterable[Path]) -> Bases:
    """Return what bundles (a folder, an archive, or the copy of their manifest) and receipts say together.

    Raises:
        FlakesyncError: `bad-base`: it is neither; `unfinished-bundle`, `bad-bundle`.
    """
    digests: set[str] = set()
    sources: dict[str, str] = {}
    tips: dict[str, set[Rev]] = {}
    blobs: dict[str, tuple[Path, str]] = {}
    inputs: dict[tuple[str, str, str], str] = {}
    for place in places:
        data = _manifest_of(place)
        document = _parse(data, place)
        if isinstance(document, Receipt):
            own = sorted(document.bundles)
            named = [(hash, (own or [digest_of(data)])[-1]) for hash in document.sources]
            repos = [(repo.name, repo.tips) for repo in document.repos]
        else:
            own = [digest_of(data)]
            named = [(source.nar_hash, own[0]) for source in document.sources]
            blobs |= _blobs(document, place, own[0])
            uses = [(use, source.nar_hash) for source in document.sources for use in source.nodes]
            inputs |= {(use.repo, use.flake, use.input): hash for use, hash in uses}
            repos = [(repo.name, [branch.tip for branch in repo.branches]) for repo in document.repos]
        digests.update(own)
        for hash, digest in named:
            found = sha256_of(hash)
            if found is None:
                raise _bad(place, f"{hash[:80]!r} in it is no narHash")
            sources[sri(found)] = min(digest, sources.get(sri(found), digest))
        for name, revs in repos:
            tips.setdefault(name, set()).update(Rev(rev) for rev in revs)
    return Bases(tuple(sorted(digests)), sources, {name: frozenset(revs) for name, revs in tips.items()}, blobs, inputs)


def _blobs(manifest: BundleManifest, place: Path, digest: str) -> dict[str, tuple[Path, str]]:
    """Return the blobs of a bundle, if it is still here. place: itself, or the copy of its manifest."""
    beside = (place, place.with_suffix(""), place.with_suffix(".tar")) if place.suffix == ".json" else (place,)
    for each in beside:
        if each != place or place.suffix != ".json":
            with contextlib.suppress(FlakesyncError), closing(open_layout(each)) as layout:
                if layout.digest == digest:
                    return {one.nar_hash: (each, one.blob) for one in manifest.sources if one.blob is not None}
    return {}


def _manifest_of(place: Path) -> bytes:
    """Return the manifest of a bundle, or the file itself if it is JSON."""
    try:
        if place.is_file() and place.stat().st_size <= _MOST_BYTES:
            with place.open("rb") as file:
                if file.read(1) == b"{":
                    return b"{" + file.read(_MOST_BYTES)
        if not place.exists():
            raise FlakesyncError("bad-base", f"--base {place}: there is no such file or folder")
    except OSError as error:
        raise _bad(place, error.strerror or str(error)) from None
    try:
        with closing(open_layout(place)) as layout:
            return layout.config
    except FlakesyncError as error:
        if place.is_dir() or place.suffix == ".tar":
            raise
        raise _bad(place, error.message) from None


def _parse(data: bytes, place: Path) -> BundleManifest | Receipt:
    try:
        schema = msgspec.json.decode(data, type=_Schema).schema
        if schema == "flakesync/bundle/1":
            return msgspec.json.decode(data, type=BundleManifest)
        if schema == "flakesync/receipt/1":
            return msgspec.json.decode(data, type=Receipt)
    except msgspec.DecodeError as error:
        raise _bad(place, str(error)) from None
    raise _bad(place, f"its schema is {schema[:80]!r}")


class _Schema(msgspec.Struct):
    schema: str = ""


def _bad(place: Path, reason: str) -> FlakesyncError:
    return FlakesyncError(
        "bad-base",
        f"--base {place} is neither a bundle, nor its manifest, nor a receipt: {reason}",
        hint="name what `flakesync bundle -o` wrote, or the receipt that `flakesync import` wrote",
    )
