"""One line of `history.jsonl`: how a workspace stood after one run of `flakesync report`."""

from typing import Literal

import msgspec

from flakesync.documents.drift import FindingKind


class PinHistory(msgspec.Struct, frozen=True, kw_only=True):
    """Where the inputs of one pin were.

    target: the commit, null: not known. revs: how many commits were locked; at_target: in how many repos the target
    is. oldest_d, median_d: days that the greatest and the middle repo were behind the target; null: no date is known.
    """

    target: str | None
    revs: int
    at_target: int
    oldest_d: int | None = None
    median_d: int | None = None


class PullHistory(msgspec.Struct, frozen=True, kw_only=True):
    """How many pull requests there were, open, merged, and of repos that failed."""

    open: int
    merged: int
    failed: int


class SyncHistory(msgspec.Struct, frozen=True, kw_only=True):
    """How many repos the sync of that run updated, and how many failed or were skipped."""

    updated: int
    failed: int
    skipped: int


class HistoryLine(msgspec.Struct, frozen=True, kw_only=True):
    """One run. It names no repo.

    at: UTC, ISO 8601 to the second. run: of the documents that the page was made of, the same for the same documents.
    in_step: repos without a finding that counts. findings: how many of each kind that occurs. pulls, sync: null where
    they were not asked for. seconds: what reading took, wall-clock.
    """

    schema: Literal["flakesync/history/1"] = "flakesync/history/1"
    at: str
    run: str
    repos: int
    in_step: int
    findings: dict[FindingKind, int]
    pins: dict[str, PinHistory]
    pulls: PullHistory | None = None
    sync: SyncHistory | None = None
    seconds: float = 0.0


DOCUMENT = HistoryLine
