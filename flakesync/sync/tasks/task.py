"""One repo of a plan as a value: all that the plan says of it, and nothing of the machine that made the plan."""

from collections.abc import Iterable, Mapping

import msgspec

from flakesync.analysis.moves import Change, Plan, ToUpdate
from flakesync.survey.held.check_holds import CheckHold
from flakesync.survey.survey import Survey
from flakesync.sync.bisect.units import Unit, units_of
from flakesync.terms import RepoName, Rev, iso_day
from flakesync.workspace.snapshot import RepoAtCommit, RepoState


class RepoTask(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan says of one repo.

    run: names the decisions. day: of the plan, UTC. base_rev: the commit of its base. changes: what moves. upstreams:
    those that have to have been updated before. commits: theirs, each the tip of the update branch, or the base commit
    of one whose base is as planned; empty until they have ended. bases: the base commits that the plan was made with,
    of upstreams. holds: inputs that its checks failed with. units: changes that only make sense together, for a repo
    whose checks are bisected when they fail; empty for another one.
    """

    run: str
    repo: RepoName
    day: str
    base_rev: Rev
    changes: tuple[Change, ...]
    upstreams: frozenset[RepoName] = frozenset()
    commits: Mapping[RepoName, Rev] = {}
    bases: Mapping[RepoName, Rev] = {}
    holds: tuple[CheckHold, ...] = ()
    units: tuple[Unit, ...] = ()

    def encode(self) -> bytes:
        """Return the task as JSON, the same bytes for equal tasks."""
        return msgspec.json.encode(self, order="deterministic")

    @classmethod
    def decode(cls, data: bytes) -> "RepoTask":
        """Return the task that `encode` has written. Raises msgspec.ValidationError."""
        return msgspec.json.decode(data, type=cls)


def make_tasks(survey: Survey, plan: Plan) -> dict[RepoName, RepoTask]:
    """Return a task for each repo that a plan changes, in the order of the waves; the commits are still missing."""
    states = survey.snapshot.states
    untaken = plan.not_taken()
    day = iso_day(survey.now) or ""
    tasks: dict[RepoName, RepoTask] = {}
    for name, changes in plan.changes():
        state = states[name]
        if isinstance(state, RepoAtCommit):
            upstreams = _taken(changes) | _only_tests(states, state, untaken[name])
            tasks[name] = RepoTask(
                run=plan.run,
                repo=name,
                day=day,
                base_rev=state.base_rev,
                changes=changes,
                upstreams=upstreams,
                bases=_bases(states, upstreams),
                holds=tuple(survey.check_holds.get(name, ())),
                units=units_of(survey, changes) if state.repo.on_failure.mode == "bisect" else (),
            )
    return tasks


def _bases(states: Mapping[RepoName, RepoState], names: Iterable[RepoName]) -> dict[RepoName, Rev]:
    found = ((name, states[name]) for name in names)
    return {name: state.base_rev for name, state in found if isinstance(state, RepoAtCommit)}


def _taken(changes: tuple[Change, ...]) -> frozenset[RepoName]:
    return frozenset(change.to.upstream for change in changes if isinstance(change.to, ToUpdate))


def _only_tests(
    states: Mapping[RepoName, RepoState], state: RepoAtCommit, untaken: frozenset[RepoName]
) -> frozenset[RepoName]:
    """Return the upstreams whose checks are the only ones that an update gets: none for a repo that has its own."""
    if state.repo.checks:
        return frozenset()
    return frozenset(each for each in untaken if states[each].repo.checks)
