"""Whether an edge whose upstream has moved, or is updated in this run, moves too: content propagates, noise does not.

The one place where this is decided: drift, plan, status and landing ask here. docs/propagate.md says what it means.
"""

import posixpath
from typing import Literal

import msgspec

from flakesync.analysis.moves import Inert
from flakesync.analysis.reaches import NOTHING_PLANNED, Planned, Reach, ReachQuestion, reach, reach_unread
from flakesync.documents.plan import InertDocument, InertRule
from flakesync.survey.external import MOVABLE
from flakesync.survey.graph import Edge
from flakesync.survey.survey import Survey, answer_for
from flakesync.terms import FlakeDir, InputPath, RepoName, flake_file, show_path
from flakesync.workspace.differences import LockDifference
from flakesync.workspace.history import Answer

_UNKNOWN = Reach((), ((),))
"""What cannot be read counts as moved, and as reached."""
_NOTHING = Reach((), ())
_SAME = LockDifference(None, None)
"""The lock of a flake whose lock is not among the files that differ."""


class Verdict(msgspec.Struct, frozen=True):
    """What becomes of an edge whose locked commit is on the branch that it tracks.

    to: the upstream's update of this run, the tip of the branch, or None: it stays. rule: why it stays although the
    upstream has moved; None: the upstream has not, or it does not stay. moved: the upstream's inputs that moved; of a
    move in more than locks they are not known. reaches: those of them that are why the edge moves. reads: where the
    upstream reads its own lock, which is why it moves.
    """

    to: Literal["update", "tip"] | None
    rule: InertRule | None = None
    moved: tuple[InputPath, ...] = ()
    reaches: tuple[InputPath, ...] = ()
    reads: str | None = None


def flake_dir_of(edge: Edge) -> FlakeDir:
    """Return the folder of the flake that an edge takes, in its upstream."""
    dir = edge.locked.get("dir") or edge.original.get("dir")
    if not dir:
        return FlakeDir(".")
    return FlakeDir(posixpath.normpath(str(dir)).strip("/") or ".")


def judge(survey: Survey, edge: Edge, answer: Answer, planned: Planned | None = None) -> Verdict:
    """Decide on an edge whose locked commit is `at` the tip of its branch or `behind` it.

    planned: what the upstream's update of this run moves in the flake that the edge takes, where that update is on the
    branch that the edge tracks; None: there is no such update.
    """
    behind = answer.position == "behind"
    tip, locked = answer.tip, edge.locked_rev
    lock_only = not behind or (locked, tip) in survey.differences.lock_only
    if survey.graph.is_back_edge(edge):
        # What commands of `after` make of locks would go around in a cycle as the locks do.
        if behind and not lock_only and (locked, tip) not in survey.differences.written:
            return Verdict("tip")
        rule: InertRule = "self" if edge.upstream == edge.dependent else "cycle"
        return Verdict(None, rule, _from_base(survey, edge, answer).moved) if behind else Verdict(None)
    moving: Literal["tip"] | None = "tip" if behind else None
    if edge.kind == "source" or survey.snapshot.states[edge.upstream].repo.propagate == "always":
        return Verdict("update" if planned is not None else moving)
    if not behind and planned is None:
        return Verdict(None)
    reads = survey.differences.readers.get(tip) if tip is not None else None
    base = _from_base(survey, edge, answer) if behind and lock_only else _NOTHING
    moving = "tip" if behind and (not lock_only or base.reaching or reads) else None
    update = _by_update(survey, edge, answer, planned, fresh=moving is not None) if planned is not None else None
    if update is not None and (update.reaching or reads):
        reaches = tuple(sorted({*base.reaching, *update.reaching})) if base.reaching else update.reaching
        return Verdict("update", moved=update.moved, reaches=reaches, reads=reads)
    if moving is not None:
        return Verdict("tip", moved=base.moved, reaches=base.reaching, reads=reads if lock_only else None)
    moved = {*base.moved, *(update.moved if update is not None else ())}
    return Verdict(None, "content", tuple(sorted(moved)))


def find_inert(survey: Survey, edge: Edge) -> Inert | None:
    """Return an edge that is behind, and stays there, as the upstream moved nothing that reaches it; else None."""
    answer = answer_for(survey, edge)
    if answer is None or answer.position != "behind" or not may_move(survey, edge):
        return None
    verdict = judge(survey, edge, answer)
    inert = inert_of(edge, answer, verdict)
    return inert if inert is None or not any(_moves(survey, other) for other in siblings(survey, edge)) else None


