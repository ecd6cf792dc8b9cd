"""What becomes of the inputs of one flake that are repos of the workspace."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from flakesync.analysis.inert import flake_dir_of, inert_of, judge
from flakesync.analysis.moves import Change, Held, Inert, ToRev, ToUpdate
from flakesync.analysis.reaches import NOTHING_PLANNED, Planned
from flakesync.nix.reference.flakeref import Attr
from flakesync.survey.external import MOVABLE
from flakesync.survey.graph import Edge
from flakesync.survey.missing import gone_branch, why_missing
from flakesync.survey.pins import is_archive
from flakesync.survey.survey import Survey, answer_for
from flakesync.terms import FlakeDir, InputPath, RepoName, Rev, show_path
from flakesync.workspace.history import Answer
from flakesync.workspace.snapshot import RepoAtCommit, RepoState


class Update(msgspec.Struct, frozen=True):
    """What an update of a repo is for those that take the repo.

    moves: what it moves in each of the repo's flakes. beside: what it changes beside locks, a phrase, as far as a plan
    can tell; None: nothing.
    """

    moves: Mapping[FlakeDir, Planned]
    beside: str | None

    def planned_in(self, flake: FlakeDir) -> Planned:
        """Return what it moves in one flake."""
        return self.moves.get(flake, NOTHING_PLANNED)


Updates = Mapping[RepoName, Update]
"""What the plan has decided so far: the updates of the repos that change."""


def update_of(state: RepoState, changes: Iterable[Change]) -> Update:
    """Return the update of a repo. What commands of `after` will write is not known before they run."""
    moves: dict[FlakeDir, dict[InputPath, Rev | None]] = {}
    beside = "what `after` writes" if state.repo.after else None
    for change in changes:
        moves.setdefault(change.flake, {})[change.input] = change.to.rev if isinstance(change.to, ToRev) else None
        beside = beside if change.edit is None else "flake.nix"
    return Update({dir: Planned(found) for dir, found in moves.items()}, beside)


_ON_BRANCH = ("at", "behind")


class EdgeVerdict(msgspec.Struct, frozen=True):
    """What becomes of one edge; None: nothing. deferred: it takes the base commit, should its upstream be updated."""

    edge: Edge
    decided: Change | Held | Inert | None
    deferred: Held | None = None


def decide_edges(survey: Survey, edges: Iterable[Edge], updates: Updates) -> list[EdgeVerdict]:
    """Decide on the edges of one flake. updates: of the repos before it in the order of the waves."""
    found = [_decide(survey, edge, updates) for edge in edges]
    if len({_branch_of(each.edge) for each in found}) < len(found):
        found = [_joined(survey, each, found) for each in found]
    return [_of_archive(survey, each) if _is_forge_archive(each.edge) else each for each in found]


def _branch_of(edge: Edge) -> tuple[RepoName, str | None]:
    return edge.upstream, edge.branch


def _is_forge_archive(edge: Edge) -> bool:
    return edge.locked.get("type") == "tarball" and is_archive(edge.original)


def _of_archive(survey: Survey, one: EdgeVerdict) -> EdgeVerdict:
    """Return what becomes of an archive of a repo: its forge has one of each commit that is on the server."""
    edge, decided = one.edge, one.decided
    if not isinstance(decided, Change):
        return one
    to, answer = decided.to, answer_for(survey, edge)
    if isinstance(to, ToUpdate) and answer is not None and answer.position == "behind" and answer.tip is not None:
        to = ToRev(answer.tip, edge.upstream, edge.branch or survey.snapshot.states[edge.upstream].base)
    if not isinstance(to, ToRev):
        words = f"an archive: there is none of the update of {edge.upstream} before that has landed"
        return msgspec.structs.replace(one, decided=_stays(edge, words))
    url, old = str(edge.locked.get("url")), edge.locked_rev or ""
    # The address of one commit, which the server itself has named when it was locked.
    if not old or url.count(old) != 1:
        words = f"an archive, whose address does not name its commit: a git reference to {edge.upstream} can be moved"
        return msgspec.structs.replace(one, decided=_stays(edge, words))
    locked: dict[str, Attr] = {"type": "tarball", "url": url.replace(old, to.rev), "rev": to.rev}
    return msgspec.structs.replace(
        one, decided=msgspec.structs.replace(decided, to=msgspec.structs.replace(to, locked=locked))
    )


def _joined(survey: Survey, one: EdgeVerdict, found: Iterable[EdgeVerdict]) -> EdgeVerdict:
    """Return a decision that fits the others: inputs from one branch of one upstream move together, to one commit."""
    if not isinstance(one.decided, Inert | Change) or _is_held(survey, one.edge):
        return one
    others = [
        each
        for each in found
        if isinstance(each.decided, Change)
        and _branch_of(each.edge) == _branch_of(one.edge)
        and each.edge.input != one.edge.input
        and not _is_held(survey, each.edge)
        and isinstance(each.decided.to, ToUpdate | ToRev)
    ]
    leader = next(
        (each for each in others if isinstance(each.decided, Change) and isinstance(each.decided.to, ToUpdate)), None
    )
    match one.decided:
        case Change(to=ToRev()) if leader is not None and isinstance(leader.decided, Change):
            return msgspec.structs.replace(one, decided=msgspec.structs.replace(one.decided, to=leader.decided.to))
        case Inert():
            leader = leader or next(iter(others), None)
            if (
                leader is not None
                and isinstance(leader.decided, Change)
                and isinstance(leader.decided.to, ToRev | ToUpdate)
            ):
                reason = f"moves with {show_path(leader.edge.input)}"
                moved = _change(one.edge, leader.decided.to, reason)
                return msgspec.structs.replace(one, decided=moved)
    return one


def _is_held(survey: Survey, edge: Edge) -> bool:
    return survey.snapshot.states[edge.dependent].repo.why_held(edge.flake, edge.input) is not None


def _decide(survey: Survey, edge: Edge, updates: Updates) -> EdgeVerdict:
    rev = edge.locked_rev
    upstream = survey.snapshot.states[edge.upstream]
    update = updates.get(edge.upstream)
    updating = update is not None
    backward = survey.graph.is_back_edge(edge)
    answer = answer_for(survey, edge)
    on_base = answer.on_base if answer is not None else edge.branch in (None, upstream.base)
    if edge.fixed or (answer is not None and answer.position == "tag"):
        fixed = msgspec.structs.replace(_stays(edge, "fixed by its flake.nix"), wished=True)
        return EdgeVerdict(edge, fixed if updating else None)
    if rev is None:
        return EdgeVerdict(edge, _stays(edge, "its lock names no commit") if updating else None)
    if edge.locked.get("type") not in MOVABLE and not _is_forge_archive(edge):
        moves = updating or (answer is not None and answer.position == "behind")
        return EdgeVerdict(edge, _stays(edge, "an archive, not a git source") if moves else None)
    if answer is not None and answer.position == "landed" and answer.tip is not None:
        to = ToRev(answer.tip, edge.upstream, edge.branch or upstream.base)
        return EdgeVerdict(edge, _change(edge, to, f"{edge.upstream} has landed"))
    if answer is not None and isinstance(upstream, RepoAtCommit) and answer.position in ("ahead", "unknown"):
        if answer.tip is None and edge.branch is not None:
            why = gone_branch(survey, edge, edge.branch)
        else:
            why = why_missing(survey, edge, answer) or f"its commit is not in the history of {edge.upstream}"
        shallow = answer.gap is not None and answer.gap.shallow
        return EdgeVerdict(edge, msgspec.structs.replace(_stays(edge, why), blind=shallow))
    deferred = _deferred(edge) if backward and on_base else None
    more = update.beside if update is not None else None
    if more and on_base and not backward and (answer is None or answer.position in _ON_BRANCH):
        # It arrives as any other commit of the upstream does.
        return EdgeVerdict(edge, _change(edge, ToUpdate(edge.upstream), f"{edge.upstream} is updated, {more} too"))
    if answer is not None and answer.position in _ON_BRANCH:
        planned = update.planned_in(flake_dir_of(edge)) if update is not None and answer.on_base else None
        return EdgeVerdict(edge, _on_branch(survey, edge, answer, upstream, planned), deferred)
    if updating and on_base and deferred is None:
        return EdgeVerdict(edge, _change(edge, ToUpdate(edge.upstream), f"{edge.upstream} is updated"))
    if answer is not None and answer.position == "unlanded":
        reason = f"its commit is only on the update branch of {edge.upstream}"
        return EdgeVerdict(edge, _stays(edge, reason), deferred)
    return EdgeVerdict(edge, None, deferred)


def _on_branch(
    survey: Survey, edge: Edge, answer: Answer, upstream: RepoState, planned: Planned | None
) -> Change | Inert | None:
    """Decide on an edge whose commit is on the branch that it tracks. planned: as `judge` takes it."""
    verdict = judge(survey, edge, answer, planned)
    reaches = tuple(filter(None, verdict.reaches))  # an empty one: it cannot be told what
    reads = f", and {edge.upstream} reads its own flake.lock ({verdict.reads})" if verdict.reads is not None else ""
    match verdict.to:
        case "update":
            reason = f"{edge.upstream} is updated{reads}"
            return _change(edge, ToUpdate(edge.upstream), reason, reaches)
        case "tip" if answer.tip is not None:
            count = f"{answer.behind} commit{'' if answer.behind == 1 else 's'}"
            to = ToRev(answer.tip, edge.upstream, edge.branch or answer.default or upstream.base)
            reason = f"{count} behind {edge.upstream}{reads}{_arrives(survey, edge, reaches)}"
            return _change(edge, to, reason, reaches)
        case _:
            return inert_of(edge, answer, verdict)


def _arrives(survey: Survey, edge: Edge, reaches: Sequence[InputPath]) -> str:
    """Return the words for locks of the upstream that reach an input, and the follows that ends it, if there is one."""
    if not reaches:
        return ""
    moved = ", ".join(map(show_path, reaches))
    lock = survey.locks.get((edge.dependent, edge.flake))
    roots = lock.nodes[lock.root].inputs.keys() if lock is not None else ()
    mend = next((path for path in reaches if len(path) == 1 and path[0] in roots and len(edge.input) == 1), None)
    words = f", which moves {moved} in its flake.lock alone"
    if mend is None:
        return words
    return f'{words}; write inputs.{edge.input[0]}.inputs.{mend[0]}.follows = "{mend[0]}" to end this'


def _deferred(edge: Edge) -> Held:
    # Whether it really takes less is known when all is decided: its upstream may not be updated.
    why = "an input that is itself" if edge.upstream == edge.dependent else "opens a cycle"
    return _stays(edge, f"{why}: takes the base commit")


def _stays(edge: Edge, reason: str) -> Held:
    return Held(edge.dependent, edge.flake, edge.input, edge.locked_rev, reason)


def _change(edge: Edge, to: ToRev | ToUpdate, reason: str, reaches: tuple[InputPath, ...] = ()) -> Change:
    return Change(edge.dependent, edge.flake, edge.input, edge.original, edge.locked, to, reason, reaches=reaches)
