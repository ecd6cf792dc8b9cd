"""What the tasks of upstreams have come to, read from their update branches alone; each is looked at once.

A branch counts when its commit was made by this run, or is what its task would make: sync leaves a branch that is as
planned alone, with the name of the run that made it. Where the base has everything already, its commit counts.
"""

from collections.abc import Mapping

import msgspec

from flakesync.errors import FlakesyncError, SyncError
from flakesync.git.repository import Repository
from flakesync.git.trailers import trailer
from flakesync.git.values import Commit
from flakesync.nix.lock.file import LockFile
from flakesync.pipeline.elsewhere import Place, make_worker, upstreams_of
from flakesync.pipeline.plan_file import PlanFile
from flakesync.pipeline.states import RepoStates, is_made_by, is_on_base, update_tip
from flakesync.sync.bump import locks_before
from flakesync.sync.events import Note
from flakesync.sync.files.edits import edited_files
from flakesync.sync.job import BumpJob
from flakesync.sync.outcome import FailedUpstream
from flakesync.sync.tasks.task import RepoTask
from flakesync.sync.verify import is_current
from flakesync.terms import FlakeDir, RepoName, Rev
from flakesync.update.commit import RUN, UpdateBranch
from flakesync.workspace.inputs import rev_of
from flakesync.workspace.snapshot import RepoAtCommit


class Upstreams:
    """The results of tasks as their servers show them."""

    def __init__(
        self, plan: PlanFile, place: Place, states: RepoStates, known: Mapping[RepoName, Rev | FailedUpstream] = {}
    ) -> None:
        """known: what is known of some already; it may grow meanwhile."""
        self._plan = plan
        self._place = place
        self._states = states
        self._known = known
        self._found: dict[RepoName, Rev | FailedUpstream] = {}

    def commits_of(self, task: RepoTask) -> dict[RepoName, Rev] | FailedUpstream:
        """Return the commits of a task's upstreams, or the first upstream that has none.

        Raises: FlakesyncError: an upstream cannot be read.
        """
        commits: dict[RepoName, Rev] = {}
        for name in sorted(task.upstreams):
            found = self.commit(name)
            if isinstance(found, FailedUpstream):
                return found
            commits[name] = found
        return commits

    def commit(self, name: RepoName) -> Rev | FailedUpstream:
        """Return the commit of a repo of the plan that its dependents lock. Raises: FlakesyncError."""
        if name in self._known:
            return self._known[name]
        if name not in self._found:
            self._found[name] = self._find(self._plan.by_repo[name])
        return self._found[name]

    def _find(self, task: RepoTask) -> Rev | FailedUpstream:
        name = task.repo
        if name in self._plan.failing:
            return FailedUpstream(name, skipped=False, because=name)
        try:
            state = self._states.at(name, task.base_rev)
        except SyncError as error:
            return self._none(name, error.message)
        with Repository.open(state.clone) as repository:
            tip = update_tip(repository, state, self._place.workspace.branch)
            commit = repository.commit(tip) if tip is not None else None
            if commit is not None and is_made_by(repository, commit, task):
                return commit.rev
        commits = self.commits_of(task)
        if isinstance(commits, FailedUpstream):
            return FailedUpstream(name, skipped=True, because=commits.because)
        return self._as_planned(msgspec.structs.replace(task, commits=commits), state, commit)

    def _as_planned(self, task: RepoTask, state: RepoAtCommit, commit: Commit | None) -> Rev | FailedUpstream:
        """Return the commit of a branch, or of a base, that is what its task would make."""
        states = {task.repo: state}
        for name in upstreams_of(task) - {task.repo}:
            base = task.bases.get(name)
            states[name] = self._states.at(name, base) if base is not None else self._states.now(name)
        worker = make_worker(self._place, states, [], task.day)
        try:
            job = worker.job(task, task.holds)
            with Repository.open(state.clone) as repository:
                edited, before = edited_files(repository, job), locks_before(job, repository, {})
                if commit is not None and is_on_base(repository, commit, task):
                    existing = UpdateBranch(commit.rev, task.base_rev, single=True, run=trailer(commit, RUN))
                    if is_current(job, repository, worker.tools.gate, existing, before, edited):
                        return commit.rev
                if not edited and _has_all(job, before):
                    return task.base_rev
        except FlakesyncError as error:  # its own task fails with that
            return self._none(task.repo, error.message)
        return self._none(task.repo, _why(commit, task, self._place.workspace.branch))

    def _none(self, name: RepoName, why: str) -> FailedUpstream:
        self._place.listener(Note(f"{name}: {why}; its own job says why"))
        return FailedUpstream(name, skipped=False, because=name)


def _has_all(job: BumpJob, before: Mapping[FlakeDir, LockFile]) -> bool:
    """Tell whether the base has every planned input where the plan wants it."""
    if job.rewrites or not job.moves or any(each.stale for each in job.moves):
        return False
    for each in job.moves:
        node = before[each.flake].node(each.move.input)
        if node is None or rev_of(node.locked or {}) != each.rev:
            return False
    return True


def _why(commit: Commit | None, task: RepoTask, branch: str) -> str:
    """Return what a person should know of an update branch that does not count."""
    if commit is None:
        return f"its server has no {branch}"
    run = trailer(commit, RUN)
    if run is None:
        return f"{branch} of its server is at somebody else's commit {commit.rev[:12]}"
    return f"{branch} of its server is of run {run[:64]}, not of {task.run}, and not what this plan wants"
