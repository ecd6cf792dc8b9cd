"""Drift as markdown, for the summary page of a CI job: the pins, then what is not as it should be, in two tables."""

from collections.abc import Sequence
from typing import Literal

from flakesync.documents.drift import DriftReport, Finding, PinDrift
from flakesync.report.cooldown.choices import conditions_words
from flakesync.report.drift.text import PinRow, pin_rows, summary_text
from flakesync.report.markdown import code, table, words
from flakesync.report.text import input_name, short

# A summary page is cut off after a megabyte; nobody reads that far.
_MOST_FINDINGS = 500
_MOST_REPOS = 20
_PLACES = {"base": "base branches", "update": "update branches"}


def render_drift_markdown(
    report: DriftReport, *, workspace: str, at: Literal["base", "update"], now: int, repos: int, full: bool = False
) -> str:
    """Return a heading, one line that sums up, and the two tables that have something in them.

    workspace: its name. now: seconds since the epoch, what ages are counted to. repos: how many were looked at.
    full: leave nothing out.
    """
    title = f"## Drift of {words(workspace)} ({_PLACES[at]})"
    parts = [title, words(summary_text(report, repos)), *_pins(report, now, full)]
    if report.findings:
        parts.append(_findings(report.findings, full))
    return "\n\n".join(parts) + "\n"


def _pins(report: DriftReport, now: int, full: bool) -> list[str]:
    rows = [_pin_row(row, full) for pin in report.pins for row in pin_rows(pin, now)]
    if not rows:
        return []
    lines = table(
        [("pin", "left"), ("rev", "left"), ("date", "left"), ("age", "right"), ("behind", "right"), ("repos", "left")],
        rows,
    )
    notes = [f"{code(pin.name)}: {words(pin.target_note)}" for pin in report.pins if pin.target_note]
    notes += [f"{code(pin.name)}: {words(_unknown(pin))}" for pin in report.pins if pin.target_rev is None]
    asked = conditions_words((pin.name, pin.conditions) for pin in report.pins)
    notes += [words(asked)] if asked is not None else []
    return ["\n".join(lines), "; ".join(["**bold**: the pin's target", *notes])]


def _unknown(pin: PinDrift) -> str:
    return pin.stays or "target not known"


def _pin_row(row: PinRow, full: bool) -> list[str]:
    pin, rev, date, age, behind = row.cells
    names = row.repos if full else row.repos[:_MOST_REPOS]
    more = f" and {len(row.repos) - len(names)} more" if len(names) < len(row.repos) else ""
    repos = f"{len(row.repos)}: {', '.join(map(code, names))}{more}" if row.repos else "" if row.note else "no repo"
    repos = "; ".join(filter(None, (repos, words(row.note))))
    shown_rev = f"**{code(rev)}**" if row.at_target else code(rev)
    return [code(pin) if pin else "", shown_rev, date, age, words(behind), repos]


def _findings(findings: Sequence[Finding], full: bool) -> str:
    most = len(findings) if full else _MOST_FINDINGS
    rows = [_finding_row(finding) for finding in findings[:most]]
    if len(findings) > most:
        rows.append([f"and {len(findings) - most} more", *[""] * 5])
    titles = ("repo", "finding", "input", "locked", "wanted", "what it is")
    return "\n".join(table([(title, "left") for title in titles], rows))


def _finding_row(finding: Finding) -> list[str]:
    name = input_name(finding.flake, finding.input) or ("flake.lock" if finding.flake is not None else "")
    stays = finding.kind == "unknown-rev" or finding.wanted_rev == finding.locked_rev
    wanted = finding.wanted_rev if not stays else None
    return [
        code(finding.repo),
        finding.kind,
        code(name) if name else "",
        code(short(finding.locked_rev)) if finding.locked_rev is not None else "",
        code(short(wanted)) if wanted is not None else "",
        words("; ".join(filter(None, (finding.detail, finding.held)))),
    ]
