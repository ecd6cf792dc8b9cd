"""Which source that the receiver has a new one is most like: that of the same input, or repository, in an older lock.

A narHash says nothing of where it is from. Locks do: those of the commits that the receiver's branches are at, which
the clones of the workspace have.
"""

from collections.abc import Iterator, Mapping, Sequence

from flakesync.bundle.send.bases import Bases
from flakesync.bundle.send.wanted import Head, WantedSource, wanted_sources
from flakesync.errors import FlakesyncError
from flakesync.git.store.objects import ObjectReader
from flakesync.nix.lock.file import LockFile
from flakesync.nix.reference.flakeref import identity_of
from flakesync.terms import RepoName, Rev
from flakesync.workspace.snapshot import FlakeState


class BaseSources:
    """The sources of the locks that the receiver has."""

    def __init__(self, heads: Mapping[RepoName, Sequence[Head]], bases: Bases) -> None:
        """heads: what is sent; older commits of the same repos are looked for."""
        old = [each for name, own in heads.items() for each in _older(own[0], bases.tips.get(name, frozenset()))]
        found, _ = wanted_sources(old)
        self._inputs = bases.inputs
        self._by_identity: dict[object, list[WantedSource]] = {}
        self._by_use: dict[tuple[str, str, str], list[WantedSource]] = {}
        for source in found:
            if source.nar_hash not in bases.sources:
                continue
            for identity in _identities(source):
                self._by_identity.setdefault(identity, []).append(source)
            for use in _uses(source):
                self._by_use.setdefault(use, []).append(source)

    def of(self, source: WantedSource) -> WantedSource | None:
        """Return the one that a new source is most like, the same one each time; None: there is none."""
        same_repo = {each.nar_hash: each for key in _identities(source) for each in self._by_identity.get(key, ())}
        same_use = {each.nar_hash: each for key in _uses(source) for each in self._by_use.get(key, ())}
        both = sorted(same_repo.keys() & same_use.keys())
        hashes = both or sorted(same_repo) or sorted(same_use)
        if not hashes:  # the commit that had the lock may be gone, as of an update branch that was replaced
            named = [self._inputs[key] for key in _uses(source) if key in self._inputs]
            return WantedSource(min(named)) if named else None
        wanted = _newest(source)
        known = {**same_use, **same_repo}
        return min((known[hash] for hash in hashes), key=lambda each: (abs(_newest(each) - wanted), each.nar_hash))


def _older(head: Head, tips: frozenset[Rev]) -> Iterator[Head]:
    """Give a repo as it was at the commits that the receiver has; what cannot be read is left out."""
    for tip in sorted(tips):
        try:
            reader = ObjectReader.open(head.state.clone)
            if not reader.has(tip):
                continue
            flakes: list[FlakeState] = []
            for flake in head.flakes:
                data = reader.read(tip, "flake.lock" if flake.dir == "." else f"{flake.dir}/flake.lock")
                if data is not None:
                    flakes.append(FlakeState(flake.dir, LockFile.parse(data)))
        except FlakesyncError:
            continue
        yield Head(head.state, head.branch, tip, tuple(flakes))


def _identities(source: WantedSource) -> list[object]:
    found = [identity_of(attrs) for attrs, _ in source.places.values()]
    return [identity for identity in found if identity is not None]


def _uses(source: WantedSource) -> list[tuple[str, str, str]]:
    return [(use.repo, use.flake, use.input) for use in source.uses]


def _newest(source: WantedSource) -> int:
    """Return the time that a lock notes for a source, in seconds; 0: none does."""
    times = [attrs.get("lastModified", 0) for attrs, _ in source.places.values()]
    return max((time for time in times if isinstance(time, int)), default=0)
