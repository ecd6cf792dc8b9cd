"""One line of `history.jsonl`: how a workspace stood after one run of `flakesync report`."""

from typing import Annotated, Literal

import msgspec

from flakesync.documents.drift import FindingKind

MOST = 1_000_000_000
"""No number of a line is greater: what reads one may calculate with it."""

Count = Annotated[int, msgspec.Meta(ge=0, le=MOST)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=MOST)]


class PinHistory(msgspec.Struct, frozen=True, kw_only=True):
    """Where the inputs of one pin were.

    target: the commit, null: not known. revs: how many commits were locked; at_target: in how many repos the target
    was. oldest_d, median_d: days that the greatest and the middle repo were behind the target, 0 for one that is past
    it; null: no date is known.
    """

    target: str | None
    revs: Count
    at_target: Count
    oldest_d: Count | None = None
    median_d: Count | None = None


class PullHistory(msgspec.Struct, frozen=True, kw_only=True):
    """How many repos had an open pull request, a merged one, and how many are not known of."""

    open: Count
    merged: Count
    failed: Count


class SyncHistory(msgspec.Struct, frozen=True, kw_only=True):
    """How many repos the sync of that run updated, and how many failed or were skipped."""

    updated: Count
    failed: Count
    skipped: Count


class HistoryLine(msgspec.Struct, frozen=True, kw_only=True):
    """One run. It names no repo.

    at: UTC, ISO 8601 to the second. run: of the documents that the page was made of, the same for the same documents.
    in_step: repos without a finding that counts. findings: how many of each kind that occurs; held ones do not count.
    pulls, sync: null where they were not asked for. seconds: what reading took, wall-clock.
    """

    schema: Literal["flakesync/history/1"] = "flakesync/history/1"
    at: str
    run: str
    repos: Count
    in_step: Count
    findings: dict[FindingKind, Count]
    pins: dict[str, PinHistory]
    pulls: PullHistory | None = None
    sync: SyncHistory | None = None
    seconds: Seconds = 0.0


DOCUMENT = HistoryLine
