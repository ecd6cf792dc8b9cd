"""Drift as text: first who is on which commit of each pin, then what is not as it should be, repo by repo."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from flakesync.analysis.findings import GRAVE
from flakesync.documents.drift import DriftReport, Finding, Locked, PinDrift
from flakesync.report.alike.capped import alike, capped, likeness
from flakesync.report.cooldown.choices import conditions_words, render_choices, tip_words
from flakesync.report.text import (
    BLANK,
    Line,
    Span,
    Style,
    beside,
    count,
    day,
    days,
    few,
    flow,
    fold,
    hang,
    input_name,
    last_title,
    line,
    line_width,
    pad,
    row,
    share,
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
_OF_PINS = {"pin", "age"}
_NOT_READ = {"unreachable", "no-lock", "bad-lock"}
_NO_REPO = "no repo"
AT_TARGET = "–"


def render_drift(report: DriftReport, *, now: int, repos: int, width: int, full: bool = False) -> list[Line]:
    """Return the table of the pins, the findings and one line that sums them up.

    now: seconds since the epoch, what ages are counted to. repos: how many were looked at. full: leave nothing out.
    """
    lines = _table(report.pins, now, width, full) if not report.kinds or _OF_PINS & {*report.kinds} else []
    if lines:
        lines += render_choices("external", report.external, width)
    by_repo: dict[str, list[Finding]] = defaultdict(list)
    for finding in report.findings:
        by_repo[finding.repo].append(finding)
    if lines and by_repo:
        lines.append(BLANK)
    for repos_alike, findings in _alike(by_repo, full):
        lines += fold(line(Span(repos_alike, "name")), width, 2)
        lines += _of_repo(findings, width, full)
    summary = fold(_summary(report, repos), width)
    return [*lines, BLANK, *summary] if lines else summary


def _alike(by_repo: Mapping[str, list[Finding]], full: bool) -> Iterable[tuple[str, list[Finding]]]:
    """Give the findings of each repo; repos that could not be read for the same reason come together.

    Unless `full`, of more than twenty that cannot be read in the same way the others come together too.
    """
    together: dict[str, tuple[list[str], list[Finding]]] = {}
    for repo, findings in by_repo.items():
        unreadable = [found.detail for found in findings if found.kind == "unreachable"]
        together.setdefault(unreadable[0] if unreadable else f" {repo}", ([], findings))[0].append(repo)
    for (names, findings), *others in capped(together.values(), lambda each: id(each) if full else _kind(*each)):
        if others:
            names = [name for each, _ in [(names, findings), *others] for name in each]
            findings = [msgspec.structs.replace(findings[0], detail=alike("-v"))]
        yield few(names), findings


def _kind(names: Sequence[str], findings: Sequence[Finding]) -> object:
    """Return what repos have in common of which nothing is known but that they could not be read."""
    first = findings[0]
    if len(findings) > 1 or first.kind not in _NOT_READ:
        return id(findings)
    return first.kind, first.flake, likeness(first.detail, names[0])


@dataclass(frozen=True, slots=True)
class PinRow:
    """One commit of a pin. cells: name (in its first row only), rev, date, age, how far behind.

    repos: names, with the flakes that are at this commit where others of the same repo are not: `app (dev)`. note: why
    the newest commit is not the target.
    """

    cells: tuple[str, ...]
    at_target: bool
    repos: list[str]
    note: str = ""


def _table(pins: Sequence[PinDrift], now: int, width: int, full: bool) -> list[Line]:
    rows = [row for pin in pins for row in pin_rows(pin, now)]
    if not rows:
        return []
    columns = _columns([row.cells for row in rows], width)
    titles = [(line(Span(title, "dim")), size) for title, size in zip(_TITLES, columns, strict=False) if size]
    lines = [last_title(each, "repos", width) for each in row(titles)]
    for each in rows:
        lines += _row_lines(each, columns, width, full)
    notes = [f"{shown(pin.name)}: {shown(pin.target_note)}" for pin in pins if pin.target_note]
    notes += [f"{shown(pin.name)}: {shown(pin.stays or 'not known')}" for pin in pins if pin.target_rev is None]
    asked = conditions_words((pin.name, pin.conditions) for pin in pins)
    notes += [asked] if asked is not None else []
    legend = [Span(part, "dim") for note in ["target", *notes] for part in note.split("; ")]
    return [*lines, *hang(line(Span("→ ", "good")), flow(legend, width - 2, separator="; "), 2)]


def _columns(rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """Return how wide the columns before the repos are; 0: it is left out, as the date is where the age must do."""
    sizes = [widest([title, *(cells[index] for cells in rows)]) for index, title in enumerate(_TITLES[:-1])]
    rest = 4 + sum(size + 2 for size in sizes[1:]) + len(_NO_REPO)
    sizes[0] = min(sizes[0], share(width, rest, 24))
    if sizes[0] + rest > width:
        sizes[_TITLES.index("date")] = 0
    return sizes


def pin_rows(pin: PinDrift, now: int) -> list[PinRow]:
    """Return the target, if no repo is on it, every commit that repos are on, newest first, and a tip that waits."""
    locked = list(pin.locked)
    if pin.target_rev is not None and all(entry.rev != pin.target_rev for entry in locked):
        nobody = Locked(rev=pin.target_rev, last_modified=pin.target_last_modified, repos=[])
        locked.insert(0, nobody)
    tip = tip_words(pin.tip, pin.waits) if pin.tip is not None else None
    if pin.tip is not None and tip is not None and all(entry.rev != pin.tip.rev for entry in locked):
        place = next((place for place, entry in enumerate(locked, 1) if entry.rev == pin.target_rev), 0)
        locked.insert(place, Locked(rev=pin.tip.rev, last_modified=pin.tip.first_seen, repos=[]))
    rows: list[PinRow] = []
    for entry in locked:
        at_target = entry.rev is not None and entry.rev == pin.target_rev
        date = entry.last_modified
        if date is None and at_target:
            date = pin.target_last_modified
        name = pin.name if not rows else ""
        age = days(now - date) if date is not None else "?"
        is_tip = tip is not None and pin.tip is not None and entry.rev == pin.tip.rev
        behind = "" if is_tip and not entry.repos else _behind(pin, date, at_target, now)
        cells = (name, short(entry.rev), day(date), age, behind)
        note = f"tip; {tip}" if is_tip else ""
        rows.append(PinRow(cells, at_target, [_with_flakes(repo, entry) for repo in entry.repos], note))
    return rows


def _with_flakes(repo: str, entry: Locked) -> str:
    return f"{repo} ({', '.join(entry.flakes[repo])})" if repo in entry.flakes else repo


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


def _row_lines(pin_row: PinRow, columns: Sequence[int], width: int, full: bool) -> list[Line]:
    styles: tuple[Style, ...] = ("head", "rev", "", "", "good" if pin_row.at_target else "warn")
    cells: list[tuple[Line, int]] = []
    for title, cell, size, style in zip(_TITLES, pin_row.cells, columns, styles, strict=False):
        # Numbers stand right, so that they can be compared.
        text = " " * (size - width_of(cell)) + cell if title in ("age", "behind") else shown(cell)
        cells += [(line(Span(text, style)), size)] if size else []
    heads = row(cells)
    if pin_row.at_target:
        heads[0] = (Span("→ ", "good"), *heads[0][1:])
    note = line(Span(pin_row.note, "dim")) if pin_row.note else ()
    if not pin_row.repos and not note:
        whole = (*heads[0], Span(_NO_REPO, "dim"))
        fits = line_width(whole) <= width
        return [whole, *heads[1:]] if fits else [*heads, line(" " * 6, Span(_NO_REPO, "dim"))]
    names = [Span(shown(name)) for name in pin_row.repos]
    indent = line_width(heads[0])
    room = width - indent
    narrow = room < 24
    room = width - 6 if narrow else room
    right = [*(_few(names, room, full) if names else []), *(fold(note, room) if note else [])]
    return [*heads, *((Span(" " * 6), *each) for each in right)] if narrow else beside(heads, right, indent)


def _few(names: Sequence[Span], room: int, full: bool) -> list[Line]:
    """Return the number of repos and their names, cut after some lines unless `full`."""
    number = Span(f"{len(names)}: ", "head")
    lines = flow([Span(number.text + names[0].text, names[0].style), *names[1:]], room)
    if full or len(lines) <= _MOST_REPO_LINES:
        return lines
    kept = lines[:_MOST_REPO_LINES]
    left = sum(1 for each in lines[_MOST_REPO_LINES:] for span in each if span.text != ", ")
    return [*kept, *fold(line(Span(f"and {left} more (-v names them)", "dim")), room)]


def _of_repo(findings: Sequence[Finding], width: int, full: bool) -> Iterable[Line]:
    room = max(line_width(_revs(found)) for found in findings)
    fixed = 2 + _KIND_WIDTH + 4 + (room + 2 if room else 0)
    column = min(widest(map(_name, findings)), share(width, fixed, 28))
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
    style: Style = "dim" if finding.held is not None else "bad" if finding.kind in GRAVE else "warn"
    cells = [(line(Span(finding.kind, style)), _KIND_WIDTH)]
    cells += [(line(_name(finding)), column)] if column else []
    cells += [(_revs(finding), room)] if room else []
    head = row(cells)
    return with_detail(head, detail_of(finding), line_width(head[0]), 6, width)


def detail_of(finding: Finding) -> str:
    """Return what a finding is, and why it may be so for now."""
    return "; ".join(shown(part) for part in (finding.detail, finding.held) if part is not None)


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


def _summary(report: DriftReport, repos: int) -> Line:
    text = summary_text(report, repos)
    if not report.counted:
        return line(Span(text, "good"))
    head, _, kinds = text.partition(": ")
    return line(Span(f"{head}: ", "head"), kinds)


def summary_text(report: DriftReport, repos: int) -> str:
    """Return how many findings there are, in how many of `repos` repos, of which kinds, and how many are held."""
    findings = report.counted
    number = len(report.findings) - len(findings)
    held = f"; {number} held" if number else ""
    if not findings and report.kinds:
        return f"no finding of kind {' or '.join(report.kinds)}: {count(repos, 'repo')}{held}"
    if not findings:
        return f"in step: {count(repos, 'repo')}, no drift{held}"
    kinds = Counter(finding.kind for finding in findings)
    parts = ", ".join(f"{number} {kind}" for kind, number in kinds.most_common())
    with_findings = len({finding.repo for finding in findings})
    return f"{count(len(findings), 'finding')} in {with_findings} of {count(repos, 'repo')}: {parts}{held}"
