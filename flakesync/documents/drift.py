"""The answer of `flakesync drift`: where pins are, and what is not as the workspace wants it."""

from typing import Literal

import msgspec

from flakesync.documents.cooldown.choice import ConditionsDocument, PinChoice, TipDocument, WaitDocument, WaiverDocument
from flakesync.documents.plan import InertDocument

FindingKind = Literal[
    "pin",
    "upstream",
    "external",
    "ref",
    "duplicate",
    "age",
    "rewritten",
    "unknown-rev",
    "unlanded",
    "unlocked",
    "foreign",
    "no-lock",
    "bad-lock",
    "stale-lock",
    "unreachable",
]


class Locked(msgspec.Struct, frozen=True, kw_only=True):
    """One commit of a pin's source that repos are locked to. last_modified: seconds since the epoch, null: unknown.

    flakes: of repos whose flakes are not all at one commit, those that are at this one.
    """

    rev: str | None
    last_modified: int | None
    repos: list[str]
    flakes: dict[str, list[str]] = {}


class PinDrift(msgspec.Struct, frozen=True, kw_only=True):
    """One pin: where its inputs should be and where they are, newest first. target_rev null: it is not known.

    Where the newest commit has to be proven first: tip: that commit. waits: what is newer than the target, and why it
    is not taken yet, newest first. waived: why nobody waited. conditions: what is asked. stays: why no commit may be
    taken yet, so that there is no target. Else these are null, and `waits` is empty.
    """

    name: str
    source: str
    target_rev: str | None
    target_last_modified: int | None
    target_note: str | None
    locked: list[Locked]
    tip: TipDocument | None = None
    waits: list[WaitDocument] = []
    waived: WaiverDocument | None = None
    conditions: ConditionsDocument | None = None
    stays: str | None = None


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as the workspace wants it. flake and input are null where it is of a whole repo.

    held: why the input stays where it is for now; null: it does not. What is held does not count.
    """

    kind: FindingKind
    repo: str
    flake: str | None
    input: str | None
    locked_rev: str | None
    wanted_rev: str | None
    detail: str
    held: str | None = None


class DriftReport(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `flakesync drift`, in the order: pins as in the manifest, findings by repo, flake, input.

    inert: inputs behind a repo of the workspace that need not move, as nothing that moved there reaches them.
    kinds: the kinds of findings that were asked for, sorted; empty: all. external: sources that `external` moves and
    whose newest commit has to be proven first.
    """

    schema: Literal["flakesync/drift/1"] = "flakesync/drift/1"
    pins: list[PinDrift]
    findings: list[Finding]
    inert: list[InertDocument] = []
    kinds: list[FindingKind] = []
    external: list[PinChoice] = []

    @property
    def counted(self) -> list[Finding]:
        """The findings that the workspace is not in step for: those of inputs that are not held for now."""
        return [finding for finding in self.findings if finding.held is None]


DOCUMENT = DriftReport
