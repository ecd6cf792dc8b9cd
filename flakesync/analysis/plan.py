"""What a sync would do: which inputs move, where to, in which order. Decided on what was read, without Nix."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import assert_never

import msgspec

from flakesync.analysis.cooldown import external_choices, pin_choices, proof_of, undecided, why_ahead
from flakesync.analysis.documents.plan import plan_document
from flakesync.analysis.edges import Update, decide_edges, update_of
from flakesync.analysis.held.on_hold import find_on_hold
from flakesync.analysis.mend import mends, unmended
from flakesync.analysis.moves import Change, Held, Inert, Plan, ToRev, ToUpdate, by_place
from flakesync.errors import FlakesyncError, SyncError, as_error
from flakesync.survey.external import external_inputs
from flakesync.survey.pins import PinnedInput, is_ahead, is_archive, is_at
from flakesync.survey.survey import Survey
from flakesync.terms import FlakeDir, InputPath, RepoName
from flakesync.workspace.inputs import OwnInput
from flakesync.workspace.snapshot import FlakeState, RepoAtCommit, RepoState, UnreadableRepo


def _external_inputs(survey: Survey, repo: RepoName, flake: FlakeState) -> Iterable[OwnInput]:
    if not survey.external:  # nowhere to go: the inputs need not be read
        return ()
    known = {edge.input for edge in survey.edges_into(repo, flake.dir)}
    return external_inputs(flake, known | survey.governed_in(repo, flake.dir).keys())


class _Planner:
    """Gathers the decisions of one plan, repo by repo in topological order."""

    def __init__(self, survey: Survey) -> None:
        self.survey = survey
        self.changes: dict[RepoName, tuple[Change, ...]] = {}
        self.updates: dict[RepoName, Update] = {}
        self.held: list[Held] = []
        self.deferred: list[Held] = []
        self.inert: list[Inert] = []
        self.problems: dict[RepoName, FlakesyncError] = {}
        self.unusable: dict[tuple[RepoName, FlakeDir], str] = {}
        self.failing: dict[RepoName, FlakesyncError] = {}
        self.stale: frozenset[tuple[FlakeDir, InputPath]] = frozenset()

    def repo(self, state: RepoState) -> None:
        """Decide on one repo; its upstreams have been decided on."""
        name, problem = state.name, _problem(state)
        if problem is not None:
            self.problems[name] = problem
            return
        changes: list[Change] = []
        for flake in state.flakes:
            if flake.problem is not None:
                where = f"{flake.dir}: " if flake.problem.kind == "no-lock" and flake.dir != "." else ""
                self.unusable[name, flake.dir] = f"{where}{flake.problem.detail}"
            if flake.lock is None:
                continue
            self._mend(changes, state, flake)
            governed = self.survey.governed_in(name, flake.dir)
            for pinned in governed.values():
                if pinned.following is None:
                    self._keep(changes, state, flake.dir, pinned.input, self._pin(pinned))
            edges = [
                edge
                for edge in self.survey.edges_into(name, flake.dir)
                if edge.input not in governed and edge.follows is None and not self._is_stale(flake.dir, edge.input)
            ]
            for each in decide_edges(self.survey, edges, self.updates):
                if each.deferred is not None:
                    self.deferred.append(each.deferred)
                if isinstance(each.decided, Inert):
                    self.inert.append(each.decided)
                else:
                    self._keep(changes, state, flake.dir, each.edge.input, each.decided)
            for item in _external_inputs(self.survey, name, flake):
                self._keep(changes, state, flake.dir, item.path, self._external(state, flake.dir, item))
            self.held += _left_by_what_they_follow(self.survey, governed, flake.dir, changes)
        if changes:
            self.changes[name] = tuple(sorted(changes, key=lambda change: (change.flake, change.input)))
            self.updates[name] = update_of(state, changes)

    def _mend(self, changes: list[Change], state: RepoState, flake: FlakeState) -> None:
        """Decide on the inputs on which a flake.nix and its lock disagree, or are to: in nearly all flakes none."""
        self.stale = frozenset()
        if not (flake.stale or flake.edits or flake.unedited):
            return
        decisions = [*map(self._with_proof, mends(self.survey, state, flake)), *self._unedited(state, flake)]
        self.stale = frozenset((flake.dir, decision.input) for decision in decisions)
        changes += [decision for decision in decisions if isinstance(decision, Change)]
        self.held += [decision for decision in decisions if isinstance(decision, Held)]

    def _unedited(self, state: RepoState, flake: FlakeState) -> Iterator[Change | Held]:
        """Yield what becomes of the inputs whose reference is not edited, and note the first that fails the repo."""
        for each in unmended(self.survey, state, flake):
            match each:
                case Held():
                    yield each
                case (change, error):
                    self.failing.setdefault(state.name, error)
                    yield change

    def _is_stale(self, flake: FlakeDir, path: InputPath) -> bool:
        """Tell whether an input, or one above it, is locked otherwise than flake.nix says."""
        return bool(self.stale) and any((flake, path[:length]) in self.stale for length in range(1, len(path) + 1))

    def _keep(
        self, changes: list[Change], state: RepoState, flake: FlakeDir, path: InputPath, decided: Change | Held | None
    ) -> None:
        """Note what was decided on an input: among `changes`, or as held."""
        if decided is None or self._is_stale(flake, path):
            return
        match decided:
            case Held():
                self.held.append(decided)
            case Change():
                why = state.repo.why_held(flake, path)
                if why is not None:
                    self.held.append(Held(state.name, decided.flake, path, decided.from_rev, why, wished=True))
                else:
                    changes.append(decided)
            case _:
                assert_never(decided)

    def _with_proof(self, change: Change | Held) -> Change | Held:
        """Return an input of a stale lock that goes to a pin's target with why it is that one."""
        if not isinstance(change, Change) or change.pin is None:
            return change
        target = self.survey.target_in(change.repo, change.pin)
        decision = self.survey.decisions.pins.get(change.pin)
        if target is None or target.choice is None or decision is None:
            return change
        proof = proof_of(target, decision.conditions)
        return msgspec.structs.replace(change, proof=proof, waived=target.choice.waived)

    def _pin(self, item: PinnedInput) -> Change | Held | None:
        target = self.survey.target_of(item)
        if target is None or is_at(item.locked, target):
            return None
        if item.fixed:
            return Held(item.repo, item.flake, item.input, item.locked_rev, "fixed by its flake.nix", wished=True)
        if is_ahead(item.locked, target):
            return Held(item.repo, item.flake, item.input, item.locked_rev, why_ahead(target), ahead=True)
        locked = target.locked if is_archive(item.original) else None
        if is_archive(item.original) and (locked is None or not is_archive(locked)):
            return Held(item.repo, item.flake, item.input, item.locked_rev, "no archive of the target is known")
        to = ToRev(target.rev, branch=item.pin.source.ref, locked=locked)
        name = item.pin.name
        return Change(
            item.repo,
            item.flake,
            item.input,
            item.original,
            item.locked,
            to,
            f"pin {name}",
            name,
            proof=proof_of(target, item.pin.conditions),
            waived=target.choice.waived if target.choice is not None else None,
        )

    def _external(self, state: RepoState, flake: FlakeDir, item: OwnInput) -> Change | Held | None:
        target = self.survey.external.get(item.source) if item.source is not None else None
        if target is None or is_at(item.locked, target):
            return None
        if is_ahead(item.locked, target):
            return Held(state.name, flake, item.path, item.rev, why_ahead(target), ahead=True)
        decision = self.survey.decisions.sources.get(item.source) if item.source is not None else None
        proof = proof_of(target, decision.conditions) if decision is not None else ""
        ref = item.original.get("ref")
        branch = str(ref).removeprefix("refs/heads/") if ref is not None else None
        to = ToRev(target.rev, branch=branch, locked=target.locked if is_archive(item.original) else None)
        return Change(state.name, flake, item.path, item.original, item.locked, to, "external", proof=proof)


