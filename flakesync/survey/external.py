"""Inputs that are neither pinned nor repos of the workspace: `external` in the manifest says what becomes of them."""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet

from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.nix.reference.source import resolved
from flakesync.survey.graph import RepoGraph
from flakesync.survey.newest import Prove, newest_locked
from flakesync.survey.pins import PinnedInput, Target
from flakesync.terms import FlakeDir, InputPath, RepoName
from flakesync.workspace.inputs import OwnInput, Source
from flakesync.workspace.snapshot import FlakeState, Snapshot

MOVABLE = ("git", "github", "gitlab", "sourcehut")
"""Types of references whose newest commit git can tell."""


def external_inputs(flake: FlakeState, known: AbstractSet[InputPath]) -> Iterator[OwnInput]:
    """Give the root inputs of a flake that are not among `known` (pinned, or repos), and may move."""
    return (item for item in flake.inputs if item.path not in known and not item.fixed)


def external_sources(snapshot: Snapshot, graph: RepoGraph, governed: Iterable[PinnedInput]) -> dict[Source, FlakeRef]:
    """Return the sources that `external` moves, each with the reference to ask its server for."""
    if snapshot.workspace.external == "hold":
        return {}
    known: dict[tuple[RepoName, FlakeDir], set[InputPath]] = {}
    for edge in graph.edges:
        known.setdefault((edge.dependent, edge.flake), set()).add(edge.input)
    for pinned in governed:
        known.setdefault((pinned.repo, pinned.flake), set()).add(pinned.input)
    found: dict[Source, FlakeRef] = {}
    for state in snapshot.states.values():
        for flake in state.flakes:
            for item in external_inputs(flake, known.get((state.name, flake.dir), set())):
                if item.source is not None and item.source not in found and _can_be_asked(item):
                    found[item.source] = FlakeRef.from_attrs(resolved(item.original, item.locked))
    return found


def external_targets(
    snapshot: Snapshot,
    sources: Mapping[Source, FlakeRef],
    answers: Mapping[Source, Target] | None,
    *,
    now: int,
    prove: Prove,
) -> Mapping[Source, Target]:
    """Return where each external source goes. answers: what servers said; None: the newest commit in any lock.

    now, prove: as for `newest_locked`.
    """
    if answers is None or snapshot.workspace.external == "newest-locked":
        return newest_locked(snapshot, sources, now=now, prove=prove)
    return answers


def _can_be_asked(item: OwnInput) -> bool:
    """Tell whether a server can name the newest commit: of an archive only if it has named one before."""
    kind = resolved(item.original, item.locked).get("type")
    return kind in MOVABLE or (kind == "tarball" and item.rev is not None)
