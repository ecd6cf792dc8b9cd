"""Drift as text: first who is on which commit of each pin, then what is not as it should be, repo by repo."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from flakesync.analysis.findings import GRAVE
from flakesync.documents.drift import DriftReport, Finding, Locked, PinDrift
from flakesync.report.text import (
    BLANK,
    Line,
    Span,
    Style,
    count,
    day,
    days,
    few,
    flow,
    hang,
    input_name,
    line,
    pad,
    short,
    shown,
    widest,
    width_of,
    with_detail,
)

_TITLES = ("pin", "rev", "date", "age", "behind", "repos")
_MOST_REPO_LINES = 4
_MOST_OF_A_KIND = 5
_KIND_WIDTH = 11
AT_TARGET = "–"


def render_drift(report: DriftReport, *, now: int, repos: int, width: int, full: bool = False) -> list[Line]:
    """Return the table of the pins, the findings and one line that sums them up.

    now: seconds since the epoch, what ages are counted to. repos: how many were looked at. full: leave nothing out.
    """
    lines = _table(report.pins, now, width, full)
    by_repo: dict[str, list[Finding]] = defaultdict(list)
    for finding in report.findings:
        by_repo[finding.repo].append(finding)
    if lines and by_repo:
        lines.append(BLANK)
    for repos_alike, findings in _alike(by_repo):
        lines.append(line(Span(repos_alike, "name")))
        lines += _of_repo(findings, width, full)
    return [*lines, BLANK, _summary(report.findings, repos)] if lines else [_summary([], repos)]


def _alike(by_repo: Mapping[str, list[Finding]]) -> Iterable[tuple[str, list[Finding]]]:
    """Give the findings of each repo; repos that could not be read for the same reason come together."""
    together: dict[str, tuple[list[str], list[Finding]]] = {}
    for repo, findings in by_repo.items():
        unreadable = [found.detail for found in findings if found.kind == "unreachable"]
        together.setdefault(unreadable[0] if unreadable else f" {repo}", ([], findings))[0].append(repo)
    return ((few(names), findings) for names, findings in together.values())


@dataclass(frozen=True, slots=True)
class PinRow:
    """One commit of a pin. cells: name (in its first row only), rev, date, age, how far behind."""

    cells: tuple[str, ...]
    at_target: bool
    repos: list[str]


def _table(pins: Sequence[PinDrift], now: int, width: int, full: bool) -> list[Line]:
    rows = [row for pin in pins for row in pin_rows(pin, now)]
    if not rows:
        return []
    columns = [
        widest([title, *(row.cells[index] for row in rows)], most=24) for index, title in enumerate(_TITLES[:-1])
    ]
    head = "  ".join(pad(title, size) for title, size in zip(_TITLES, [*columns, 0], strict=True))
    lines = [line("  ", Span(head, "dim"))]
    indent = 2 + sum(columns) + 2 * len(columns)
    for row in rows:
        lines += _row_lines(row, columns, indent, width, full)
    notes = [f"{pin.name}: {shown(pin.target_note)}" for pin in pins if pin.target_note]
    notes += [f"{pin.name}: not known" for pin in pins if pin.target_rev is None]
    legend = [Span(part, "dim") for note in ["target", *notes] for part in note.split("; ")]
    return [*lines, *hang(line(Span("→ ", "good")), flow(legend, width - 2, separator="; "), 2)]


def pin_rows(pin: PinDrift, now: int) -> list[PinRow]:
    """Return the target, if no repo is on it, and every commit that repos are on, newest first."""
    locked = list(pin.locked)
    if pin.target_rev is not None and all(entry.rev != pin.target_rev for entry in locked):
        nobody = Locked(rev=pin.target_rev, last_modified=pin.target_last_modified, repos=[])
        locked.insert(0, nobody)
    rows: list[PinRow] = []
    for entry in locked:
        at_target = entry.rev is not None and entry.rev == pin.target_rev
        date = entry.last_modified
        if date is None and at_target:
            date = pin.target_last_modified
        name = pin.name if not rows else ""
        age = days(now - date) if date is not None else "?"
        rows.append(
            PinRow((name, short(entry.rev), day(date), age, _behind(pin, date, at_target, now)), at_target, entry.repos)
        )
    return rows


def _behind(pin: PinDrift, date: int | None, at_target: bool, now: int) -> str:
    """Return how far a commit is behind the target, in days; an upper bound where the target's date is not known."""
    if at_target:
        return AT_TARGET
    if date is None or pin.target_rev is None:
        return "?"
    if pin.target_last_modified is None:
        return f"≤ {days(now - date)}"
    if date > pin.target_last_modified:
        return f"{days(date - pin.target_last_modified)} ahead"
    return days(pin.target_last_modified - date)


