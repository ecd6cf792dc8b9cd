"""What waits, what is held, what an audit found: rows for the tables of the page, alike ones together."""

from collections.abc import Sequence

import msgspec

from flakesync.documents.audit import AuditReport
from flakesync.documents.cooldown.choice import ConditionsDocument, DatedBy, PinChoice, WaitDocument
from flakesync.documents.drift import DriftReport, PinDrift
from flakesync.documents.sync import SyncDocument
from flakesync.report.text import SHORT_REV, count

_SEVERITIES = ("high", "medium", "low", "info")
_BY: dict[DatedBy, str] = {
    "forge": "the forge's record of pushes",
    "seen": "flakesync's record of tips",
    "commit": "the commit's date",
}


class WaitingRow(msgspec.Struct, frozen=True, kw_only=True):
    """A pin or an external source that is not at its newest commit, or is so by a waiver.

    external: it is no pin. asked: what a commit has to have. waived: the reason. stays: why there is no target.
    """

    name: str
    external: bool
    target_rev: str | None
    asked: str
    waits: Sequence[WaitDocument]
    waived: str | None
    stays: str | None


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """Findings of one rule that say the same. places: repo and input, each once. ignored: why they count no more."""

    severity: str
    rule: str
    message: str
    places: Sequence[tuple[str, str]]
    ignored: str | None


class UncheckedRow(msgspec.Struct, frozen=True):
    """What could not be checked for one reason."""

    rules: Sequence[str]
    reason: str
    repos: Sequence[str]


class HeldRow(msgspec.Struct, frozen=True, kw_only=True):
    """An input that stays where it is. output: the end of what the check wrote that fails with it."""

    repo: str
    input: str
    locked_rev: str | None
    wanted_rev: str | None
    reason: str
    output: str = ""


def waiting_rows(drift: DriftReport) -> list[WaitingRow]:
    """Return the pins and external sources of which a newer commit waits, or for which nobody waited."""
    chosen: list[PinDrift | PinChoice] = [*drift.pins, *drift.external]
    return [
        WaitingRow(
            name=each.name,
            external=isinstance(each, PinChoice),
            target_rev=each.target_rev,
            asked=_asked(each.conditions) if each.conditions is not None else "",
            waits=each.waits,
            waived=each.waived.reason if each.waived is not None else None,
            stays=each.stays,
        )
        for each in chosen
        if each.waits or each.waived is not None or each.stays is not None
    ]


def _asked(conditions: ConditionsDocument) -> str:
    parts = [f"{count(conditions.days, 'day')} old, by {_BY[conditions.dated_by]}"] if conditions.days else []
    parts += ["once the tip of its branch"] if conditions.tips else []
    parts += ["checks passed"] if conditions.checks else []
    return "; ".join(parts)


def held_rows(drift: DriftReport, sync: SyncDocument | None) -> list[HeldRow]:
    """Return the inputs that are held: what drift found behind, and what the sync held as its checks failed."""
    rows = [
        HeldRow(
            repo=each.repo,
            input=input_path(each.flake, each.input),
            locked_rev=each.locked_rev,
            wanted_rev=each.wanted_rev,
            reason=each.held,
        )
        for each in drift.findings
        if each.held is not None
    ]
    for outcome in sync.repos if sync is not None else ():
        for held in outcome.held:
            first = f"; first with {short(held.first_bad)}" if held.first_bad is not None else ""
            reason = f"{held.reason} (since {held.since}; check: {held.check}{first})"
            path = input_path(held.flake, held.input)
            row = HeldRow(repo=outcome.repo, input=path, locked_rev=None, wanted_rev=held.rev, reason=reason)
            rows.append(msgspec.structs.replace(row, output=held.output))
    return rows


def audit_rows(report: AuditReport) -> list[AuditRow]:
    """Return the findings, the gravest first, those that are ignored last; what says the same is one row."""
    places: dict[tuple[str, str, str, str | None], dict[tuple[str, str], None]] = {}
    for each in report.findings:
        ignored = None
        if each.ignored is not None:
            until = f", until {each.ignored.until}" if each.ignored.until is not None else ""
            ignored = f"{each.ignored.reason}{until}"
        place = (each.repo, input_path(each.flake, each.input))
        places.setdefault((each.severity, each.rule, each.message, ignored), {})[place] = None
    rows = [
        AuditRow(severity=severity, rule=rule, message=message, places=list(found), ignored=ignored)
        for (severity, rule, message, ignored), found in places.items()
    ]
    rows.sort(key=lambda row: (row.ignored is not None, _SEVERITIES.index(row.severity), -len(row.places), row.rule))
    return rows


def unchecked_rows(report: AuditReport) -> list[UncheckedRow]:
    """Return what could not be checked, by reason; repos that could not be read at all come last."""
    by_reason: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for each in report.unchecked:
        rules, repos = by_reason.setdefault(each.reason, ({}, {}))
        rules[each.rule] = None
        repos[each.repo] = None
    rows = [UncheckedRow(list(rules), reason, list(repos)) for reason, (rules, repos) in by_reason.items()]
    unread = UncheckedRow(["all"], "the repo could not be read", report.unread)
    return [*rows, *([unread] if report.unread else [])]


def short(rev: str | None) -> str:
    """Return the first digits of a commit; `none` without one."""
    return rev[:SHORT_REV] if rev is not None else "none"


def input_path(flake: str | None, path: str | None) -> str:
    """Return how an input of a repo is named: `nixpkgs`, in another flake `dev#nixpkgs`; the flake, or nothing."""
    if flake in (None, "."):
        return path or ""
    return f"{flake}#{path}" if path is not None else str(flake)