def _left_by_what_they_follow(
    survey: Survey, governed: Mapping[InputPath, PinnedInput], flake: FlakeDir, changes: Iterable[Change]
) -> Iterator[Held]:
    """Yield the governed inputs of a flake that follow others which do not move. changes: of its repo."""
    following = [item for item in governed.values() if item.following is not None]
    moved = {change.input for change in changes if change.flake == flake} if following else ()
    for item in following:
        if item.following is None or item.through is None:
            continue
        target = survey.target_of(item)
        at_target = target is None or is_at(item.locked, target) or is_ahead(item.locked, target)
        to = item.following.leads_to.path
        if not at_target and to not in governed and not any(to[:length] in moved for length in range(1, len(to) + 1)):
            yield Held(item.repo, item.flake, item.input, item.locked_rev, item.through)


def _problem(state: RepoState) -> FlakesyncError | None:
    """Return why no flake of a repo can be planned; None where one can, or there is nothing to plan."""
    if isinstance(state, UnreadableRepo):
        return state.error
    if any(flake.lock is not None for flake in state.flakes):
        return None
    details = (flake.problem.detail for flake in state.flakes if flake.problem and flake.problem.kind == "bad-lock")
    return next((SyncError("bad-lock", detail) for detail in details), None)


def make_plan(survey: Survey, selected: frozenset[RepoName]) -> Plan:
    """Decide what moves, and name the run that carries it out. selected: as of `decide`."""
    return with_run(survey, decide(survey, selected))


