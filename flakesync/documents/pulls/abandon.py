"""The answer of `flakesync abandon`: one entry a repo."""

from typing import Literal

import msgspec

from flakesync.documents.pulls.publish import PullDocument
from flakesync.documents.sync import ErrorDocument

AbandonStatus = Literal["abandoned", "unchanged", "failed"]


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


DOCUMENT = AbandonDocument
