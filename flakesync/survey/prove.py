"""Replaces the newest commits of branches by those that the manifest's conditions allow."""

from collections.abc import Callable, Hashable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from flakesync.cooldown.decide import BranchQuestion, Decision, decide
from flakesync.cooldown.model import Candidate, Choice
from flakesync.cooldown.waivers import pins_of, waivers_of
from flakesync.errors import GitError
from flakesync.git.store.base import branch_tip
from flakesync.git.store.objects import ObjectReader
from flakesync.git.values import Commit
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.survey.decisions import Decisions
from flakesync.survey.newest import Claim, claims_of
from flakesync.survey.pins import Target, last_modified, pin_source
from flakesync.survey.survey import Survey
from flakesync.terms import PinName, RepoName, Rev
from flakesync.workspace.inputs import Source
from flakesync.workspace.snapshot import RepoAtCommit, Snapshot

if TYPE_CHECKING:
    from flakesync.workspace.hosts import Hosts

Key = TypeVar("Key", bound=Hashable)

_Claims = Mapping[Source, Mapping[Rev, Claim]]


def prove_targets(
    survey: Survey,
    external: Mapping[Source, FlakeRef],
    hosts: "Hosts | None",
    cache: Path,
    waived: Mapping[PinName, str],
    note: Callable[[str], None],
) -> Survey:
    """Return a survey whose targets are proven, where the manifest asks for that; else the same one.

    external: how sources that are no pins are contacted. hosts: None asks no server. cache: the cache directory.
    waived: the pins whose age does not count this once, with the reason. note: is told
    what a person should know. Where no commit may be taken yet, there is no target.

    Raises:
        FlakesyncError: `seen-corrupt`, the record of tips cannot be used.
    """
    workspace = survey.snapshot.workspace
    cooled = [pin for pin in workspace.pins if not pin.conditions.is_idle and pin.name in survey.targets]
    sources = {source: reference for source, reference in external.items() if source in survey.external}
    policies = {source: workspace.external_conditions(reference) for source, reference in sources.items()}
    policies = {source: each for source, each in policies.items() if not each.is_idle}
    if not cooled and not policies:
        return survey
    from flakesync.cooldown.seen import seen_place

    by_locks = [pin_source(pin) for pin in cooled if hosts is None or pin.target == "newest-locked"]
    if hosts is None or workspace.external == "newest-locked":
        by_locks += policies
    claims = claims_of(survey.snapshot, by_locks)
    questions: dict[PinName | Source, BranchQuestion] = {}
    for pin in cooled:
        locked = {
            item.locked_rev: last_modified(item.locked)
            for item in survey.governed
            if item.pin.name == pin.name and item.locked_rev is not None
        }
        question = BranchQuestion(
            reference=pin.source, conditions=pin.conditions, tip=survey.targets[pin.name].rev, locked=locked
        )
        question = _where(question, survey.targets[pin.name], claims.get(pin_source(pin)))
        questions[pin.name] = msgspec.structs.replace(question, waived=waived.get(pin.name))
    for source, conditions in policies.items():
        target, locked = survey.external[source], dict(_locked(survey.snapshot, source))
        question = BranchQuestion(reference=sources[source], conditions=conditions, tip=target.rev, locked=locked)
        questions[source] = _where(question, target, claims.get(source))
    if hosts is None:
        note("offline: the record and the cache alone tell how old commits are")
    place, jobs = seen_place(workspace, cache), workspace.jobs
    decisions = decide(questions, now=survey.now, hosts=hosts, cache=cache, place=place, jobs=jobs, note=note)
    pins = {pin.name: decisions[pin.name] for pin in cooled}
    others = {source: decisions[source] for source in policies}
    found = _Targets(survey, claims)
    return msgspec.structs.replace(
        survey,
        targets=dict(found.replaced(survey.targets, pins, {pin.name: pin_source(pin) for pin in cooled})),
        external=dict(found.replaced(survey.external, others, {source: source for source in others})),
        decisions=Decisions(pins, others, dict(found.kept(pins))),
    )


