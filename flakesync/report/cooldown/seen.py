"""The record of tips as text: branch by branch, the latest first."""

from collections.abc import Sequence

from flakesync.documents.cooldown.seen import SeenBranchDocument, SeenDocument, SeenTipDocument
from flakesync.report.text import BLANK, Line, Span, Style, count, day, days, fold, line, row, short, shown, widest

_TITLES = ("rev", "first seen", "age")
_STYLES: tuple[Style, ...] = ("rev", "", "")
_MOST_TIPS = 5


def render_seen(document: SeenDocument, *, now: int, width: int, full: bool = False) -> list[Line]:
    """Return a table for each branch. now: seconds since the epoch. full: each tip, else the latest of each branch."""
    lines: list[Line] = []
    if document.imported:
        lines += [*fold(line(f"{count(document.imported, 'tip')} imported"), width), BLANK]
    if not document.branches:
        text = "no tip seen yet: drift, plan and sync remember those of cooled pins"
        return [*lines, *fold(line(Span(text, "dim")), width)]
    for branch in document.branches:
        lines += [BLANK] if lines and lines[-1] != BLANK else []
        lines += _of_branch(branch, now, width, full=full)
    return lines


def _of_branch(branch: SeenBranchDocument, now: int, width: int, *, full: bool) -> list[Line]:
    pins = f" (pin {', '.join(map(shown, branch.pins))})" if branch.pins else ""
    ref = f" {shown(branch.ref)}" if branch.ref is not None else ""
    said = f": {count(len(branch.tips), 'tip')}"
    lines = fold(line(Span(f"{shown(branch.source)}{ref}", "name"), Span(f"{pins}{said}", "dim")), width, 2)
    tips = branch.tips if full else branch.tips[:_MOST_TIPS]
    rows = [_cells(tip, now) for tip in tips]
    columns = [widest(cells) for cells in zip(_TITLES, *rows, strict=True)]
    lines += row(_styled(_TITLES, ["dim"] * len(_TITLES), columns))
    for cells in rows:
        lines += row(_styled(cells, _STYLES, columns))
    if len(tips) < len(branch.tips):
        lines.append(line("  ", Span(f"and {len(branch.tips) - len(tips)} more (-v)", "dim")))
    return lines


def _cells(tip: SeenTipDocument, now: int) -> tuple[str, ...]:
    return short(tip.rev), day(tip.first_seen), days(now - tip.first_seen)


def _styled(cells: Sequence[str], styles: Sequence[Style], columns: Sequence[int]) -> list[tuple[Line, int]]:
    return [(line(Span(cell, style)), size) for cell, style, size in zip(cells, styles, columns, strict=True)]
