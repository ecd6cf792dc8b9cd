"""Makes a bundle: every source that the locks of the chosen repos need, once, and the commits of the repos."""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

import flakesync
from flakesync.bundle.delta.earlier import BaseSources
from flakesync.bundle.delta.sending import Delta, Deltas
from flakesync.bundle.layout.oci import DELTA_TYPE, GIT_TYPE, NAR_TYPE, Layer
from flakesync.bundle.layout.writer import LayoutWriter
from flakesync.bundle.send.bases import Bases
from flakesync.bundle.send.cargo import Cargo, repo_failure
from flakesync.bundle.send.commits import NewCommits, bundle_pieces, new_commits, tree_ids
from flakesync.bundle.send.obtain import OfRepo, Sent, find_in_repos, obtain
from flakesync.bundle.send.wanted import Head, WantedSource, wanted_sources
from flakesync.bundle.send.ways import Ways
from flakesync.bundle.send.written import Written, WrittenBlobs, blobs_at, commits_key
from flakesync.documents.airgap.bundled import Bundled, BundledCounts, UnbundledSource
from flakesync.documents.airgap.manifest import BundleBranch, BundleManifest, BundleRepo, BundleSource, SourceDelta
from flakesync.errors import as_error
from flakesync.nix.store.store_path import source_path
from flakesync.secrets import hide_secrets
from flakesync.sync.schedule import run_ready
from flakesync.terms import RepoName, Rev

Found = Written | Delta | OfRepo | UnbundledSource | str
"""What becomes of a source: a blob, a delta, a commit, an error; text: the digest of the manifest that has it."""


class SendOptions(NamedTuple):
    """How a bundle is made.

    place: a folder, or a file that ends in .tar. bases: what the receiver has. jobs: sources at once. partial: it is
    finished though sources are missing. dry_run: nothing is downloaded or written.
    """

    place: Path
    bases: Bases
    jobs: int
    partial: bool = False
    dry_run: bool = False


def send(
    cargo: Cargo, failed: Sequence[UnbundledSource], ways: Ways, options: SendOptions, note: Callable[[str], None]
) -> Bundled:
    """Make the bundle, or go on with it, and return what is in it. failed: repos that could not be read.

    note: is told of each source that is done. Where anything failed the bundle stays unfinished, unless `partial`.

    Raises: FlakesyncError: the bundle cannot be written; OSError.
    """
    wanted, unlocked = wanted_sources(head for heads in cargo.heads.values() for head in heads)
    bases = options.bases
    repos, broken = _commits(cargo, bases)
    sent = {name: _sent(cargo.heads[name], new, bases.tips.get(name, ())) for name, new in repos.items()}
    failures = [*failed, *unlocked, *broken]
    if options.dry_run:
        there = blobs_at(options.place)
        found = {
            source.nar_hash: bases.sources.get(source.nar_hash)
            or find_in_repos(source, cargo.owners, sent)
            or there.get(source.nar_hash)
            for source in wanted
        }
        size = sum(each.size for each in found.values() if isinstance(each, Written))
        return _outcome(options, found, None, size, repos, failures)
    with LayoutWriter(options.place) as writer:
        written = WrittenBlobs(writer)
        deltas = Deltas(BaseSources(cargo.heads, bases), bases, ways, writer, written)

        def work(source: WantedSource) -> Found:
            known = bases.sources.get(source.nar_hash) or find_in_repos(source, cargo.owners, sent)
            if (done := known or deltas.there(source)) is not None:
                return done
            whole = obtain(source, ways, writer, written)
            return deltas.smaller(source, whole) if isinstance(whole, Written) else whole

        results = _each(wanted, work, options.jobs, note)
        failures += [each for each in results.values() if isinstance(each, UnbundledSource)]
        bundles = {name: _write_commits(cargo.heads[name][0].state.clone, new, writer, written)
                   for name, new in repos.items() if not new.is_empty}  # fmt: skip
        layers = [Layer(NAR_TYPE, each.digest, each.size) for each in results.values() if isinstance(each, Written)]
        layers += [Layer(DELTA_TYPE, each.blob.digest, each.blob.size)
                   for each in results.values() if isinstance(each, Delta)]  # fmt: skip
        layers += [Layer(GIT_TYPE, each.digest, each.size) for each in bundles.values()]
        size = sum(layer.size for layer in layers)
        if failures and not options.partial:
            return _outcome(options, results, None, size, repos, failures)
        described = [_repo(name, cargo.heads[name], new, bundles.get(name)) for name, new in repos.items()]
        manifest = BundleManifest(
            workspace=cargo.workspace,
            flakesync=flakesync.__version__,
            base=list(bases.digests),
            repos=sorted(described, key=lambda repo: repo.name),
            sources=[_source(source, results[source.nar_hash]) for source in wanted
                     if not isinstance(results[source.nar_hash], UnbundledSource)],
        )  # fmt: skip
        config = msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"
        digest = writer.finish(config, sorted(set(layers)))
        _write_copy(manifest_copy(options.place), config)
    return _outcome(options, results, digest, size + len(config), repos, failures)


