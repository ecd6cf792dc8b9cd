"""The manifest of a bundle that has come: all of it is checked before any of it is used."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from flakesync.bundle.layout.oci import DIGEST, Layer, bad_bundle
from flakesync.documents.airgap.manifest import BundleManifest, BundleRepo, BundleSource
from flakesync.errors import FlakesyncError, GitError
from flakesync.git.values import check_ref_name
from flakesync.nix.store.narhash import sha256_of
from flakesync.nix.store.store_path import source_path
from flakesync.workspace.values import NAME

_OID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_LONGEST_NAME = 100
_LARGEST_SOURCE_BYTES = 1 << 40


def read_manifest(data: bytes, layers: Mapping[str, Layer]) -> BundleManifest:
    """Return the manifest of a bundle. data: its config blob. layers: of its layout.

    Names of repos are names of files from here on, those of branches are names that git takes, commits are full, and
    each blob is one of the layout's.

    Raises: FlakesyncError(`bad-bundle`).
    """
    try:
        manifest = msgspec.json.decode(data, type=BundleManifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        _refuse_unknown_schema(data)
        raise bad_bundle(f"its manifest cannot be read: {error}") from None
    _require_all(DIGEST, manifest.base, "a base")
    _check_names([repo.name for repo in manifest.repos])
    for repo in manifest.repos:
        _check_repo(repo, layers)
    names = {repo.name for repo in manifest.repos}
    seen: set[bytes] = set()
    for source in manifest.sources:
        digest = _check_source(source, names, layers)
        if digest in seen:
            raise bad_bundle(f"its manifest has {source.nar_hash} twice")
        seen.add(digest)
    return manifest


def inputs_of(source: BundleSource) -> list[str]:
    """Return the inputs that a source is for, as people write them: `repo:flake#a/b`, each once."""
    return list(dict.fromkeys(f"{use.repo}:{use.flake}#{use.input}" for use in source.nodes))


def _refuse_unknown_schema(data: bytes) -> None:
    """Say so where it is the manifest of another version. Raises: FlakesyncError(`bad-bundle`)."""
    try:
        raw: Any = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return
    schema = raw.get("schema") if isinstance(raw, dict) else None
    if isinstance(schema, str) and schema != "flakesync/bundle/1":
        raise bad_bundle(
            f"its manifest is {schema[:100]!r}, which this flakesync does not know", hint="use a newer one"
        )


def _check_names(names: list[str]) -> None:
    for name in names:
        if not NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
            raise bad_bundle(f"its manifest has a repo called {name[:200]!r}, which is no name of a repo")
    # Two that a file system takes for one.
    if len({name.casefold() for name in names}) < len(names):
        again = next(name for place, name in enumerate(names) if name.casefold() in map(str.casefold, names[:place]))
        raise bad_bundle(f"its manifest has the repo {again!r} twice, or with other capitals")


def _check_repo(repo: BundleRepo, layers: Mapping[str, Layer]) -> None:
    what = f"the repo {repo.name}"
    for branch in repo.branches:
        try:
            check_ref_name(f"refs/heads/{branch.name}")
        except GitError as error:
            raise bad_bundle(f"{what}: {error.message}") from None
    _require_all(_OID, [each for branch in repo.branches for each in (branch.tip, branch.tree)], what)
    _require_all(_OID, repo.prerequisites, what)
    if len({branch.name for branch in repo.branches}) < len(repo.branches):
        raise bad_bundle(f"{what} has a branch twice")
    if len({len(branch.tip) for branch in repo.branches}) > 1:
        raise bad_bundle(f"{what} has commits of two kinds")
    if repo.blob is not None:
        _check_blob(repo.blob, repo.size, layers, what)


def _check_source(source: BundleSource, repos: set[str], layers: Mapping[str, Layer]) -> bytes:
    """Return the digest of its NAR."""
    digest = sha256_of(source.nar_hash)
    if digest is None or not source.nar_hash.startswith("sha256-"):
        raise bad_bundle(f"its manifest has a source with the narHash {source.nar_hash[:100]!r}")
    what = f"the source {source.nar_hash}"
    if source.store_path != source_path(source.nar_hash):
        raise bad_bundle(f"{what} has the store path {source.store_path[:200]!r}, which is not its own")
    if sum(way is not None for way in (source.blob, source.in_, source.from_, source.delta or None)) != 1:
        raise bad_bundle(f"{what} is in no blob, delta, base or repo, or in more than one")
    if source.nar_size is not None and not 0 < source.nar_size <= _LARGEST_SOURCE_BYTES:
        raise bad_bundle(f"{what} has {source.nar_size} bytes")
    if source.blob is not None:
        if source.nar_size is None or source.compression != "zstd":
            raise bad_bundle(f"{what} has no size, or no compression that is known")
        _check_blob(source.blob, source.size, layers, what)
    elif source.delta:
        if source.nar_size is None or sha256_of(source.delta.base) is None:
            raise bad_bundle(f"{what} has no size, or is a delta of {source.delta.base[:100]!r}")
        _check_blob(source.delta.blob, source.delta.size, layers, what)
    elif source.in_ is not None:
        _require_all(DIGEST, [source.in_], what)
    elif source.from_ is not None:
        if source.from_.repo not in repos:
            raise bad_bundle(f"{what} is of the repo {source.from_.repo[:100]!r}, which the bundle has not")
        _require_all(_OID, [source.from_.rev], what)
    return digest


def _check_blob(digest: str, size: int | None, layers: Mapping[str, Layer], what: str) -> None:
    layer = layers.get(digest)
    if layer is None or layer.size != size:
        raise bad_bundle(f"{what} has the blob {digest[:100]!r}, which the layout has not, or with another size")


def _require_all(form: re.Pattern[str], values: Iterable[str], what: str) -> None:
    for value in values:
        if not form.fullmatch(value):
            raise bad_bundle(f"{what} has {value[:100]!r}, which is no {'digest' if form is DIGEST else 'commit'}")


def missing_base(message: str, hint: str) -> FlakesyncError:
    """Return the error of a bundle that builds on what is not here."""
    return FlakesyncError("missing-base", message, hint=hint)