def _row_lines(row: PinRow, columns: Sequence[int], indent: int, width: int, full: bool) -> list[Line]:
    styles: tuple[Style, ...] = ("head", "rev", "", "", "good" if row.at_target else "warn")
    mark = Span("→ ", "good") if row.at_target else Span("  ")
    cells: list[Span] = [mark]
    for index, (cell, size, style) in enumerate(zip(row.cells, columns, styles, strict=True)):
        # Numbers stand right, so that they can be compared.
        text = " " * (size - len(cell)) + cell if _TITLES[index] in ("age", "behind") else pad(cell, size)
        cells += [Span(text, style), Span("  ")]
    if not row.repos:
        return [(*cells, Span("no repo", "dim"))]
    names = [Span(name) for name in row.repos]
    room = width - indent
    if room < 24:
        indent, room = 6, width - 6
        return [tuple(cells), *((Span(" " * indent), *each) for each in _few(names, room, full))]
    return hang(tuple(cells), _few(names, room, full), indent)


def _few(names: Sequence[Span], room: int, full: bool) -> list[Line]:
    """Return the number of repos and their names, cut after some lines unless `full`."""
    number = Span(f"{len(names)}: ", "head")
    lines = flow([Span(number.text + names[0].text, names[0].style), *names[1:]], room)
    if full or len(lines) <= _MOST_REPO_LINES:
        return lines
    kept = lines[:_MOST_REPO_LINES]
    left = sum(1 for each in lines[_MOST_REPO_LINES:] for span in each if span.text != ", ")
    return [*kept, line(Span(f"and {left} more (-v names them)", "dim"))]


def _of_repo(findings: Sequence[Finding], width: int, full: bool) -> Iterable[Line]:
    column = widest((_name(found) for found in findings), most=28)
    room = max(sum(len(span.text) for span in _revs(found)) for found in findings)
    seen: Counter[str] = Counter()
    for finding in findings:
        seen[finding.kind] += 1
        if full or seen[finding.kind] <= _MOST_OF_A_KIND:
            yield from _finding(finding, column, room, width)
    for kind, number in seen.items():
        if not full and number > _MOST_OF_A_KIND:
            yield line("  ", pad(kind, _KIND_WIDTH), "  ", Span(f"and {number - _MOST_OF_A_KIND} more (-v)", "dim"))


def _finding(finding: Finding, column: int, room: int, width: int) -> list[Line]:
    """Return one finding. column, room: the widths of its name and of its revs."""
    name = _name(finding)
    revs = _revs(finding)
    used = sum(len(span.text) for span in revs)
    style: Style = "bad" if finding.kind in GRAVE else "warn"
    head = line("  ", Span(pad(finding.kind, _KIND_WIDTH), style), "  ")
    if column:
        head += line(pad(name, column), "  ")
    if room:
        head += (*revs, Span(" " * (room - used) + "  "))
    at = sum(width_of(span.text) for span in head)
    return with_detail(head, shown(finding.detail), at, 6, width)


def _name(finding: Finding) -> str:
    """Return the input, or the flake where the finding is of the whole flake; empty where it is of the repo."""
    return input_name(finding.flake, finding.input) or ("flake.lock" if finding.flake is not None else "")


def _revs(finding: Finding) -> Line:
    if finding.locked_rev is None:
        return ()
    locked = Span(short(finding.locked_rev), "rev")
    # A commit with no place in the history stays where it is, so no arrow leads from it.
    if finding.wanted_rev in (None, finding.locked_rev) or finding.kind == "unknown-rev":
        return (locked,)
    return (locked, Span(" → "), Span(short(finding.wanted_rev), "good"))


def _summary(findings: Sequence[Finding], repos: int) -> Line:
    if not findings:
        return line(Span(summary_text(findings, repos), "good"))
    head, _, kinds = summary_text(findings, repos).partition(": ")
    return line(Span(f"{head}: ", "head"), kinds)


def summary_text(findings: Sequence[Finding], repos: int) -> str:
    """Return how many findings there are, in how many of `repos` repos, of which kinds."""
    if not findings:
        return f"in step: {count(repos, 'repo')}, no drift"
    kinds = Counter(finding.kind for finding in findings)
    parts = ", ".join(f"{number} {kind}" for kind, number in kinds.most_common())
    with_findings = len({finding.repo for finding in findings})
    return f"{count(len(findings), 'finding')} in {with_findings} of {count(repos, 'repo')}: {parts}"
