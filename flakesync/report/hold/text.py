"""The holds of a workspace as text: repo by repo, how long each holds, and why."""

from collections.abc import Sequence
from typing import assert_never

from flakesync.documents.change.hold import HoldDocument, HoldsDocument
from flakesync.report.text import (
    Line,
    Span,
    Style,
    count,
    fold,
    input_name,
    line,
    line_width,
    row,
    share,
    shown,
    widest,
    with_detail,
)

_MOST_NAME = 40
_WHENS = "until 2027-03-01, 1000 days left"


def render_holds(document: HoldsDocument, *, manifest: str, width: int) -> list[Line]:
    """Return what is held, or, where the manifest was written, what was done to it. manifest: its name."""
    if document.written is not None:
        return [*_rows(document.changed, width), *fold(line(_done(document, manifest)), width)]
    if not document.holds:
        return fold(line(Span("no input is held", "good")), width)
    return [*_rows(document.holds, width), *fold(line(Span(_summary(document.holds), "head")), width)]


def _rows(holds: Sequence[HoldDocument], width: int) -> list[Line]:
    names = min(widest(_name(each) for each in holds), share(width, 2 + len(_WHENS) + 2, _MOST_NAME))
    whens = widest(_when(each)[0] for each in holds)
    lines: list[Line] = []
    repo = None
    for each in holds:
        if each.repo != repo:
            repo = each.repo
            lines += fold(line(Span(shown(repo), "name")), width, 2)
        when, style = _when(each)
        head = row([(line(_name(each)), names), (line(Span(when, style)), whens)])
        lines += with_detail(head, _why(each), line_width(head[0]), 6, width)
    return lines


def _why(hold: HoldDocument) -> str:
    match hold.kind:
        case "until":
            return shown(hold.reason or "")
        case "for-ever":
            return "hold in the manifest"
        case "checks":
            return f"{shown(hold.reason or '')} (held by sync)"
        case _:
            assert_never(hold.kind)


def _name(hold: HoldDocument) -> str:
    return f".#{shown(hold.input)}" if hold.flake == "." else input_name(hold.flake, hold.input)


def _when(hold: HoldDocument) -> tuple[str, Style]:
    """Return how long a hold holds, and how that is shown."""
    if hold.until is None or hold.days_left is None:
        return "for ever", "dim"
    until = shown(hold.until)
    if hold.days_left < 0:
        return f"ended {until}", "warn"
    left = "last day" if hold.days_left == 0 else f"{count(hold.days_left, 'day')} left"
    return f"until {until}, {left}", ""


def _done(document: HoldsDocument, manifest: str) -> str:
    name = shown(manifest)
    match document.written:
        case "added":
            return f"added to {name}"
        case "changed":
            return f"changed in {name}"
        case "released":
            return f"taken out of {name}"
        case _:
            return f"{name} is as it was"


def _summary(holds: Sequence[HoldDocument]) -> str:
    over = sum(each.days_left is not None and each.days_left < 0 for each in holds)
    for_ever = sum(each.days_left is None for each in holds)
    numbers = ((len(holds) - over - for_ever, "until a day"), (over, "over"), (for_ever, "for ever"))
    return f"{count(len(holds), 'hold')}: {', '.join(f'{number} {words}' for number, words in numbers if number)}"