def decide(survey: Survey, selected: frozenset[RepoName]) -> Plan:
    """Decide what moves. The run has no name yet, which takes as long as to write the plan down.

    selected: only these repos change; the others are taken as they are.
    """
    planner = _Planner(survey)
    for wave in survey.graph.waves:
        for name in wave:
            if name in selected:
                try:
                    planner.repo(survey.snapshot.states[name])
                except Exception as error:  # noqa: BLE001 - whatever it is, it is this repo's
                    planner.problems[name] = as_error(error)
    deferred = [stays for stays in planner.deferred if _matters(planner, stays)]
    waves = _waves(planner.changes)
    return Plan(
        run="",
        waves=waves,
        unchanged=tuple(
            name for name in sorted(selected) if name not in planner.changes and name not in planner.problems
        ),
        held=tuple(sorted(planner.held, key=by_place)),
        deferred=tuple(sorted(deferred, key=by_place)),
        problems=planner.problems,
        unusable=planner.unusable,
        failing=planner.failing,
        inert=tuple(sorted(planner.inert, key=by_place)),
        pins=(*pin_choices(survey), *external_choices(survey)),
        undecided=tuple(undecided(survey)),
        on_hold=tuple(find_on_hold(survey, chain.from_iterable(waves))),
    )


def with_run(survey: Survey, plan: Plan) -> Plan:
    """Return a plan with the name of its run."""
    return msgspec.structs.replace(plan, run=_run_name(survey, plan))


def _waves(
    changes: Mapping[RepoName, tuple[Change, ...]],
) -> tuple[tuple[tuple[RepoName, tuple[Change, ...]], ...], ...]:
    """Return the repos wave by wave: each after those whose update it takes. changes: upstreams come first."""
    number: dict[RepoName, int] = {}
    for name, moving in changes.items():
        above = [number[change.to.upstream] for change in moving if isinstance(change.to, ToUpdate)]
        number[name] = max(above, default=-1) + 1
    waves: list[list[RepoName]] = [[] for _ in range(max(number.values(), default=-1) + 1)]
    for name in sorted(number):
        waves[number[name]].append(name)
    return tuple(tuple((name, changes[name]) for name in wave) for wave in waves)


def _matters(planner: _Planner, stays: Held) -> bool:
    """Tell whether an opened edge really takes less than the newest: its upstream is updated in this plan."""
    edges = planner.survey.edges_into(stays.repo, stays.flake)
    return any(edge.upstream in planner.changes for edge in edges if edge.input == stays.input)


def _run_name(survey: Survey, plan: Plan) -> str:
    """Return a name: the same for the same decisions on the same bases, so that a rerun makes the same commits.

    Not what is known of a commit's age: another machine may know it from somebody else. Nor how long an input is held,
    and what stays, which decides nothing.
    """
    waves = tuple(tuple((name, tuple(map(_without_proof, moving))) for name, moving in wave) for wave in plan.waves)
    held = tuple(_without_words(each) for each in plan.held if not each.ahead)
    plan = msgspec.structs.replace(plan, waves=waves, held=held, inert=(), pins=(), on_hold=())
    states = ((name, survey.snapshot.states[name]) for name, _ in plan.changes())
    bases = {name: state.base_rev if isinstance(state, RepoAtCommit) else None for name, state in states}
    text = msgspec.json.encode([bases, plan_document(plan)], order="sorted")
    return hashlib.sha256(text).hexdigest()[:12]


def _without_proof(change: Change) -> Change:
    return msgspec.structs.replace(change, proof="") if change.proof else change


def _without_words(held: Held) -> Held:
    return msgspec.structs.replace(held, reason="hold") if held.wished else held
