"""What is held in the repos of a run whose checks fail: one repo is looked at after the other."""

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from msgspec.structs import replace

from flakesync.errors import INTERRUPTED, FlakesyncError, as_error
from flakesync.sync.bisect.units import Unit
from flakesync.sync.bisect.verdicts import result_of
from flakesync.sync.checks import ChecksFailedError
from flakesync.sync.events import Step
from flakesync.sync.job import BumpJob
from flakesync.sync.tools import Tools
from flakesync.sync.up_to_date import UpToDateBranches
from flakesync.terms import RepoName, Rev
from flakesync.workspace.settings.on_failure import OnFailure

if TYPE_CHECKING:
    from flakesync.sync.holding.on_failure import Rest


class Rests:
    """Finds rests of one run, one after the other: what is guilty in one repo is looked at first in the next."""

    def __init__(self, tools: Tools, place: Callable[[RepoName], Path], day: str) -> None:
        """place: of the journal of a repo. day: today's, UTC."""
        self._tools = replace(tools, up_to_date=UpToDateBranches(None))
        self._place = place
        self._day = day
        self._guilty: set[Rev] = set()
        self._one = Lock()

    def find(self, job: BumpJob, units: Sequence[Unit], limits: OnFailure, failed: ChecksFailedError) -> "Rest":
        """Return what to hold, so that the checks pass with the rest, which was checked as a whole.

        job: the whole update, in a throw-away repository. failed: how its checks ended.

        Raises: FlakesyncError: the failure that it is, with what was found out.
        """
        from flakesync.sync.holding.on_failure import find_rest  # a bisection: 8 ms that most runs do not need

        if not result_of(failed.results).is_decided:
            raise _with_more(failed, "a check that does not end by itself tells nothing of an input")
        self._tools.listener(Step(job.repo, "bisecting"))
        place = self._place(job.repo)
        try:
            with self._one:
                rest = find_rest(
                    job, units, limits, failed, self._tools, place=place, day=self._day, guilty=self._guilty
                )
        except FlakesyncError as error:
            if error.code in INTERRUPTED:
                raise
            raise _with_more(failed, error.message) from error
        except OSError as error:
            raise _with_more(failed, as_error(error).message) from error
        self._guilty |= {hold.rev for hold in rest.holds if hold.rev is not None}
        return rest


def _with_more(failed: ChecksFailedError, why: str) -> ChecksFailedError:
    """Return the failure, with what is known of it beside."""
    return ChecksFailedError(
        failed.results, failed.after, more=f", and nothing could be held: {why}", clone=failed.clone
    )