def rests(survey: Survey, repo: RepoName, flake: FlakeDir, path: InputPath) -> bool:
    """Tell whether an input runs backwards in a cycle, or is the repo itself, and stays; what is below it stays too."""
    edge = next((edge for edge in survey.edges_into(repo, flake) if edge.input == path), None)
    inert = find_inert(survey, edge) if edge is not None and survey.graph.is_back_edge(edge) else None
    return inert is not None


def may_move(survey: Survey, edge: Edge) -> bool:
    """Tell whether an edge is one that flakesync moves at all, where its upstream has something new."""
    return not edge.fixed and edge.follows is None and edge.locked.get("type") in MOVABLE


def siblings(survey: Survey, edge: Edge) -> list[Edge]:
    """Return the other inputs of the same flake that are the same branch of the same upstream: all move, or none."""
    repo = survey.snapshot.states[edge.dependent].repo
    governed = survey.governed_in(edge.dependent, edge.flake)
    return [
        other
        for other in survey.edges_into(edge.dependent, edge.flake)
        if other.upstream == edge.upstream
        and other.branch == edge.branch
        and other.input != edge.input
        and other.input not in governed
        and may_move(survey, other)
        and repo.why_held(other.flake, other.input) is None
    ]


def _moves(survey: Survey, edge: Edge) -> bool:
    answer = answer_for(survey, edge)
    return answer is not None and answer.position == "behind" and judge(survey, edge, answer).to is not None


def inert_of(edge: Edge, answer: Answer, verdict: Verdict) -> Inert | None:
    """Return the value of an edge that stays; None: its upstream has not moved, or it does not stay."""
    if verdict.rule is None or edge.locked_rev is None or answer.tip is None:
        return None
    return Inert(
        edge.dependent,
        edge.flake,
        edge.input,
        edge.upstream,
        edge.locked_rev,
        answer.tip,
        answer.behind or 0,
        verdict.moved,
        verdict.rule,
    )


def inert_document(inert: Inert) -> InertDocument:
    """Return an inert edge as it is in the documents of plan and drift."""
    return InertDocument(
        repo=inert.repo,
        flake=inert.flake,
        input=show_path(inert.input),
        upstream=inert.upstream,
        locked_rev=inert.locked,
        tip_rev=inert.tip,
        behind=inert.behind,
        moved=[show_path(path) for path in inert.moved],
        rule=inert.rule,
    )


def _from_base(survey: Survey, edge: Edge, answer: Answer) -> Reach:
    """Return what the commits between the locked one and the tip moved, which change locks alone."""
    locks = _changed(survey, edge, answer, otherwise=_SAME)
    if locks is None:
        return _UNKNOWN
    return _NOTHING if locks is _SAME else _reach(survey, edge, locks, NOTHING_PLANNED, fresh=False)


def _by_update(survey: Survey, edge: Edge, answer: Answer, planned: Planned, *, fresh: bool) -> Reach:
    """Return what the upstream's update moves. fresh: the edge moves to the tip in any case."""
    locks = _SAME if fresh else _changed(survey, edge, answer, otherwise=_SAME)
    if locks is None:
        return _UNKNOWN
    if locks is _SAME:
        unread = reach_unread(edge.below, edge.input, _own_below(survey, edge), planned)
        if unread is not None:  # nearly always: then none of the locks is read
            return unread
        lock = survey.locks.get((edge.upstream, flake_dir_of(edge)))
        locks = LockDifference(lock, lock)
    return _reach(survey, edge, locks, planned, fresh=fresh)


def _changed(survey: Survey, edge: Edge, answer: Answer, *, otherwise: LockDifference) -> LockDifference | None:
    """Return the lock that the edge takes, at the locked commit and at the tip, between which locks alone differ.

    otherwise: what is returned where that lock is the same. None: one of the two cannot be read.
    """
    rev, tip = edge.locked_rev, answer.tip
    found = survey.differences.lock_only.get((rev, tip)) if rev is not None and tip is not None else None
    if found is None:
        return otherwise
    dir = flake_dir_of(edge)
    return found.locks(dir) if flake_file(dir) in found.files else otherwise


def _reach(survey: Survey, edge: Edge, locks: LockDifference, planned: Planned, *, fresh: bool) -> Reach:
    lock = survey.locks.get((edge.dependent, edge.flake))
    if lock is None:
        return _UNKNOWN
    own = _own_below(survey, edge)
    return reach(ReachQuestion(lock, edge.input, locks.before, locks.after, own, fresh, locks.moved), planned.moves)


def _own_below(survey: Survey, edge: Edge) -> list[InputPath]:
    """Return the inputs below an edge's that the flake moves itself."""
    depth = len(edge.input)
    governed = survey.governed_in(edge.dependent, edge.flake).items()
    return [path for path, item in governed if len(path) > depth and item.following is None]
