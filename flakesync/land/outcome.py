"""What a landing has done about each repo."""

from dataclasses import dataclass
from typing import Literal

from flakesync.documents.pulls.land import LandStatus, Tested
from flakesync.errors import FlakesyncError
from flakesync.forge.hosts import Servers
from flakesync.forge.model import ForgeError, Pull, Waiting
from flakesync.sync.outcome import CheckOutcome, FailedUpstream, Unchanged, Updated
from flakesync.terms import RepoName, Rev


class Closed(ForgeError):  # noqa: N818 - it says what happened
    """A person closed the pull request of this very update."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LandOutcome:
    """What was done about one repo; its document says what each status means.

    pull: its pull request; None: it has none, or it was not looked up. commit: its update commit, as it was merged or
    is to be. merged: the commit of the base that has it, None unless landed. made: how the update commit came about;
    None: it did not come to that. waiting: what keeps it from being merged. waits_for: upstreams that have not landed.
    failed_upstreams: those that failed or were skipped, and whose update does not reach it. checks: those that ran, and
    the commands of `after` before them. error: None unless it failed or was skipped.
    """

    repo: RepoName
    status: LandStatus
    pull: Pull | None = None
    commit: Rev | None = None
    merged: Rev | None = None
    made: "Made | None" = None
    waiting: Waiting | None = None
    waits_for: tuple[RepoName, ...] = ()
    failed_upstreams: tuple[RepoName, ...] = ()
    checks: tuple[CheckOutcome, ...] = ()
    error: FlakesyncError | FailedUpstream | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LandResult:
    """One run of land.

    branch: the name of the update branches. locker: who wrote the locks that were made anew. repos: those that had
    something to land, in the order of the waves. deleted: those whose update branch was deleted, by name.
    """

    branch: str
    locker: str
    repos: tuple[LandOutcome, ...]
    deleted: tuple[RepoName, ...]


@dataclass(frozen=True, slots=True)
class Made:
    """The update commit of a repo. anew: whether it is another one than the server had."""

    commit: Rev
    anew: bool
    tested: Tested
    outcome: Updated | Unchanged

    def result(
        self,
        status: Literal["landed", "repinned", "waiting"],
        pull: Pull | None = None,
        *,
        waiting: Waiting | None = None,
        merged: Rev | None = None,
    ) -> LandOutcome:
        """Return the outcome of a repo whose update commit this is. waiting: what keeps it from being merged."""
        return LandOutcome(
            repo=self.outcome.repo,
            status=status,
            pull=pull,
            commit=self.commit,
            merged=merged,
            made=self,
            waiting=waiting,
            checks=(*self.outcome.after, *self.outcome.checks) if isinstance(self.outcome, Updated) else (),
        )


def checks_of(outcome: Updated | Unchanged) -> tuple[CheckOutcome, ...]:
    """Return the checks that ran for an update commit."""
    return outcome.checks if isinstance(outcome, Updated) else ()


def left_waiting(name: RepoName, waiting: Waiting, pull: Pull | None = None) -> LandOutcome:
    """Return the outcome of a repo whose update, and the pull request of it, are left as they are."""
    commit = pull.head if pull is not None else None
    return LandOutcome(repo=name, status="waiting", pull=pull, commit=commit, waiting=waiting)


def failed(
    name: RepoName, error: FlakesyncError, servers: Servers, checks: tuple[CheckOutcome, ...] = ()
) -> LandOutcome:
    """Return the outcome of a repo whose landing ended with an error. checks: as of LandOutcome."""
    status: Literal["failed", "skipped"] = "skipped" if isinstance(error, Closed) else "failed"
    return LandOutcome(repo=name, status=status, checks=checks, error=servers.clean_error(error))
