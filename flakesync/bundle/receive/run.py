"""`flakesync import`: from a bundle that has come to the answer."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from flakesync.bundle.layout.reader import open_layout
from flakesync.bundle.receive.branches import BareTarget
from flakesync.bundle.receive.contents import read_manifest
from flakesync.bundle.receive.failures import ImportFailures
from flakesync.bundle.receive.nix_settings import settings_for
from flakesync.bundle.receive.options import ImportOptions
from flakesync.bundle.receive.receipts import NAME, new_receipt, read_receipt, write_receipt
from flakesync.bundle.receive.repositories import BareFolder, Nowhere
from flakesync.bundle.receive.taken import BundleImport, Moving
from flakesync.bundle.receive.verified import verify
from flakesync.documents.airgap.imported import Imported, ImportedCounts, NotImported
from flakesync.documents.airgap.manifest import BundleManifest
from flakesync.nix.program.command import Nix
from flakesync.nix.store.static_cache import StaticCache
from flakesync.nix.store.store_path import source_path
from flakesync.processes.folders import temporary_folder

if TYPE_CHECKING:
    from flakesync.bundle.receive.pushed import PushedRepos


def import_bundle(
    place: Path, options: ImportOptions, environ: Mapping[str, str], pushed: "PushedRepos | None" = None
) -> Imported:
    """Take a bundle in. pushed: the servers that its branches go to; None: to none.

    Raises:
        FlakesyncError: `unfinished-bundle`, `bad-bundle`, `missing-base`, `no-space`, `cache-busy`: nothing was
            written; or the machine refuses to go on.
    """
    cache = StaticCache(options.cache, options.store_dir)
    with ExitStack() as stack:
        layout = stack.enter_context(open_layout(place))
        manifest = read_manifest(layout.config, layout.layers)
        folder = stack.enter_context(temporary_folder("import"))
        work = BundleImport(layout, manifest, cache, Nowhere(folder, None), _moving(options, pushed))
        work.require_base()
        work.require_room()
        with cache.writing():
            work.take_blobs()
            work.take_repos()
            receipt = options.cache / NAME
            write_receipt(receipt, new_receipt(read_receipt(receipt), manifest, layout.digest, cache, work.branches))
        if options.nix is not None:
            _into_store(options.nix, options, manifest, cache)
        return Imported(
            digest=layout.digest,
            sources=work.counts,
            repos=work.branches,
            settings=[] if options.nix is not None else settings_for(options.cache, environ),
            receipt=str(receipt.absolute()),
            failed=work.failures.found,
        )


def verify_bundle(place: Path, repos: Path | None) -> Imported:
    """Read all of a bundle, and write nothing. repos: bare repositories whose commits count as there.

    Raises: FlakesyncError(`unfinished-bundle`, `bad-bundle`).
    """
    failures = ImportFailures()
    with open_layout(place) as layout, temporary_folder("import") as folder:
        manifest = read_manifest(layout.config, layout.layers)
        counts = verify(layout, manifest, Nowhere(folder, None if repos is None else BareFolder(repos)), failures)
        return Imported(
            digest=layout.digest, verified=True, sources=counts, repos=[], settings=[], failed=failures.found
        )


def verify_cache(folder: Path, store_dir: str) -> Imported:
    """Read all files of a cache, and write nothing."""
    check = StaticCache(folder, store_dir).verify(deep=True)
    failed = [NotImported(what=fault.file, inputs=[], code=fault.code, message=fault.message) for fault in check.faults]
    counts = ImportedCounts(new=0, there=check.paths, rebuilt=0)
    return Imported(digest=None, verified=True, sources=counts, repos=[], settings=[], failed=failed)


def _moving(options: ImportOptions, pushed: "PushedRepos | None") -> Moving | None:
    """Return where the branches move; None: nowhere."""
    if pushed is not None:
        return Moving(pushed, pushed.target, options.names)
    if options.repos is not None:
        return Moving(BareFolder(options.repos), lambda repository, _: BareTarget(repository), options.names)
    return None


def _into_store(nix: Nix, options: ImportOptions, manifest: BundleManifest, cache: StaticCache) -> None:
    from flakesync.bundle.receive.into_store import copy_into_store, keep_in_store

    there = [source.nar_hash for source in manifest.sources if cache.has(source.nar_hash)]
    paths = [source_path(nar_hash, store_dir=options.store_dir) for nar_hash in there]
    copy_into_store(nix, options.cache, paths)
    if options.roots is not None:
        keep_in_store(nix, options.cache, paths, options.roots)
