"""Carries a plan out: every repo as soon as its upstreams are done; a failed one takes only its dependents along."""

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import assert_never

import msgspec
from msgspec.structs import replace

from flakesync.analysis.moves import Plan, ToRev
from flakesync.audit.gate import make_gate
from flakesync.cache.files import KeptFiles
from flakesync.cache.layout import made_file, outlines_file, run_file
from flakesync.cache.lock import exclusive
from flakesync.errors import FlakesyncError, ManifestError, as_error
from flakesync.git.failures import no_git
from flakesync.git.repository import Repository
from flakesync.net.wall import offline
from flakesync.nix.reference.identity import Identity
from flakesync.survey.survey import Survey
from flakesync.sync.borrowed import at_commits, locks_at_base, repositories_of
from flakesync.sync.bump import bump
from flakesync.sync.events import Finished, Listener, Note, Relay, Started
from flakesync.sync.executors import Executor
from flakesync.sync.executors.choice import MakeExecutor, TaskRun, usual
from flakesync.sync.executors.here import Inline
from flakesync.sync.lockers.native.sources import Sources
from flakesync.sync.options import Options
from flakesync.sync.outcome import Failed, FailedUpstream, RepoOutcome, Skipped, SyncResult, Unchanged, Updated
from flakesync.sync.preflight import require_identity
from flakesync.sync.schedule import Known, ReadyQueue, run_on
from flakesync.sync.tasks.costs import CheckCosts
from flakesync.sync.tasks.task import RepoTask, make_tasks
from flakesync.sync.tasks.worker import Work, Worker, make_rests
from flakesync.sync.tools import make_tools, one_at_a_time
from flakesync.sync.up_to_date import UpToDateBranches
from flakesync.terms import RepoName, Rev, iso_day
from flakesync.update.commit import find_update_branch
from flakesync.update.content import left_on
from flakesync.update.made import MadeUpdates
from flakesync.workspace.hosts import Hosts
from flakesync.workspace.model import Workspace
from flakesync.workspace.snapshot import PlainFolder, RepoState, Snapshot


def sync(
    survey: Survey,
    plan: Plan,
    options: Options,
    listener: Listener[RepoOutcome],
    *,
    work: Work | None = None,
    executor: MakeExecutor | None = None,
) -> SyncResult:
    """Bump every repo of the plan and return the result of each. work: what is done about one, in place of `bump`.

    executor: makes who carries the tasks out; None: threads, as many as the workspace has jobs.

    Raises:
        FlakesyncError: nothing could be begun: no git, no Nix where it is needed for all, nobody to make the commits, a
            plain folder, or another run is going on (`busy`).
    """
    snapshot = survey.snapshot
    workspace = snapshot.workspace
    _refuse_folders(snapshot.states, plan)
    if shutil.which("git") is None:  # then nothing is begun at all; most of the work needs no process
        raise no_git()
    hosts = Hosts(workspace, os.environ)
    with ExitStack() as stack:
        stack.enter_context(offline(options.offline))
        if not options.dry_run:
            changing = at_commits(snapshot.states)
            require_identity(workspace.author, (changing[name].clone for name, _ in plan.changes()))
            stack.enter_context(only_run(workspace.file, options.cache))
        borrow = dict(plan.changes()).keys() if options.dry_run else ()
        repositories, unborrowed = stack.enter_context(repositories_of(snapshot, borrow))
        clones = {identity: state.clone for state in repositories.values() for identity in state.repo.identities}
        sources = _native_sources(snapshot, clones, options, hosts)
        up_to_date = UpToDateBranches(
            None if options.dry_run else run_file(workspace.file, options.cache, "up-to-date")
        )
        listener = one_at_a_time(listener)
        relay = Relay(listener)
        tools = make_tools(options, make_gate(workspace, clones), sources, hosts, relay, up_to_date)
        tools = replace(tools, locks=locks_at_base(snapshot.states))
        worker = Worker(
            workspace=workspace,
            states=at_commits(snapshot.states),
            repositories=repositories,
            tools=tools,
            rests=make_rests(tools, workspace.file, options.cache, iso_day(survey.now) or ""),
            dry_run=options.dry_run,
            work=work or bump,
        )
        costs = CheckCosts(run_file(workspace.file, options.cache, "costs"))
        run = _Run(survey, plan, worker, listener, unborrowed, costs)
        lockers: set[str] = set()
        task_run = TaskRun(worker=worker, tasks=run.tasks, relay=relay, options=options, lockers=lockers)
        try:
            run.carry_out((executor or usual(workspace.jobs))(task_run))
        finally:
            up_to_date.write()
            run.costs.write()
            if not options.dry_run:
                _keep_made(run.outcomes.values(), workspace, options.cache)
        for name in plan.unchanged:
            run.leave(name)
    order = [*(name for name, _ in plan.changes()), *sorted(plan.problems)]
    return SyncResult(
        run=plan.run,
        locker=_names([tools.locker.name, *sorted(lockers)]),
        dry_run=options.dry_run,
        repos=tuple(run.outcome(name) for name in order),
        untouched=plan.unchanged,
    )


