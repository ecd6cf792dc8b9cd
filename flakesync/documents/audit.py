"""The answer of `flakesync audit`: what is wrong in the locks, and what could not be looked at."""

from typing import Literal

import msgspec

from flakesync.workspace.audit import RuleId, Severity

Level = Literal["offline", "mirror", "forge"]
"""How much is asked: the locks alone; the servers' histories and files too; and what forges say of repositories."""


class IgnoreReason(msgspec.Struct, frozen=True, kw_only=True):
    """The `[[audit.ignore]]` that a finding is left by. until: a day (ISO 8601), null: for ever."""

    reason: str
    until: str | None


class AuditFinding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong.

    flake and input are null where it is of a whole repo. line: of the node's `locked` in the flake.lock, from 1.
    source: the repository that is locked, without the commit. fingerprint: stays the same while the commit alone
    changes. new: it is not at the revision of `--new-since`; false where none was given.
    """

    rule: RuleId
    severity: Severity
    repo: str
    flake: str | None
    input: str | None
    line: int | None
    source: str | None
    locked_rev: str | None
    message: str
    fingerprint: str
    ignored: IgnoreReason | None = None
    new: bool = False


class Unchecked(msgspec.Struct, frozen=True, kw_only=True):
    """A check that could not be made, which is not a pass."""

    rule: RuleId
    repo: str
    flake: str | None
    input: str | None
    reason: str


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How many findings there are of each severity, without the ignored ones, which are counted beside them."""

    high: int
    medium: int
    low: int
    info: int
    ignored: int


class AuditReport(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `flakesync audit`: findings by repo, flake, severity and input.

    at: `base`, `update`, or the revision that was read. new_since: the revision whose findings are left out; null: none
    are. repos: that were asked for. unread: those of them that could not be read, so that nothing is known of their
    locks. rules: that were asked for; empty: all of the level. sources: how many different
    sources and commits the locks name. hashes_known: how many narHashes had been computed by an earlier run.
    """

    schema: Literal["flakesync/audit/1"] = "flakesync/audit/1"
    level: Level
    at: str
    new_since: str | None = None
    repos: list[str]
    unread: list[str] = []
    rules: list[RuleId] = []
    findings: list[AuditFinding]
    unchecked: list[Unchecked]
    counts: Counts
    sources: int
    hashes_known: int = 0


DOCUMENT = AuditReport
