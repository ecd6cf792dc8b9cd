"""One source: made of commits that are sent, or put into the bundle by the first way whose bytes are proven."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from flakesync.bundle.layout.oci import NAR_TYPE
from flakesync.bundle.layout.writer import LayoutWriter
from flakesync.bundle.send.by_git import has_commit, tree_nar, trees_of
from flakesync.bundle.send.wanted import Head, WantedSource
from flakesync.bundle.send.way import DiffersError, Proven, Way
from flakesync.bundle.send.ways import Ways
from flakesync.bundle.send.written import Written, WrittenBlobs
from flakesync.documents.airgap.bundled import UnbundledSource
from flakesync.documents.airgap.manifest import SourceOfRepo
from flakesync.errors import FlakesyncError, as_error
from flakesync.git.repository import Repository
from flakesync.nix.reference.flakeref import Identity, identity_of, is_full_rev
from flakesync.nix.store.zstd import packed
from flakesync.terms import RepoName, Rev


class OfRepo(NamedTuple):
    """A source that the receiver makes of a commit. nar_size: bytes."""

    source: SourceOfRepo
    nar_size: int


class Sent(NamedTuple):
    """A repo whose commits are sent. tips: those that the receiver has afterwards, and all before them."""

    head: Head
    tips: frozenset[Rev]


def find_in_repos(
    source: WantedSource, owners: Mapping[Identity, RepoName], sent: Mapping[RepoName, Sent]
) -> OfRepo | None:
    """Return the commit of a sent repo that a source is made of, as proven here; None: it has to be sent itself.

    owners: which repo an identity means. The commit has to be one that the receiver has: the same rev may be elsewhere
    in the clone.
    """
    for attrs, _ in source.places.values():
        rev, identity = attrs.get("rev"), identity_of(attrs)
        repo = sent.get(owners[identity]) if identity is not None and identity in owners else None
        if repo is None or not isinstance(rev, str) or not is_full_rev(rev) or attrs.get("submodules"):
            continue
        found = _tree_in(repo, Rev(rev), source.nar_hash)
        if found is not None:
            return found
    return None


def _tree_in(repo: Sent, rev: Rev, nar_hash: str) -> OfRepo | None:
    clone, name = repo.head.state.clone, repo.head.state.name
    if not has_commit(clone, rev):
        return None
    try:
        with Repository.open(clone) as opened:
            tips = [tip for tip in repo.tips if opened.has(tip)]
            if not any(opened.history.is_ancestor(rev, tip) for tip in tips):
                return None
        for tree in trees_of(clone, rev):
            proven = Proven(nar_hash)
            try:
                for _ in proven.through(tree_nar(clone, rev, tree)):
                    pass
            except DiffersError:
                continue
            return OfRepo(SourceOfRepo(repo=name, rev=rev, tree=tree), proven.size)
    except FlakesyncError as error:
        if error.code == "interrupted":
            raise
    return None


def obtain(source: WantedSource, ways: Ways, writer: LayoutWriter, written: WrittenBlobs) -> Written | UnbundledSource:
    """Put a source into the bundle, unless it is there; a way whose narHash is another one leaves nothing behind.

    Raises: OSError: the bundle cannot be written; FlakesyncError(`interrupted`).
    """
    if (there := written.find(source.nar_hash)) is not None:
        return there
    tried: list[str] = []
    others: dict[str, str] = {}
    for way in _guarded(ways.to(source), tried):
        proven = Proven(source.nar_hash)
        try:
            digest, size = writer.add(NAR_TYPE, packed(proven.through(way.nar())))
        except DiffersError as error:
            others[error.nar_hash] = way.name
            continue
        except FlakesyncError as error:
            if error.code.endswith("interrupted"):
                raise
            tried.append(f"{way.name}: {error.message}")
            continue
        blob = Written(source.nar_hash, digest, size, proven.size)
        written.note(blob)
        return blob
    return _not_obtained(source, tried, others)


def _guarded(ways: Iterator[Way], tried: list[str]) -> Iterator[Way]:
    """Give ways; what nobody foresaw in finding the next one ends them, and is this source's alone."""
    while True:
        try:
            way = next(ways, None)
        except Exception as error:  # noqa: BLE001 - locks are other people's
            tried.append(as_error(error).message)
            return
        if way is None:
            return
        yield way


def _not_obtained(source: WantedSource, tried: list[str], others: dict[str, str]) -> UnbundledSource:
    inputs = source.inputs
    named = inputs[0] if len(inputs) == 1 else f"{inputs[0]} and {len(inputs) - 1} more"
    if others:
        got = ", ".join(f"{way} gives {hash}" for hash, way in others.items())
        return UnbundledSource(
            nar_hash=source.nar_hash,
            inputs=inputs,
            code="source-differs",
            message=f"{named}: the lock says {source.nar_hash}, but {got}" + _also(tried),
            hint="its server has replaced what it had, or the lock was tampered with: look at both, then lock it again",
        )
    return UnbundledSource(
        nar_hash=source.nar_hash,
        inputs=inputs,
        code="source-missing",
        message=f"{named}: no way gives its source {source.nar_hash}" + _also(tried or ["there is none to try"]),
        hint="make one of these ways work, or send the others with --partial",
    )


def _also(tried: list[str]) -> str:
    return "".join(f"; {each}" for each in dict.fromkeys(tried))