def manifest_copy(place: Path) -> Path:
    """Return where the copy of a bundle's manifest lies: beside it, for the `--base` of the next one."""
    whole = place.absolute()
    return whole.with_name(f"{whole.name.removesuffix('.tar')}.json")


def _write_copy(place: Path, config: bytes) -> None:
    """Put a file in its place in one step; what a killed run leaves of it the next one writes over. Raises: OSError."""
    part = place.with_name(f".{place.name}.part")
    with part.open("wb") as file:
        file.write(config)
        file.flush()
        os.fsync(file.fileno())
    part.replace(place)


def _commits(cargo: Cargo, bases: Bases) -> tuple[dict[RepoName, NewCommits], list[UnbundledSource]]:
    found: dict[RepoName, NewCommits] = {}
    failed: list[UnbundledSource] = []
    for name, heads in cargo.heads.items():
        try:
            branches = {head.branch: head.tip for head in heads}
            found[name] = new_commits(heads[0].state.clone, branches, bases.tips.get(name, frozenset()))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this repo's
            failed.append(repo_failure(name, as_error(error)))
    return found, failed


def _sent(heads: Sequence[Head], new: NewCommits, known: Collection[Rev]) -> Sent:
    return Sent(heads[0], frozenset({*new.refs.values(), *known}))


def _each(
    wanted: Sequence[WantedSource], work: Callable[[WantedSource], Found], jobs: int, note: Callable[[str], None]
) -> dict[str, Found]:
    """Return what becomes of each source, by narHash, `jobs` at once; any error but of the bundle itself is its own."""
    by_hash = {source.nar_hash: source for source in wanted}
    results: dict[str, Found] = {}

    def finished(nar_hash: str, result: Found) -> None:
        results[nar_hash] = result
        if isinstance(result, Written | Delta):
            blob = result.blob if isinstance(result, Delta) else result
            inputs = by_hash[nar_hash].inputs
            more = f" and {len(inputs) - 1} more" if len(inputs) > 1 else ""
            note(f"[{len(results)}/{len(wanted)}] {inputs[0]}{more}  {blob.size} bytes")

    run_ready(
        list(by_hash), {hash: frozenset() for hash in by_hash}, lambda hash: work(by_hash[hash]), finished,
        jobs=jobs,
    )  # fmt: skip
    return {hash: results[hash] for hash in by_hash}


def _write_commits(clone: Path, new: NewCommits, writer: LayoutWriter, written: WrittenBlobs) -> Written:
    key = commits_key(dict(new.refs), new.prerequisites)
    if (there := written.find(key)) is not None:
        return there
    digest, size = writer.add(GIT_TYPE, bundle_pieces(clone, new))
    blob = Written(key, digest, size)
    written.note(blob)
    return blob


def _repo(name: RepoName, heads: Sequence[Head], new: NewCommits, blob: Written | None) -> BundleRepo:
    state = heads[0].state
    trees = tree_ids(state.clone, [head.tip for head in heads])
    branches = [
        BundleBranch(name=head.branch, tip=head.tip, tree=trees[head.tip], update=head.state.updated) for head in heads
    ]
    return BundleRepo(
        name=name,
        url=hide_secrets(state.repo.url.to_url()) if state.repo.url is not None else None,
        flakes=list(state.repo.flakes),
        branches=sorted(branches, key=lambda branch: branch.name),
        prerequisites=list(new.prerequisites) if blob is not None else [],
        blob=blob.digest if blob is not None else None,
        size=blob.size if blob is not None else None,
    )


def _source(source: WantedSource, found: Found) -> BundleSource:
    uses = sorted(source.uses, key=lambda use: (use.repo, use.branch, use.flake, use.input))
    path = source_path(source.nar_hash)
    match found:
        case Written():
            return BundleSource(
                nar_hash=source.nar_hash, nar_size=found.nar_size, store_path=path, nodes=uses,
                blob=found.digest, size=found.size, compression="zstd",
            )  # fmt: skip
        case Delta(base, blob):
            return BundleSource(
                nar_hash=source.nar_hash, nar_size=blob.nar_size, store_path=path, nodes=uses,
                delta=SourceDelta(base=base, blob=blob.digest, size=blob.size),
            )  # fmt: skip
        case OfRepo():
            return BundleSource(
                nar_hash=source.nar_hash, nar_size=found.nar_size, store_path=path, nodes=uses, from_=found.source
            )
        case _:
            return BundleSource(nar_hash=source.nar_hash, nar_size=None, store_path=path, nodes=uses, in_=str(found))


def _outcome(
    options: SendOptions,
    results: Mapping[str, Found | None],
    digest: str | None,
    size: int,
    repos: Mapping[RepoName, NewCommits],
    failures: Sequence[UnbundledSource],
) -> Bundled:
    kinds = [type(each) for each in results.values()]
    counts = BundledCounts(
        new=kinds.count(Written) + kinds.count(Delta) + kinds.count(type(None)),
        in_base=kinds.count(str),
        from_repos=kinds.count(OfRepo),
    )
    order = sorted(failures, key=lambda each: (each.code, each.inputs))
    return Bundled(digest=digest, path=str(options.place), sources=counts, repos=len(repos), bytes=size, failed=order)