class _Run:
    """One run: the outcomes so far."""

    def __init__(
        self,
        survey: Survey,
        plan: Plan,
        worker: Worker,
        listener: Listener[RepoOutcome],
        unborrowed: Mapping[RepoName, FlakesyncError],
        costs: CheckCosts,
    ) -> None:
        """unborrowed: as `repositories_of` gives them. costs: of earlier runs."""
        self.worker = worker
        self.workspace = survey.snapshot.workspace
        self.states = worker.states
        self.tasks = make_tasks(survey, plan)
        self.listener = listener
        self.failing = {**unborrowed, **plan.failing}
        self.changes = dict(plan.changes())
        self.not_taken = plan.not_taken()
        self.costs = costs
        self.done = 0
        # An upstream that was not selected, or could not be read, may be why there is nothing to do.
        partial = len(self.changes) + len(plan.unchanged) + len(plan.problems) < len(survey.snapshot.states)
        self.undecided = frozenset(survey.snapshot.states) if partial else survey.graph.downstream(plan.problems)
        self.undecided |= {name for name, _ in plan.unusable}
        self.undecided |= survey.undecided
        self.outcomes: dict[RepoName, RepoOutcome] = {
            name: Failed(name, error) for name, error in plan.problems.items()
        }

    def carry_out(self, executor: Executor[RepoTask, RepoOutcome]) -> None:
        """Have all repos of the plan done."""
        upstreams = {name: task.upstreams for name, task in self.tasks.items()}
        # One after the other, they take as long in any order: then it is the plan's, which people know.
        costs = self.costs.of(self.tasks) if not isinstance(executor, Inline) else None
        run_on(executor, ReadyQueue(list(self.tasks), upstreams, costs), self._ready, self._finish)

    def outcome(self, name: RepoName) -> RepoOutcome:
        """Return what became of a repo, when all are done."""
        outcome = self.outcomes[name]
        tips = (change.to.upstream for change in self.changes.get(name, ()) if isinstance(change.to, ToRev))
        beside = {each for each in tips if each in self.changes} | self.not_taken.get(name, frozenset())
        failed = [each for each in beside if isinstance(self.outcomes[each], Failed | Skipped)]
        if failed and isinstance(outcome, Updated | Unchanged):
            return replace(outcome, failed_upstreams=tuple(sorted(failed)))
        return outcome

    def _finish(self, name: RepoName, outcome: RepoOutcome) -> None:
        self.outcomes[name] = outcome
        self.costs.add(outcome)
        self.done += 1
        self.listener(Finished(name, outcome, self.done, len(self.changes)))

    def _ready(self, name: RepoName) -> RepoTask | Known[RepoOutcome]:
        """Return the task of a repo whose upstreams have ended; or the outcome of one that is not begun."""
        commits: dict[RepoName, Rev] = {}
        for upstream in sorted(self.tasks[name].upstreams):
            match self.outcomes[upstream]:
                case Updated(commit=commit) | Unchanged(commit=commit):
                    commits[upstream] = commit
                case Failed():
                    return Known(Skipped(name, FailedUpstream(upstream, skipped=False, because=upstream)))
                case Skipped(upstream=above):
                    return Known(Skipped(name, FailedUpstream(upstream, skipped=True, because=above.because)))
                case other:
                    assert_never(other)
        self.listener(Started(name))
        if name in self.failing:
            return Known(Failed(name, self.failing[name]))
        return msgspec.structs.replace(self.tasks[name], commits=commits)

    def leave(self, name: RepoName) -> None:
        """Leave a repo alone that the plan does not change; an update branch that it no longer needs goes."""
        state = self.states.get(name)
        if state is None or self.worker.dry_run or name in self.undecided:
            return
        try:
            with Repository.open(state.clone) as repository:
                ref = f"refs/heads/{self.workspace.branch}"
                repository.clear_dead_locks(ref)
                tip = repository.ref(ref)
                if tip is not None:
                    branch = self.workspace.branch
                    find_update_branch(repository, branch, state.base_rev, state.branches.tracking)
                    left = left_on(repository, branch, tip, state.base_rev)
                    if left:
                        self.listener(Note(f"{name}: its base has the locks of its update, but not its {left}"))
                        return
                    repository.delete_ref(ref, old=tip)
                    self.listener(Note(f"{name}: nothing to update any more, its update branch is removed"))
        except Exception as error:  # noqa: BLE001 - it is left alone anyway
            self.listener(Note(f"{name}: its update branch stays: {as_error(error).message}"))


