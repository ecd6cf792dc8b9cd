"""The answer of `flakesync publish`: one entry a repo."""

from typing import Literal

import msgspec

from flakesync.documents.sync import ErrorDocument
from flakesync.terms import PullState

PublishStatus = Literal["opened", "updated", "unchanged", "failed", "skipped"]
SkipReason = Literal["no-update", "no-server", "closed", "merged", "stale", "upstream", "unpushed-base", "limit"]


class PullDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A pull request. url: for people. number: as its forge counts them."""

    url: str
    number: int
    state: PullState


class PublishOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one repo.

    status: `opened` (or opened again), `updated` (its branch, title or body; or a branch without a forge was pushed),
    `unchanged`, `failed`, `skipped` for a `reason`: `no-update` (nothing to publish), `no-server` (nowhere to push to),
    `closed` (a person closed its pull request), `merged` (the update is in the base), `stale` (the base, or the
    base of an upstream, has gone on without it), `upstream` (it locks a commit that the server of an upstream does not
    have), `unpushed-base` (it is made on commits that its own server does not have), `limit` (the run has opened as
    many pull requests as it may; a later one goes on). branch, commit: what is published, null where there is none.
    pull: null where there is none, or no forge. notes: what a person should know: why it was skipped, and what stopped
    nothing. error: null unless it failed.
    """

    repo: str
    status: PublishStatus
    reason: SkipReason | None = None
    branch: str | None = None
    commit: str | None = None
    pushed: bool = False
    pull: PullDocument | None = None
    notes: list[str] = []
    error: ErrorDocument | None = None


class PublishDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `flakesync publish`; repos in the order of the waves."""

    schema: Literal["flakesync/publish/1"] = "flakesync/publish/1"
    branch: str
    repos: list[PublishOutcome]


DOCUMENT = PublishDocument
