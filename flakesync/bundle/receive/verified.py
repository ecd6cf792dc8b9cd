"""A bundle is read to its last byte, and nothing is written: each digest, each narHash, each commit that can be had."""

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

from flakesync.bundle.layout.oci import bad_blob
from flakesync.bundle.layout.reader import Layout
from flakesync.bundle.receive.failures import OF_THE_BUNDLE, ImportFailures
from flakesync.bundle.receive.repositories import Places, lacking, take_commits
from flakesync.bundle.send.by_git import tree_nar
from flakesync.documents.airgap.imported import ImportedCounts
from flakesync.documents.airgap.manifest import BundleManifest, BundleSource, SourceOfRepo
from flakesync.errors import FlakesyncError, GitError, NixError
from flakesync.nix.store.checked import check_nar
from flakesync.nix.store.narhash import sha256_of, sri
from flakesync.nix.store.zstd import unpacked
from flakesync.terms import Rev


def verify(layout: Layout, manifest: BundleManifest, places: Places, failures: ImportFailures) -> ImportedCounts:
    """Read all of a bundle; what is wrong is noted in `failures`.

    places: temporary repositories, for the commits. Sources and repos that need an earlier bundle which is not here are
    `unproven`: their digests are right.
    """
    new = rebuilt = there = unproven = 0
    for source in manifest.sources:
        if source.blob is not None:
            new += _is_whole(source, partial(_check_blob, layout, source, source.blob), failures)
        elif source.delta:  # that its blob is whole is all that is known without the source that it builds on
            unproven += _is_whole(source, partial(_read_blob, layout, source.delta.blob), failures)
        there += source.in_ is not None
    paths: dict[str, Path | None] = {}
    for repo in manifest.repos:
        try:
            if repo.blob is not None and lacking(places.existing(repo.name), repo):
                for _ in layout.blob(repo.blob):
                    pass
                paths[repo.name] = None
            elif repo.blob is not None:
                paths[repo.name] = path = places.made(repo)
                take_commits(layout, repo, path)
            else:
                paths[repo.name] = places.existing(repo.name)
        except FlakesyncError as error:
            _require_about_bundle(error)
            failures.of_repo(repo.name, error)
    for source in manifest.sources:
        if source.from_ is None:
            continue
        if source.from_.repo in failures.repos:
            failures.of_source(source, bad_blob(source.from_.rev, f"the commits of {source.from_.repo} are not there"))
        elif (found := paths.get(source.from_.repo)) is None:
            unproven += 1
        else:
            rebuilt += _is_whole(source, partial(_check_commit, source, source.from_, found), failures)
    return ImportedCounts(new=new + rebuilt, there=there, rebuilt=rebuilt, unproven=unproven)


def _is_whole(source: BundleSource, check: Callable[[], None], failures: ImportFailures) -> bool:
    """Tell whether a source passes a check; if not, why is noted."""
    try:
        check()
    except FlakesyncError as error:
        _require_about_bundle(error)
        failures.of_source(source, error)
        return False
    return True


def _check_blob(layout: Layout, source: BundleSource, digest: str) -> None:
    pieces = unpacked(layout.blob(digest))
    for _ in check_nar(pieces, size=source.nar_size or 0, nar_hash=source.nar_hash):
        pass


def _read_blob(layout: Layout, digest: str) -> None:
    for _ in layout.blob(digest):
        pass


def _check_commit(source: BundleSource, origin: SourceOfRepo, path: Path) -> None:
    digest = hashlib.sha256()
    try:
        for piece in tree_nar(path, Rev(origin.rev), origin.tree):
            digest.update(piece)
    except (GitError, NixError) as error:
        raise bad_blob(origin.rev, error.message) from None
    if digest.digest() != sha256_of(source.nar_hash):
        raise bad_blob(origin.rev, f"its tree has the narHash {sri(digest.digest())}, not {source.nar_hash}")


def _require_about_bundle(error: FlakesyncError) -> None:
    """Raise an error that is this machine's."""
    if error.code not in OF_THE_BUNDLE:
        raise error
