"""What documents say of a pin whose newest commit has to be proven first: which commit it is at, and what waits."""

from typing import Literal

import msgspec

DatedBy = Literal["forge", "seen", "commit"]
"""Who tells how old a commit is: the forge's record of pushes, flakesync's own record of tips, or the commit's date."""

WaitReason = Literal["age", "ci", "ci-pending", "not-a-tip", "not-dated"]
"""Why a commit is not taken (yet): too young; its checks failed, or a required one never ran; its checks have not
ended; it was never the branch's tip; nobody who is trusted tells its age."""


class TipDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The newest commit of a branch. first_seen: when it came to the branch, seconds since the epoch."""

    rev: str
    first_seen: int
    dated_by: DatedBy


class WaitDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A commit that is not taken yet. until: the UTC day on which it is old enough, null: no day is known."""

    rev: str
    why: WaitReason
    until: str | None
    detail: str


class WaiverDocument(msgspec.Struct, frozen=True, kw_only=True):
    """That nobody waited, and the reason that was given for it."""

    reason: str


class ConditionsDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What commits have to be before an input moves to one of them.

    days: how old; 0: any age. tips: whether they must have been the branch's tip. checks: whether their checks must
    have passed. dated_by: who tells the age of the commit that was taken, or of the newest where none was.
    """

    days: int
    tips: bool
    checks: bool
    dated_by: DatedBy


class PinChoice(msgspec.Struct, frozen=True, kw_only=True):
    """A pin, or a source that `external` moves, whose newest commit has to be proven first.

    name: the pin's, or the reference. target_rev null: no commit may be taken yet; stays: why. waits: newest first.
    """

    name: str
    target_rev: str | None
    tip: TipDocument
    waits: list[WaitDocument]
    waived: WaiverDocument | None
    conditions: ConditionsDocument
    stays: str | None = None
