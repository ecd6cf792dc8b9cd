"""What became of a repo that was to land, as the document says it."""

from dataclasses import dataclass
from typing import Literal

from flakesync.documents.land import LandOutcome, Tested
from flakesync.documents.sync import Outcome
from flakesync.errors import FlakesyncError
from flakesync.forge.hosts import Servers
from flakesync.forge.model import ForgeError, Pull, Waiting
from flakesync.publish.documents import error_document
from flakesync.terms import RepoName, Rev


class Closed(ForgeError):  # noqa: N818 - it says what happened
    """A person closed the pull request of this very update."""


@dataclass(frozen=True, slots=True)
class Made:
    """The update commit of a repo. anew: whether it is another one than the server had."""

    commit: Rev
    anew: bool
    tested: Tested
    outcome: Outcome

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
            pull=pull.url if pull is not None else None,
            commit=self.commit,
            merged=merged,
            changes=self.outcome.changes if self.anew else [],
            checks=self.tested,
            results=self.outcome.checks,
            reason=waiting.reason if waiting is not None and status == "waiting" else None,
            detail=waiting.detail if waiting is not None else None,
        )


def left_waiting(name: RepoName, waiting: Waiting, pull: Pull | None = None) -> LandOutcome:
    """Return the outcome of a repo whose update, and the pull request of it, are left as they are."""
    return LandOutcome(
        repo=name,
        status="waiting",
        pull=pull.url if pull is not None else None,
        commit=pull.head if pull is not None else None,
        reason=waiting.reason,
        detail=waiting.detail,
    )


def failed(name: RepoName, error: FlakesyncError, servers: Servers) -> LandOutcome:
    """Return the outcome of a repo whose landing ended with an error."""
    status: Literal["failed", "skipped"] = "skipped" if isinstance(error, Closed) else "failed"
    return LandOutcome(repo=name, status=status, error=error_document(error, servers))
