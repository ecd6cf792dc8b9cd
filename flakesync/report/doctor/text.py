"""What doctor has found, as text: a table, each row with what to do about it below."""

from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from flakesync.documents.doctor import DoctorDocument, DoctorRow, How
from flakesync.report.alike.capped import alike, capped, likeness
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
    shown,
    widest,
    with_detail,
    wrap,
)

_STYLES: dict[How, Style] = {"ok": "good", "warning": "warn", "fails": "bad", "not-looked-at": "dim"}
_WORDS: dict[How, str] = {"ok": "ok", "warning": "warning", "fails": "fails", "not-looked-at": "–"}
_WIDTH = 7
_INDENT = 2 + _WIDTH + 2
_LEAST_DETAIL = 24
_LEAST_COLUMN = 20
"""Where there is less for what is looked at, the detail goes below it."""


def render_doctor(document: DoctorDocument, *, width: int, full: bool = False) -> list[Line]:
    """Return all rows by group, and how many will fail. full: with all names of repos."""
    column = min(widest(shown(each.what) for each in document.rows), share(width, _INDENT + 2 + _LEAST_DETAIL, 32))
    lines: list[Line] = []
    group = None
    for each in document.rows if full else _first(document.rows):
        if each.group != group:
            lines += [*([BLANK] if lines else []), line(Span(each.group, "head"))]
            group = each.group
        lines += _row(each, column if column >= _LEAST_COLUMN else width - _INDENT, width, full)
    return [*lines, *([BLANK] if lines else []), *fold(_summary(document), width)]


def _first(rows: Iterable[DoctorRow]) -> Iterator[DoctorRow]:
    """Give the rows; of more than twenty that say the same of something else, the others as one, of the first's."""
    for each in capped(rows, lambda row: (row.group, row.how, likeness(row.detail), row.hint)):
        if len(each) == 1:
            yield each[0]
        else:
            yield msgspec.structs.replace(each[0], detail=f"{len(each)} more, {alike('-v')}", repos=[], hint=None)


def _row(each: DoctorRow, column: int, width: int, full: bool) -> list[Line]:
    head = row([
        (line(Span(_WORDS[each.how], _STYLES[each.how])), _WIDTH),
        (line(Span(shown(each.what), "name")), column),
    ])  # fmt: skip
    names = few(each.repos, most=len(each.repos) if full else 3)
    detail = f"{names}: {shown(each.detail)}" if each.repos else shown(each.detail)
    lines = with_detail(head, detail, min(line_width(head[0]), width), _INDENT, width)
    if each.hint is not None:
        hint = wrap(f"hint: {shown(each.hint)}", width - _INDENT)
        lines += [line(" " * _INDENT, piece) for piece in hint]
    return lines


def _summary(document: DoctorDocument) -> Line:
    numbers = Counter(each.how for each in document.rows)
    parts = [Span(f"{numbers['fails']} will fail", "bad" if numbers["fails"] else "good")]
    parts.append(Span(f", {count(numbers['warning'], 'warning')}, {numbers['ok']} ok"))
    if numbers["not-looked-at"]:
        parts.append(Span(f", {numbers['not-looked-at']} not looked at"))
    return tuple(parts)