def _where(question: BranchQuestion, target: Target, claims: Mapping[Rev, Claim] | None) -> BranchQuestion:
    """Return what is asked of a branch whose newest commit the locks tell, or its server where `claims` is None."""
    if claims is None:
        return msgspec.structs.replace(question, archive=target.locked)
    return msgspec.structs.replace(question, only=claims.keys())


def _locked(snapshot: Snapshot, source: Source) -> Iterator[tuple[Rev, int | None]]:
    for state in snapshot.states.values():
        for flake in state.flakes:
            for item in flake.inputs:
                if item.source == source and item.rev is not None:
                    yield item.rev, last_modified(item.locked)


class _Targets:
    """Makes targets of decisions. claims: of the sources whose commits come from locks."""

    def __init__(self, survey: Survey, claims: _Claims) -> None:
        self.survey = survey
        self.claims = claims
        self.dates: dict[Rev, int] = {}
        for item in survey.governed:
            date = last_modified(item.locked)
            if item.locked_rev is not None and date is not None:
                self.dates.setdefault(item.locked_rev, date)

    def replaced(
        self, targets: Mapping[Key, Target], decisions: Mapping[Key, Decision], sources: Mapping[Key, Source]
    ) -> Iterator[tuple[Key, Target]]:
        """Yield the targets with those in place that were decided on. sources: of the keys of `decisions`."""
        for key, target in targets.items():
            decision = decisions.get(key)
            if decision is None:
                yield key, target
            elif decision.choice.chosen is not None:
                yield key, self._target(decision, decision.choice, decision.choice.chosen, target, sources[key])

    def kept(self, pins: Mapping[PinName, Decision]) -> Iterator[tuple[tuple[RepoName, PinName], Target]]:
        """Yield what update branches keep: pins that nobody waited for, and those that cannot be decided on now."""
        workspace = self.survey.snapshot.workspace
        sources = {pin.name: pin_source(pin) for pin in workspace.pins}
        for repo, commit in _update_commits(self.survey.snapshot):
            waivers = waivers_of(commit)
            for name, rev in pins_of(commit).items():
                decision = pins.get(name)
                if decision is None or (name not in waivers and decision.error is None):
                    continue
                # What a trailer says is a claim: only what is known to be of the branch counts.
                choice = decision.instead(rev, waivers.get(name))
                if choice is not None and choice.chosen is not None:
                    target = self.survey.targets[name]
                    yield (repo, name), self._target(decision, choice, choice.chosen, target, sources[name])

    def _target(self, decision: Decision, choice: Choice, chosen: Candidate, newest: Target, source: Source) -> Target:
        """Return a commit as a target. newest: the target before that was decided on."""
        claim = self.claims.get(source, {}).get(chosen.rev)
        if chosen.rev == newest.rev:
            date, locked, note = newest.last_modified, newest.locked, newest.note
        elif claim is not None:
            date, locked, note = claim.date or None, claim.locked, None
        else:
            date, locked, note = None, decision.archives.get(chosen.rev), None
        ahead = decision.ahead if choice is decision.choice else choice.newer
        note = "; ".join(each for each in (note, choice.note) if each is not None) or None
        return Target(chosen.rev, date or self.dates.get(chosen.rev) or chosen.time, locked, note, choice, ahead)


def _update_commits(snapshot: Snapshot) -> Iterator[tuple[RepoName, Commit]]:
    """Yield the newest commit of each update branch that has any; one that cannot be read is left out."""
    for state in snapshot.states.values():
        if isinstance(state, RepoAtCommit):
            try:
                reader = ObjectReader.open(state.clone)
                tip = branch_tip(reader, snapshot.workspace.branch, ("refs/heads/", state.branches.tracking))
                if tip is not None and tip != state.base_rev:
                    yield state.name, reader.commit(tip)
            except GitError:  # sync meets it again, and says what it is
                continue
