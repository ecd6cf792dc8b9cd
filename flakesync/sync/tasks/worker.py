"""Carries out tasks: the way from what a plan says of one repo to its update commit, on this machine."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from flakesync.cache.layout import journal_file
from flakesync.cooldown.waivers import waiver_lines
from flakesync.errors import as_error
from flakesync.processes.folders import temporary_folder
from flakesync.survey.held.check_holds import CheckHold, find_hold, hold_lines
from flakesync.sync.borrowed import borrowed as borrow
from flakesync.sync.bump import bump
from flakesync.sync.checks import ChecksFailedError
from flakesync.sync.files.after import AfterError
from flakesync.sync.holding.rests import Rests
from flakesync.sync.job import BumpJob, make_job, plan_move
from flakesync.sync.outcome import Failed, Unchanged, Updated
from flakesync.sync.preflight import NOBODY, identity_in
from flakesync.sync.tasks.task import RepoTask
from flakesync.sync.tools import Tools
from flakesync.terms import RepoName
from flakesync.workspace.manifest import Workspace
from flakesync.workspace.snapshot import RepoAtCommit

if TYPE_CHECKING:
    from flakesync.sync.holding.on_failure import Rest

Work = Callable[[BumpJob, Tools], Updated | Unchanged]
"""What is done about a repo, as `bump`."""


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """Where tasks are carried out; threads share it.

    states: the repos as they were read; those of a task and of its upstreams are enough. repositories: the same, with
    the clones that their commits are read from and written to: throw-away ones in a dry run. rests: looks for what to
    hold where checks fail. work: what is done about a repo, `bump` but in tests and in a bisection.
    """

    workspace: Workspace
    states: Mapping[RepoName, RepoAtCommit]
    repositories: Mapping[RepoName, RepoAtCommit]
    tools: Tools
    rests: Rests
    dry_run: bool = False
    work: Work = bump

    def carry_out(self, task: RepoTask) -> Updated | Unchanged | Failed:
        """Update one repo and return the result. The same task makes the same commit, whoever carries it out."""
        try:
            return self._update(task)
        except ChecksFailedError as error:
            return Failed(task.repo, error, error.results, error.after)
        except AfterError as error:
            return Failed(task.repo, error, after=error.results)
        except Exception as error:  # noqa: BLE001 - on a full disk, or a bug that one repo meets, the others may succeed
            return Failed(task.repo, as_error(error))

    def _update(self, task: RepoTask) -> Updated | Unchanged:
        """Do what is to be done for a repo. Raises: FlakesyncError."""
        job = self.job(task, task.holds)
        try:
            return self.work(job, self.tools)
        except ChecksFailedError as error:
            if self.states[task.repo].repo.on_failure.mode != "bisect":
                raise
            rest = self._rest(task, job, error)
        job = self.job(task, (*job.holds, *rest.holds))
        return self.work(msgspec.structs.replace(job, tested=rest.tested), self.tools)

    def _rest(self, task: RepoTask, job: BumpJob, failed: ChecksFailedError) -> "Rest":
        """Return what can be updated without what breaks the checks. Raises: FlakesyncError."""
        with temporary_folder("bisect") as tmp:
            clone = borrow(self.repositories[task.repo], self.workspace.branch, tmp).clone
            job = msgspec.structs.replace(job, borrowed=clone, author=job.author or identity_in(job.clone) or NOBODY)
            return self.rests.find(job, task.units, self.states[task.repo].repo.on_failure, failed)

    def job(self, task: RepoTask, holds: Sequence[CheckHold]) -> BumpJob:
        """Return what is to be done for a repo, with the clones of this machine. Raises: GitError.

        holds: those count whose inputs would go to the very commits that the checks fail with, unless nothing is left.
        """
        branch = self.workspace.branch
        every = [plan_move(change, branch, self.repositories, task.commits) for change in task.changes]
        held = {each.key: found for each in every if (found := find_hold(holds, *each.key, each.rev)) is not None}
        if len(held) == len(every):
            held = {}
        left = [each for each in every if each.key not in held]
        moving = {each.key for each in left}
        changes = [each for each in task.changes if (each.flake, each.input) in moving]
        waived = {each.pin: each.waived for each in changes if each.pin and each.waived is not None}
        job = make_job(self.workspace, task.run, self.states[task.repo], left)
        kept = tuple(held.values())
        job = msgspec.structs.replace(job, trailers=(*waiver_lines(waived), *hold_lines(kept)), holds=kept)
        if not self.dry_run:
            return job
        author = job.author or identity_in(job.clone) or NOBODY
        return msgspec.structs.replace(
            job, author=author, borrowed=self.repositories[task.repo].clone, runs_after=False
        )


def make_rests(tools: Tools, manifest: Path, cache: Path, day: str) -> Rests:
    """Return who looks for what to hold; what it finds out on the way is kept in the cache directory. day: UTC."""
    return Rests(tools, lambda name: journal_file(manifest, cache, name), day)
