"""What `land` answers with: one entry for each repo that had something to land."""

from typing import Literal

import msgspec

from flakesync.documents.plan import ChangeDocument
from flakesync.documents.sync import CheckResult, ErrorDocument
from flakesync.terms import WaitReason

LandStatus = Literal["landed", "repinned", "waiting", "failed", "skipped"]
Tested = Literal["as-published", "carried-over", "ran", "none"]


class LandOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one repo.

    status: `landed` (its base has the update) · `repinned` (its update branch was made anew on what has landed, and is
    not merged) · `waiting` (for the repos in `waits_for`, or for what `detail` says) · `failed` · `skipped` (an
    upstream failed, or a person closed its pull request). reason: what a waiting pull request waits for: `checks`,
    `reviews`, `computing` (the forge has not decided), `queue` (a merge queue or train), `upstream` (another pull
    request), `person`; null otherwise. pull: address of its pull request, null where there is none.
    commit: its update commit as it was merged or is to be. merged: the commit of the base that has it, null unless
    landed. changes: the inputs that the update commit moves, where it was made anew. checks: how its own checks stand:
    `as-published` (the commit is the published one) · `carried-over` (another commit with the same trees) · `ran`
    again · `none` (the repo has none); null: it did not come to that. results: of the checks that ran,
    and of the commands of `after` before them.
    failed_upstreams: repos that it takes and that failed or were skipped, where their update does not reach it.
    """

    repo: str
    status: LandStatus
    pull: str | None = None
    commit: str | None = None
    merged: str | None = None
    changes: list[ChangeDocument] = []
    checks: Tested | None = None
    results: list[CheckResult] = []
    waits_for: list[str] = []
    failed_upstreams: list[str] = []
    reason: WaitReason | None = None
    detail: str | None = None
    error: ErrorDocument | None = None


class LandDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `flakesync land`; repos in the order of the waves.

    locker: what wrote the locks that were made anew. deleted: whose update branch was deleted.
    """

    schema: Literal["flakesync/land/1"] = "flakesync/land/1"
    branch: str
    locker: str
    repos: list[LandOutcome]
    deleted: list[str]


DOCUMENT = LandDocument
