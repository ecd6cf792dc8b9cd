"""The locked copies of sources as text and markdown: commit by commit, with the inputs that are locked to it."""

from collections.abc import Sequence
from itertools import groupby

from flakesync.documents.inputs import CopyDocument, InputsDocument, SourceDocument
from flakesync.report.markdown import code, table
from flakesync.report.text import (
    BLANK,
    Line,
    Span,
    Style,
    beside,
    count,
    day,
    days,
    flow,
    fold,
    input_name,
    last_title,
    line,
    line_width,
    row,
    share,
    short,
    shown,
    widest,
)

_TITLES = ("ref", "rev", "date", "age", "inputs")
_STYLES: tuple[Style, ...] = ("head", "rev", "", "")
_MOST_PLACES = 12


def render_inputs(document: InputsDocument, *, now: int, width: int, full: bool = False) -> list[Line]:
    """Return a table for each source; for many sources a line each, unless `full`.

    now: seconds since the epoch, what ages are counted to.
    """
    if not document.sources:
        return fold(line("no inputs: no lock that was read has a source with a place"), width)
    if len(document.sources) > 1 and not full:
        return _overview(document.sources, now, width)
    lines: list[Line] = []
    for source in document.sources:
        lines += [BLANK] if lines else []
        lines += _of_source(source, now, width, full)
    return lines


def _overview(sources: Sequence[SourceDocument], now: int, width: int) -> list[Line]:
    lines: list[Line] = []
    for source in sources:
        detail = Span(f"{summary_text(source)}{_ages(source, now)}", "dim")
        head = line(Span(shown(source.source), "name"))
        whole = (*head, Span("  "), detail)
        below = [(Span("  "), *each) for each in flow(_parts(detail), width - 2)]
        lines += [whole] if line_width(whole) <= width else [*fold(head, width), *below]
    return lines


def _parts(detail: Span) -> list[Span]:
    return [Span(part, detail.style) for part in detail.text.split(", ")]


def summary_text(source: SourceDocument) -> str:
    """Return how many copies there are of a source, in how many repos, at how many commits."""
    repos = len({copy.repo for copy in source.copies})
    revs = len({copy.rev for copy in source.copies})
    copies = count(len(source.copies), "copy", "copies")
    return f"{copies}, {count(repos, 'repo')}, {count(revs, 'rev')}"


def _ages(source: SourceDocument, now: int) -> str:
    dates = [copy.last_modified for copy in source.copies if copy.last_modified is not None]
    if not dates:
        return ""
    youngest, oldest = days(now - max(dates)), days(now - min(dates))
    return f", {youngest} old" if youngest == oldest else f", {youngest} to {oldest} old"


def _of_source(source: SourceDocument, now: int, width: int, full: bool) -> list[Line]:
    rows = [(_cells(copies[0], now), copies) for copies in by_commit(source.copies)]
    columns = [widest([title, *(cells[index] for cells, _ in rows)]) for index, title in enumerate(_TITLES[:-1])]
    columns[0] = min(columns[0], share(width, 4 + sum(size + 2 for size in columns[1:]) + len(_TITLES[-1]), 24))
    lines = fold(line(Span(shown(source.source), "name"), Span(f": {summary_text(source)}", "dim")), width, 2)
    titles = [(line(Span(title, "dim")), size) for title, size in zip(_TITLES, columns, strict=False)]
    lines += [last_title(each, "inputs", width) for each in row(titles)]
    for cells, copies in rows:
        head = row([(line(Span(cell, style)), size) for cell, style, size in zip(cells, _STYLES, columns, strict=True)])
        places = [Span(_place(copy, full)) for copy in copies]
        if not full and len(places) > _MOST_PLACES:
            left = len(places) - _MOST_PLACES
            places = [*places[:_MOST_PLACES], Span(f"and {left} more (-v)", "dim")]
        indent = line_width(head[0])
        if width - indent < 24:
            lines += [*head, *((Span("      "), *each) for each in flow(places, width - 6))]
        else:
            lines += beside(head, flow(places, width - indent), indent)
    return lines


def by_commit(copies: Sequence[CopyDocument]) -> list[list[CopyDocument]]:
    """Return the copies that are at the same ref and commit together: refs by name, commits from the newest on."""

    def key(copy: CopyDocument) -> tuple[str, int, str]:
        return copy.ref or "", -(copy.last_modified or 0), copy.rev or ""

    return [list(group) for _, group in groupby(sorted(copies, key=key), key=key)]


def _cells(copy: CopyDocument, now: int) -> tuple[str, ...]:
    age = days(now - copy.last_modified) if copy.last_modified is not None else "?"
    return shown(copy.ref or "–"), short(copy.rev), day(copy.last_modified), age


def _place(copy: CopyDocument, full: bool) -> str:
    name = f"{shown(copy.repo)} {input_name(copy.flake, copy.input)}"
    if not copy.followed_by:
        return name
    followers = " ".join(shown(each) for each in copy.followed_by) if full else str(len(copy.followed_by))
    return f"{name} (followed by {followers})"


def render_inputs_markdown(document: InputsDocument, *, now: int) -> str:
    """Return a table with a row for each copy."""
    titles = ("source", "ref", "rev", "date", "age", "repo", "input", "followed by")
    rows = []
    for source in document.sources:
        for copies in by_commit(source.copies):
            for copy in copies:
                ref, rev, date, age = _cells(copy, now)
                name = input_name(copy.flake, copy.input)
                followers = ", ".join(code(each) for each in copy.followed_by)
                rows.append(
                    [code(source.source), code(ref), code(rev), date, age, code(copy.repo), code(name), followers]
                )
    return "\n".join(table([(title, "right" if title == "age" else "left") for title in titles], rows)) + "\n"
