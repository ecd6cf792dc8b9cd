"""What publish, status and abandon answer with: one entry a repo."""

from typing import Literal

import msgspec

from flakesync.documents.sync import ErrorDocument
from flakesync.errors import FlakesyncError
from flakesync.forge.hosts import Servers
from flakesync.forge.model import Checks, Pull, PullState, Reviews

PublishStatus = Literal["opened", "updated", "unchanged", "failed", "skipped"]
SkipReason = Literal["no-update", "no-server", "closed", "merged", "stale", "upstream", "unpushed-base"]
Stage = Literal["none", "local", "pushed", "open", "closed", "landed", "failed"]
AbandonStatus = Literal["abandoned", "unchanged", "failed"]


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
    have), `unpushed-base` (it is made on commits that its own server does not have). branch, commit: what is
    published, null where there is none. pull: null where there is none, or no forge. notes: what a person should know:
    why it was skipped, and what stopped nothing. error: null unless it failed.
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

    @property
    def is_left(self) -> bool:
        """Whether there is an update that is neither published nor in the base: somebody has to do something."""
        return self.status == "failed" or (self.status == "skipped" and self.reason not in ("no-update", "merged"))


class PublishDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `flakesync publish`; repos in the order of the waves."""

    schema: Literal["flakesync/publish/1"] = "flakesync/publish/1"
    branch: str
    repos: list[PublishOutcome]


class PullStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A pull request as it stands. checks, reviews: null unless it is open. mergeable: null where it is not known."""

    url: str
    number: int
    state: PullState
    draft: bool
    checks: Checks | None = None
    reviews: Reviews | None = None
    mergeable: bool | None = None


class RepoStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Where the update of one repo stands.

    stage: `none` (no update), `local` (not on the server), `pushed` (no pull request), `open`, `closed`, `landed`,
    `failed` (`error` says why it is not known; what is known nevertheless is there). base: the branch that it is to
    land on. local, remote: tips of the update branch here and on the server. commit: the update commit, the one of the
    two that counts. landed: whether the base has it, or what its pull request was merged as. waits_for: the repos whose
    update it locks and that have not landed.
    """

    repo: str
    stage: Stage
    base: str | None = None
    branch: str | None = None
    local: str | None = None
    remote: str | None = None
    commit: str | None = None
    pull: PullStanding | None = None
    landed: bool = False
    waits_for: list[str] = []
    error: ErrorDocument | None = None


class StatusDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `flakesync status`; repos in the order of the waves."""

    schema: Literal["flakesync/status/1"] = "flakesync/status/1"
    branch: str
    repos: list[RepoStatus]


class AbandonOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What was taken away of one repo.

    pull: the pull request that was closed. local, remote: tips of the update branches that were deleted, here and on
    the server. error: null unless it failed; what was taken away before that is there nevertheless.
    """

    repo: str
    status: AbandonStatus
    pull: PullDocument | None = None
    local: str | None = None
    remote: str | None = None
    error: ErrorDocument | None = None


class AbandonDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `flakesync abandon`; repos by name. dry_run: nothing was done yet."""

    schema: Literal["flakesync/abandon/1"] = "flakesync/abandon/1"
    branch: str
    dry_run: bool
    repos: list[AbandonOutcome]


def pull_document(pull: Pull) -> PullDocument:
    """Return the JSON form of a pull request."""
    return PullDocument(url=pull.url, number=pull.number, state=pull.state)


def error_document(error: FlakesyncError, servers: Servers) -> ErrorDocument:
    """Return the JSON form of an error, in which no server has repeated a token to us."""
    hint = servers.clean(error.hint) if error.hint is not None else None
    return ErrorDocument(code=error.code, message=servers.clean(error.message), hint=hint)
