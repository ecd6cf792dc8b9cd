"""The checks of a repo, run on its update commit before the branch moves to it."""

import shlex
import time
from collections.abc import Sequence
from pathlib import Path

from flakesync.errors import SyncError
from flakesync.git.repository import Repository
from flakesync.git.scratch.worktree import checkout
from flakesync.sync.bisect.verdicts import result_of
from flakesync.sync.events import Step
from flakesync.sync.job import BumpJob
from flakesync.sync.outcome import CheckOutcome
from flakesync.sync.tools import Tools
from flakesync.terms import Rev


class ChecksFailedError(SyncError):
    """A check of a repo failed. results: of all checks that ran. after: of the commands of `after` that ran before."""

    def __init__(
        self,
        results: tuple[CheckOutcome, ...],
        after: tuple[CheckOutcome, ...] = (),
        *,
        more: str = "",
        clone: Path | None = None,
    ) -> None:
        """Name the last check, which is the one that failed.

        more: what else is known of it. clone: the repo's, for the files that git does not track there.
        """
        from flakesync.nix.program.hints import hint_in  # its patterns take 6 ms

        last = results[-1]
        known = hint_in(last.output, clone)
        super().__init__(
            "check-failed",
            f"`{last.command}` "
            + ("took too long" if last.exit_status is None else f"ended with exit status {last.exit_status}")
            + more,
            hint=(f"{known}; " if known is not None else "")
            + "its last lines are in the report; the update branch was not moved; "
            "`flakesync bisect` finds what to hold",
        )
        self.results, self.after, self.clone = results, after, clone


def run_checks(
    job: BumpJob, tools: Tools, repository: Repository, commit: Rev, after: tuple[CheckOutcome, ...] = ()
) -> tuple[CheckOutcome, ...]:
    """Run the repo's checks in a worktree of the new commit. after: what ran before them. Raises ChecksFailedError."""
    results: list[CheckOutcome] = []
    with checkout(repository, commit) as folder:
        for argv in job.checks:
            results.append(run_command(job, tools, "checking", argv, folder))
            if results[-1].exit_status != 0:
                break
    _keep(job, tools, repository, commit, results)
    if results and results[-1].exit_status != 0:
        raise ChecksFailedError(tuple(results), after, clone=job.clone)
    return tuple(results)


def run_command(job: BumpJob, tools: Tools, step: str, argv: Sequence[str], folder: Path) -> CheckOutcome:
    """Run one command of a repo, a check or one of `after`, in a folder; step: what the listener is told."""
    command = shlex.join(argv)
    tools.listener(Step(job.repo, step, command))
    begin = time.monotonic()
    ran = tools.check(argv, folder)
    duration_s = round(time.monotonic() - begin, 3)
    return CheckOutcome(command, ran.status, duration_s, ran.output)


def _keep(job: BumpJob, tools: Tools, repository: Repository, commit: Rev, results: Sequence[CheckOutcome]) -> None:
    """Let a bisection know how the checks have ended, so that it need not run them on the same tree again."""
    if tools.verdicts is not None:
        tools.verdicts.put(repository.reader.tree_of(commit), job.checks, result_of(results, "sync"))
