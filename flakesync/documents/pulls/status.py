"""The answer of `flakesync status`: one entry a repo."""

from typing import Literal

import msgspec

from flakesync.documents.sync import ErrorDocument
from flakesync.terms import Checks, PullState, Reviews

Stage = Literal["none", "local", "pushed", "open", "closed", "landed", "failed"]


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


DOCUMENT = StatusDocument