def _names(lockers: Sequence[str]) -> str:
    """Return who has written locks, each once, however many processes they were. lockers: what each calls its own."""
    return ", ".join(dict.fromkeys(name for each in lockers if each for name in each.split(", ")))


def _keep_made(outcomes: Iterable[RepoOutcome], workspace: Workspace, cache: Path) -> None:
    """Keep what is on the update commits of a run, so that status need not read them, nor take their locks apart."""
    made = MadeUpdates(made_file(cache, workspace.file), workspace.branch)
    outlines = KeptFiles(outlines_file(cache, workspace.file))
    for outcome in outcomes:
        if isinstance(outcome, Updated):
            if outcome.record is not None:
                made.add(outcome.commit, outcome.record)
            outlines.add(outcome.commit, outcome.outlines)
    made.write()
    outlines.write()


def _refuse_folders(states: Mapping[RepoName, RepoState], plan: Plan) -> None:
    for name, _ in plan.changes():
        match states[name]:
            case PlainFolder(repo=repo):
                raise ManifestError(
                    "not-a-repository",
                    f"repos.{name}.path: {repo.path} is a plain folder, not a git repository of its own",
                    hint="graph, drift and plan read plain folders; sync needs a repository to commit to",
                )


@contextmanager
def only_run(manifest: Path, cache: Path) -> Iterator[None]:
    """Keep other runs of the same manifest away until the block ends. Raises FlakesyncError (`busy`)."""
    with ExitStack() as stack:
        try:
            stack.enter_context(exclusive(run_file(manifest, cache, "lock"), wait=False))
        except FlakesyncError as error:
            if error.code != "busy":
                raise
            hint = "wait for it to end; nothing was changed"
            raise FlakesyncError("busy", f"another run holds {manifest}", hint=hint) from error
        yield


def _native_sources(snapshot: Snapshot, clones: Mapping[Identity, Path], options: Options, hosts: Hosts) -> Sources:
    """Return where the native locker finds commits: the repos' own repositories, all locks, the cache."""
    locks = [flake.lock for state in snapshot.states.values() for flake in state.flakes if flake.lock is not None]
    return Sources(clones, locks, options.cache, offline=options.offline, hosts=hosts)
