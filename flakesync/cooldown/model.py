"""Commits of a branch that an input may move to, what is known of each, and which of them was chosen, and why."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from flakesync.documents.cooldown.choice import DatedBy, WaitReason
from flakesync.terms import Rev

__all__ = [
    "DAY_S",
    "Candidate",
    "Candidates",
    "ChecksOf",
    "Choice",
    "CommitChecks",
    "DatedBy",
    "Wait",
    "WaitReason",
]

ChecksOf = Literal["passed", "failed", "pending", "none", "unknown"]

DAY_S = 86_400


class Candidate(msgspec.Struct, frozen=True):
    """A commit of a branch. time: when it came to the branch, seconds since the epoch, as `dated_by` tells it.

    was_tip: whether the branch has pointed at it.
    """

    rev: Rev
    time: int
    dated_by: DatedBy
    was_tip: bool


class Candidates(msgspec.Struct, frozen=True):
    """What is known of a branch, newest first; the first is its tip now. note: what a person should know of it.

    lost: commits that it was seen at and that a forced push has taken out of its history.
    """

    commits: Sequence[Candidate]
    note: str | None = None
    lost: frozenset[Rev] = frozenset()


class CommitChecks(msgspec.Struct, frozen=True):
    """What a forge says of the checks of one commit. by_name: each check's state, as its forge shows its name.

    why_unknown: a phrase, where the forge could not be asked; then `by_name` is empty.
    """

    by_name: Mapping[str, ChecksOf]
    why_unknown: str | None = None


class Wait(msgspec.Struct, frozen=True):
    """A commit newer than the chosen one, and why it waits. until: the UTC day on which it is old enough, ISO; None: no
    day is known. detail: a phrase for people.
    """

    rev: Rev
    why: WaitReason
    until: str | None
    detail: str


class Choice(msgspec.Struct, frozen=True):
    """What was decided about a branch.

    chosen: the commit that inputs go to; None: none may be taken yet, so they stay where they are. tip: the newest.
    waits: what is newer than the chosen one and why it was not taken, newest first; at most one a reason beside the
    tip's. newer: every commit known to be newer than the chosen one, as inputs locked there are not moved back.
    waived: the reason given for not waiting; None: nothing was waived. why_none: a phrase where `chosen` is None.
    lost: see Candidates.
    """

    chosen: Candidate | None
    tip: Candidate
    waits: tuple[Wait, ...]
    newer: frozenset[Rev]
    waived: str | None = None
    why_none: str | None = None
    note: str | None = None
    lost: frozenset[Rev] = frozenset()
