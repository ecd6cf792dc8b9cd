"""Why an input moves, waits, is held or stays: the chain from the pin or the upstream's commit to it, as values.

A pure function of the survey and of the plan that was made of it; how it is told is the business of reports.
"""

from collections.abc import Iterable, Iterator

import msgspec

from flakesync.analysis.cooldown import proof_of, why_none
from flakesync.analysis.inert import flake_dir_of
from flakesync.analysis.moves import Change, Held, Inert, Plan, ToFlakeNix, ToRev, ToUpdate
from flakesync.documents.why import Fate, ReasonDocument, WhyDocument
from flakesync.survey.graph import Edge
from flakesync.survey.pins import PinnedInput
from flakesync.survey.survey import Survey
from flakesync.terms import FlakeDir, InputPath, PinName, RepoName, Rev, show_path


class Reason(msgspec.Struct, frozen=True):
    """Why one input does what it does.

    to: the commit that it goes to; None: it stays, or the commit is the upstream's update. pin: the one that governs
    it; upstream: the repo of the workspace that it is; both None: neither. reason: a phrase for people, as in the plan.
    moved: inputs of the upstream that moved, for `inert`. reaches: those of them that are why it moves. because: for
    `waits`, why these inputs of the upstream move; it ends at pins, at commits of upstreams and at external sources.
    """

    repo: RepoName
    flake: FlakeDir
    input: InputPath
    fate: Fate
    reason: str
    locked: Rev | None = None
    to: Rev | None = None
    pin: PinName | None = None
    upstream: RepoName | None = None
    moved: tuple[InputPath, ...] = ()
    reaches: tuple[InputPath, ...] = ()
    because: tuple["Reason", ...] = ()


def why(survey: Survey, plan: Plan, repo: RepoName, input: InputPath | None = None) -> tuple[Reason, ...]:
    """Return the reason of each input of a repo that is a pin's or a repo of the workspace, or that the plan names.

    input: only those at this path, in whichever flake of the repo. Sorted by flake and input; empty: there is none.
    """
    found = {(each.flake, each.input): each for each in _all(survey, plan, repo)}
    return tuple(each for key, each in sorted(found.items()) if input is None or key[1] == input)


def _all(survey: Survey, plan: Plan, repo: RepoName) -> Iterator[Reason]:
    """Yield the reasons; of two for one input the later one counts."""
    for item in survey.governed:
        if item.repo == repo:
            yield _in_step(survey, item)
    for edge in survey.graph.edges:
        if edge.dependent == repo and edge.input not in survey.governed_in(repo, edge.flake):
            yield _edge_in_step(edge)
    for inert in plan.inert:
        if inert.repo == repo:
            yield _inert(inert)
    for held in (*plan.deferred, *plan.held):
        if held.repo == repo:
            yield _held(survey, held)
    for change in dict(plan.changes()).get(repo, ()):
        yield _change(survey, plan, change)
    for held in plan.on_hold:
        if held.repo == repo:
            yield _held(survey, held)


def _in_step(survey: Survey, item: PinnedInput) -> Reason:
    target = survey.target_of(item)
    proof = proof_of(target, item.pin.conditions) if target is not None else why_none(survey, item.pin.name)
    reason = item.through or ", ".join(filter(None, (f"at pin {item.pin.name}", proof)))
    return Reason(item.repo, item.flake, item.input, "in-step", reason, item.locked_rev, pin=item.pin.name)


def _edge_in_step(edge: Edge) -> Reason:
    reason = f"at the tip of {edge.upstream}" if edge.follows is None else f"follows {'/'.join(edge.follows)}"
    return Reason(edge.dependent, edge.flake, edge.input, "in-step", reason, edge.locked_rev, upstream=edge.upstream)


def _inert(inert: Inert) -> Reason:
    words = {
        "content": f"nothing that {inert.upstream} moved since reaches it",
        "cycle": "it runs backwards in a cycle, and only locks changed",
        "self": "it is the repo itself, and only locks changed",
    }
    return Reason(
        inert.repo,
        inert.flake,
        inert.input,
        "inert",
        words[inert.rule],
        inert.locked,
        upstream=inert.upstream,
        moved=inert.moved,
    )


def _held(survey: Survey, held: Held) -> Reason:
    edges = survey.edges_into(held.repo, held.flake)
    upstream = next((edge.upstream for edge in edges if edge.input == held.input), None)
    item = survey.governed_in(held.repo, held.flake).get(held.input)
    pin = item.pin.name if item is not None else None
    return Reason(held.repo, held.flake, held.input, "held", held.reason, held.rev, pin=pin, upstream=upstream)


def _change(survey: Survey, plan: Plan, change: Change) -> Reason:
    match change.to:
        case ToRev(upstream=upstream):
            fate: Fate = "moves"
            because: tuple[Reason, ...] = ()
        case ToFlakeNix(upstream=upstream):
            fate, because = "moves", ()
        case ToUpdate(upstream=upstream):
            fate = "waits"
            because = tuple(_below(survey, plan, change, upstream))
    return Reason(
        change.repo,
        change.flake,
        change.input,
        fate,
        change.why,
        change.from_rev,
        change.to.rev if isinstance(change.to, ToRev) else None,
        change.pin,
        upstream,
        reaches=change.reaches,
        because=because,
    )


def _below(survey: Survey, plan: Plan, change: Change, upstream: RepoName) -> Iterator[Reason]:
    """Yield why the upstream's inputs move that reach this one; where they are not known, all that move."""
    edges = survey.edges_into(change.repo, change.flake)
    dir = next((flake_dir_of(edge) for edge in edges if edge.input == change.input), None)
    for other in dict(plan.changes()).get(upstream, ()):
        # Each wave takes updates of earlier ones alone, so this ends.
        if other.flake == dir and (not change.reaches or other.input in change.reaches):
            yield _change(survey, plan, other)


def why_document(plan: Plan, repo: RepoName, reasons: Iterable[Reason]) -> WhyDocument:
    """Return the JSON form of reasons, with why the repo or a flake of it cannot be planned."""
    problems = [plan.problems[repo].message] if repo in plan.problems else []
    problems += [detail for (name, _), detail in sorted(plan.unusable.items()) if name == repo]
    return WhyDocument(repo=repo, reasons=[_reason_document(each) for each in reasons], problems=problems)


def _reason_document(reason: Reason) -> ReasonDocument:
    return ReasonDocument(
        repo=reason.repo,
        flake=reason.flake,
        input=show_path(reason.input),
        fate=reason.fate,
        reason=reason.reason,
        locked_rev=reason.locked,
        to_rev=reason.to,
        pin=reason.pin,
        upstream=reason.upstream,
        moved=[show_path(path) for path in reason.moved],
        reaches=[show_path(path) for path in reason.reaches],
        because=[_reason_document(each) for each in reason.because],
    )
