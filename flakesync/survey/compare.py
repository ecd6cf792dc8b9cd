"""Asks what upstreams have changed since the commits that are locked: locks alone, or more."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

import msgspec

from flakesync.survey.graph import Edge
from flakesync.survey.pins import is_at
from flakesync.survey.survey import Survey, answer_for
from flakesync.terms import RepoName, Rev
from flakesync.workspace.differences import DifferenceReader, Differences, KeptDifferences
from flakesync.workspace.snapshot import RepoAtCommit


def compare_upstreams(survey: Survey, kept: KeptDifferences, *, into: RepoName | None = None) -> Survey:
    """Return the survey with what it has to know of its upstreams' commits.

    kept: what earlier runs have found, which is added to. into: only what concerns this dependent, whose upstreams are
    taken as they are.
    """
    edges = [edge for edge in survey.graph.edges if into in (None, edge.dependent)]
    pairs = sorted(set(_behind(survey, edges)))
    reader = DifferenceReader(survey.snapshot, kept)
    lock_only = reader.lock_only(pairs)
    commits = {(name, tip) for name, old, tip in pairs if (old, tip) in lock_only}
    if into is None:
        commits |= set(_updatable(survey, edges))
    written = reader.written(sorted(set(_behind(survey, _backward(survey, edges)))))
    found = Differences(lock_only, reader.readers(sorted(commits)), written)
    kept.write()
    return msgspec.structs.replace(survey, differences=found)


def _backward(survey: Survey, edges: Iterable[Edge]) -> Iterator[Edge]:
    """Yield the edges on which files that an upstream's commands write count as little as its locks do."""
    for edge in edges:
        if survey.snapshot.states[edge.upstream].repo.after and survey.graph.is_back_edge(edge):
            yield edge


def _behind(survey: Survey, edges: Iterable[Edge]) -> Iterator[tuple[RepoName, Rev, Rev]]:
    """Yield the commits to compare: those that inputs are behind by, each with its upstream."""
    for edge in edges:
        answer, rev = answer_for(survey, edge), edge.locked_rev
        if edge.follows is not None or edge.fixed or answer is None or rev is None or answer.tip is None:
            continue
        if answer.position == "behind":
            yield edge.upstream, rev, answer.tip


def _updatable(survey: Survey, edges: Iterable[Edge]) -> Iterator[tuple[RepoName, Rev]]:
    """Yield the bases of the upstreams that may be updated: something of theirs moves, or what they take may."""
    below: dict[RepoName, set[RepoName]] = defaultdict(set)
    for edge in edges:
        if edge.kind == "flake" and edge.follows is None:
            below[edge.upstream].add(edge.dependent)
    todo = list(_moving(survey, edges))
    seen: set[RepoName] = set()
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        todo += below.get(name, ())
        state = survey.snapshot.states[name]
        if name in below and isinstance(state, RepoAtCommit):
            yield name, state.rev


def _moving(survey: Survey, edges: Iterable[Edge]) -> Iterator[RepoName]:
    """Yield the repos that have an input which is not where it should be."""
    for item in survey.governed:
        target = survey.target_of(item)
        if target is not None and not is_at(item.locked, target):
            yield item.repo
    for edge in edges:
        answer = answer_for(survey, edge)
        if answer is not None and answer.position != "at":
            yield edge.dependent
    if survey.external:
        yield from survey.snapshot.states
