"""An audit as text: lock by lock, the gravest first; what is the same of many inputs is said once."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from flakesync.audit.shown import clean, clean_message
from flakesync.documents.audit import AuditFinding, AuditReport, Unchecked
from flakesync.report.text import (
    BLANK,
    Line,
    Span,
    Style,
    count,
    few,
    fold,
    line,
    line_width,
    row,
    share,
    widest,
    with_detail,
)
from flakesync.terms import FlakeDir, flake_file

_STYLES: Mapping[str, Style] = {"high": "bad", "medium": "warn"}
_GRAVE = frozenset({"high", "medium"})
_UNCHECKED = "unchecked"
_IGNORED = "ignored"
_MOST_INPUTS = 2
_MOST_OF_A_RULE = 5

_Place = tuple[str, str | None]
"""A repo and one of its flakes; None: the repo as a whole."""


class _Row(NamedTuple):
    """What is said in a line. grade: a severity, or that it was ignored or not checked."""

    grade: str
    rule: str
    inputs: tuple[str, ...]
    message: str


def render_audit(report: AuditReport, *, width: int, full: bool = False) -> list[Line]:
    """Return the findings, what could not be checked, and one line that sums them up.

    full: leave nothing out, what is ignored included.
    """
    rows: dict[_Place, list[_Row]] = {}
    for place, findings in groupby(report.findings, key=lambda found: (found.repo, found.flake)):
        rows.setdefault(place, []).extend(_rows(findings, full))
    for place, unchecked in groupby(report.unchecked, key=lambda each: (each.repo, each.flake)):
        rows.setdefault(place, []).extend(_unchecked(unchecked))
    lines: list[Line] = []
    for name, of_place in _together(rows, full):
        lines += fold(line(Span(name, "name")), width, 2)
        lines += _of_place(of_place, width, full)
    summary = fold(_summary(report), width)
    return [*lines, BLANK, *summary] if lines else summary


def _together(rows: Mapping[_Place, list[_Row]], full: bool) -> Iterable[tuple[str, list[_Row]]]:
    """Give the rows of each lock, by repo, those of whole repos first.

    Places come together where the same is said of each: whole repos, as of those on a host that is down, and locks of
    which nothing grave is said, as of many that could not be checked for one reason.
    """
    alike: dict[tuple[bool, tuple[object, ...]], tuple[list[str], list[_Row]]] = {}
    for (repo, flake), found in sorted(
        rows.items(), key=lambda each: (each[0][1] is not None, each[0][0], each[0][1] or "")
    ):
        name = (clean(repo) or "workspace.toml") if flake is None else _lock_name(repo, flake)
        grave = any(each.grade in _GRAVE for each in found)
        key = tuple(found) if flake is None or not (grave or full) else (name,)
        if found:
            alike.setdefault((flake is None, key), ([], found))[0].append(name)
    for (whole, _), (names, found) in alike.items():
        yield few(names, "repos" if whole else "locks"), found


def _lock_name(repo: str, flake: str) -> str:
    return f"{clean(repo)}/{clean(flake_file(FlakeDir(flake)))}"


def _rows(findings: Iterable[AuditFinding], full: bool) -> Iterable[_Row]:
    """Give a row for each message of a rule, with all inputs of which it is said."""
    inputs: dict[tuple[str, str, str], list[AuditFinding]] = {}
    for each in findings:
        if each.ignored is None:
            inputs.setdefault((each.severity, each.rule, each.message), []).append(each)
        elif full:
            until = f", until {each.ignored.until}" if each.ignored.until is not None else ""
            message = f"{each.message} ({each.ignored.reason}{until})"
            inputs.setdefault((_IGNORED, each.rule, message), []).append(each)
    for (grade, rule, message), found in inputs.items():
        yield _Row(grade, rule, tuple(each.input for each in found if each.input is not None), message)


def _unchecked(unchecked: Iterable[Unchecked]) -> Iterable[_Row]:
    """Give a row for each reason: one server that is down leaves several rules without an answer."""
    inputs: dict[tuple[str, str], list[str]] = {}
    for each in unchecked:
        inputs.setdefault((each.reason, each.rule), []).extend([each.input] if each.input is not None else [])
    rules: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (reason, rule), names in inputs.items():
        rules.setdefault((reason, tuple(names)), []).append(rule)
    for (reason, paths), named in rules.items():
        yield _Row(_UNCHECKED, named[0] if len(named) == 1 else count(len(named), "rule"), paths, reason)


def _of_place(rows: Sequence[_Row], width: int, full: bool) -> Iterable[Line]:
    grades = widest(each.grade for each in rows)
    rules = widest(each.rule for each in rows)
    names = {each: _names(each.inputs, full) for each in rows}
    column = min(widest(names.values()), share(width, 2 + grades + rules + 6, 40))
    seen: dict[str, int] = {}
    for each in rows:
        seen[each.rule] = seen.get(each.rule, 0) + 1
        if not full and seen[each.rule] > _MOST_OF_A_RULE:
            continue
        grade = each.grade.upper() if each.grade == "high" else each.grade
        cells = [(line(Span(grade, _STYLES.get(each.grade, "dim"))), grades), (line(each.rule), rules)]
        cells += [(line(names[each]), column)] if column else []
        head = row(cells)
        yield from with_detail(head, clean_message(each.message), line_width(head[0]), 6, width)
    for rule, number in seen.items():
        if not full and number > _MOST_OF_A_RULE:
            yield from fold(line("  ", Span(f"{rule}: and {number - _MOST_OF_A_RULE} more (-v)", "dim")), width, 2)


def _names(inputs: Sequence[str], full: bool) -> str:
    """Return the inputs in a cell: all, or a few and how many more."""
    most = len(inputs) if full or len(inputs) <= _MOST_INPUTS + 1 else _MOST_INPUTS
    named = ", ".join(map(clean, inputs[:most]))
    return named if most == len(inputs) else f"{named} and {len(inputs) - most} more"


def _summary(report: AuditReport) -> Line:
    counts = report.counts
    by_severity = {"high": counts.high, "medium": counts.medium, "low": counts.low, "info": counts.info}
    total = sum(by_severity.values())
    repos = count(len(report.repos), "repo")
    since = f" since {clean(report.new_since)}" if report.new_since is not None else ""
    beside = [f"{counts.ignored} ignored"] if counts.ignored else []
    beside += [f"{len(report.unchecked)} unchecked"] if report.unchecked else []
    beside += [f"{count(len(report.unread), 'repo')} unread"] if report.unread else []
    known = f", {count(report.hashes_known, 'hash', 'hashes')} known before" if report.hashes_known else ""
    tail = f"{''.join(f', {each}' for each in beside)}; {count(report.sources, 'source')}{known}, level {report.level}"
    if not total:
        return line(Span(f"nothing found{since} in {repos}", "good" if not beside else ""), tail)
    named = {found.repo for found in report.findings if found.ignored is None} - {""}
    parts = ", ".join(f"{number} {name}" for name, number in by_severity.items() if number)
    head = f"{count(total, 'new finding' if since else 'finding')}{since} in {len(named)} of {repos}"
    return line(Span(head, "head"), f" ({parts}){tail}")
