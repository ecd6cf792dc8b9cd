"""The answer of `flakesync bisect`: which moves of a repo break its checks, and which rest passes."""

from typing import Literal

import msgspec

ProbeVerdict = Literal["pass", "fail", "unknown"]
"""fail: the check failed that fails with all moves. unknown: it ended in another way, or could not be run."""

ProbeSource = Literal["ran", "sync", "cache", "same-drv"]
"""Who ran the checks: this bisection (now, or before it was interrupted), a sync, or another bisection.
same-drv: nobody, as they build the derivations whose build has failed in another probe."""

BisectOutcome = Literal["found", "broken-before", "not-failing", "flaky", "too-many", "limit"]
"""broken-before: the checks fail without the update. not-failing: they pass with all of it. flaky: they passed and
failed with the same. too-many: more units are guilty than can be held. limit: --max-checks or --limit was reached."""


class BisectMoveDocument(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """One input that moves. from: null where none was locked. to: null where it is an update, or Nix decides."""

    flake: str
    input: str
    from_: str | None
    to: str | None


class UnitDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Moves that are tried together."""

    id: str
    moves: list[BisectMoveDocument]


class AtDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A unit, and the commit of its repo that it was at."""

    unit: str
    rev: str


class ProbeDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One probe: the checks with these units moved and no others. why: the check that failed, or what was in the way.

    again: whether the same had been run before, to see whether the check is flaky. at: a unit that was at another
    commit of its repo than its move leads to.
    """

    units: list[str]
    verdict: ProbeVerdict
    why: str | None
    duration_s: float
    source: ProbeSource
    again: bool
    at: AtDocument | None = None


class FirstBadDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The commit of a repo with which the checks begin to fail. date: its UTC day."""

    rev: str
    subject: str
    date: str | None


class GuiltyDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A unit that the others do not pass with. only_with: units that it fails together with; empty: it fails alone.

    proven: false where the check could not be run with it. first_bad: with --commits, where that was found. range: else
    the last commit that passes and the first one known that fails. walked: which commits were looked at: commits: all
    along first parents; tips: those that are known to have been the tip of their branch or that a lock of the workspace
    has. not_walked: why none was, or why that came to no end.
    """

    unit: str
    only_with: list[str]
    proven: bool
    first_bad: FirstBadDocument | None = None
    range: list[str] | None = None
    walked: Literal["commits", "tips"] | None = None
    not_walked: str | None = None


class BisectDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `flakesync bisect`.

    base: the commit that the update is made on. command: the checks. output: the end of what the check wrote with all
    moves; null where that was not run, or passes. passing: the units that pass together. complete: whether the search
    came to an end, that of commits too. hint: what to do about an error of Nix in `output` that is known.
    """

    schema: Literal["flakesync/bisect/1"] = "flakesync/bisect/1"
    repo: str
    base: str
    command: list[str]
    units: list[UnitDocument]
    probes: list[ProbeDocument]
    outcome: BisectOutcome
    guilty: list[GuiltyDocument]
    passing: list[str]
    output: str | None
    complete: bool
    hint: str | None = None


DOCUMENT = BisectDocument
