"""All that drift and plan are decided on, gathered in one value."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import msgspec

from flakesync.nix.lock.file import LockFile
from flakesync.nix.reference.flakeref import Identity
from flakesync.survey.decisions import Decisions
from flakesync.survey.graph import Edge, RepoGraph, repo_by_identity
from flakesync.survey.held.check_holds import CheckHold
from flakesync.survey.pins import PinnedInput, Target, pin_source
from flakesync.terms import FlakeDir, InputPath, PinName, RepoName, Rev
from flakesync.workspace.differences import Differences
from flakesync.workspace.history import Answer, History, Question
from flakesync.workspace.inputs import Source
from flakesync.workspace.snapshot import Snapshot


class Survey(msgspec.Struct, frozen=True, dict=True):
    """All that drift and plan are decided on.

    targets: of each pin, as far as known. external: of the sources that are neither pinned nor repos, where the
    manifest moves them. history: the answers to `questions`. now: seconds since the epoch. differences: whether
    upstreams have moved in more than locks. decisions: on branches whose newest commit has to be proven.
    check_holds: of repos whose update branches have some that still count.
    """

    snapshot: Snapshot
    graph: RepoGraph
    governed: tuple[PinnedInput, ...]
    targets: Mapping[PinName, Target]
    history: History
    now: int
    external: Mapping[Source, Target] = msgspec.field(default_factory=dict)
    differences: Differences = Differences()
    decisions: Decisions = Decisions()
    check_holds: Mapping[RepoName, Sequence[CheckHold]] = msgspec.field(default_factory=dict)

    def target_of(self, item: PinnedInput) -> Target | None:
        """Return where a governed input should be; None: that is not known, or no commit may be taken yet."""
        return self.target_in(item.repo, item.pin.name)

    def target_in(self, repo: RepoName, pin: PinName) -> Target | None:
        """Return where the inputs of a pin should be in one repo; None: as of `target_of`."""
        return self.decisions.kept.get((repo, pin)) or self.targets.get(pin)

    @cached_property
    def undecided(self) -> frozenset[RepoName]:
        """The repos with inputs that could not be decided on: nobody knows whether they should move."""
        pins = {name for name, decision in self.decisions.pins.items() if decision.error is not None}
        sources = {source for source, decision in self.decisions.sources.items() if decision.error is not None}
        found = {item.repo for item in self.governed if item.pin.name in pins}
        for state in self.snapshot.states.values() if sources else ():
            if any(item.source in sources for flake in state.flakes for item in flake.inputs):
                found.add(state.name)
        return frozenset(found)

    @cached_property
    def pin_sources(self) -> frozenset[Source]:
        """The sources of all pins."""
        return frozenset(pin_source(pin) for pin in self.snapshot.workspace.pins)

    @cached_property
    def pinned(self) -> frozenset[Identity]:
        """The repositories that pins are of."""
        return frozenset(identity for identity, _ in self.pin_sources)

    @cached_property
    def external_repositories(self) -> frozenset[Identity]:
        """The repositories of the sources that `external` moves."""
        return frozenset(identity for identity, _ in self.external)

    @cached_property
    def target_revs(self) -> frozenset[Rev]:
        """The commits that some pin wants."""
        return frozenset(target.rev for target in self.targets.values())

    @cached_property
    def owners(self) -> Mapping[Identity, RepoName]:
        """Which repo each known identity is."""
        return repo_by_identity(self.snapshot)

    @cached_property
    def governed_by_flake(self) -> Mapping[tuple[RepoName, FlakeDir], Mapping[InputPath, PinnedInput]]:
        """The governed inputs of each flake that has any."""
        found: dict[tuple[RepoName, FlakeDir], dict[InputPath, PinnedInput]] = defaultdict(dict)
        for item in self.governed:
            found[item.repo, item.flake][item.input] = item
        return found

    @cached_property
    def locks(self) -> Mapping[tuple[str, FlakeDir], LockFile]:
        """The lock of each flake that has a usable one."""
        return {
            (state.name, flake.dir): flake.lock
            for state in self.snapshot.states.values()
            for flake in state.flakes
            if flake.lock is not None
        }

    @cached_property
    def edges_by_flake(self) -> Mapping[tuple[RepoName, FlakeDir], Sequence[Edge]]:
        """The edges that end in each flake that has any."""
        found: dict[tuple[RepoName, FlakeDir], list[Edge]] = defaultdict(list)
        for edge in self.graph.edges:
            found[edge.dependent, edge.flake].append(edge)
        return found

    def governed_in(self, repo: RepoName, flake: FlakeDir) -> Mapping[InputPath, PinnedInput]:
        """Return the governed inputs of one flake by their path."""
        return self.governed_by_flake.get((repo, flake), {})

    def edges_into(self, repo: RepoName, flake: FlakeDir) -> Sequence[Edge]:
        """Return the edges that end in one flake."""
        return self.edges_by_flake.get((repo, flake), ())


def questions(graph: RepoGraph, *, into: RepoName | None = None) -> Iterator[Question]:
    """Yield what has to be known of the upstreams' histories: one question for each edge that could move.

    into: only those of this dependent.
    """
    for edge in graph.edges:
        rev = edge.locked_rev
        if rev is not None and edge.follows is None and not edge.fixed and into in (None, edge.dependent):
            yield edge.upstream, edge.branch, rev


def answer_for(survey: Survey, edge: Edge) -> Answer | None:
    """Return where an edge's locked commit stands; None where it has no commit or was not asked about."""
    rev = edge.locked_rev
    return survey.history.get((edge.upstream, edge.branch, rev)) if rev is not None else None
