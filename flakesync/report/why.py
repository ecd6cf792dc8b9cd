"""Why inputs move, wait or stay, as text: an input a line, and below it the chain that leads there."""

from collections.abc import Iterable, Sequence

from flakesync.documents.why import Fate, ReasonDocument, WhyDocument
from flakesync.report.text import (
    BLANK,
    SHORT_REV,
    Line,
    Span,
    Style,
    count,
    flow,
    fold,
    input_name,
    line,
    line_width,
    row,
    share,
    short,
    shown,
    widest,
    with_detail,
    wrap,
)

_STYLES: dict[Fate, Style] = {"moves": "good", "waits": "name", "held": "warn", "inert": "dim", "in-step": "dim"}
_FATE_WIDTH = 7
_MOST_DEPTH = 6


def render_why(document: WhyDocument, *, width: int, full: bool = False) -> list[Line]:
    """Return what becomes of each input and why; those in step by name alone, unless `full` or there is but one."""
    rest = [each for each in document.reasons if each.fate == "in-step" and not full and len(document.reasons) > 1]
    told = [each for each in document.reasons if each not in rest]
    lines = fold(line(Span(shown(document.repo), "name"), f": {_summary(document)}"), width)
    for problem in document.problems:
        lines += [line("  ", Span(piece, "bad")) for piece in wrap(shown(problem), width - 2)]
    lines += _reasons(told, 0, width, full)
    if rest:
        lines += [BLANK, line(Span(f"in step ({len(rest)})", "head"))]
        names = [Span(input_name(each.flake, each.input)) for each in rest]
        lines += ((Span("  "), *each) for each in flow(names, width - 2))
    return lines


def _summary(document: WhyDocument) -> str:
    numbers = {fate: sum(each.fate == fate for each in document.reasons) for fate in _STYLES}
    parts = [f"{number} {fate.replace('-', ' ')}" for fate, number in numbers.items() if number]
    found = count(len(document.reasons), "input")
    return f"{found}, {', '.join(parts)}" if parts else "no input is a pin's or a repo of the workspace"


def _reasons(reasons: Sequence[ReasonDocument], depth: int, width: int, full: bool) -> Iterable[Line]:
    names = [_name(each, depth) for each in reasons]
    indent = 2 + 2 * min(depth, _MOST_DEPTH)
    rest = indent + 2 + _FATE_WIDTH + 2 + 2 * SHORT_REV + 3 + 2
    column = min(widest(names), share(width, rest, 28))
    for each, name in zip(reasons, names, strict=True):
        fate = (line(Span(each.fate.replace("-", " "), _STYLES[each.fate])), _FATE_WIDTH)
        head = row([(line(name), column), fate, (_revs(each, full), _revs_width(reasons, full))], indent=indent)
        yield from with_detail(head, _why(each), line_width(head[0]), indent + 4, width)
        yield from _reasons(each.because, depth + 1, width, full)


def _name(each: ReasonDocument, depth: int) -> str:
    name = input_name(each.flake, each.input)
    return f"{shown(each.repo)} {name}" if depth else name


def _revs_width(reasons: Sequence[ReasonDocument], full: bool) -> int:
    return max((line_width(_revs(each, full)) for each in reasons), default=0)


def _revs(each: ReasonDocument, full: bool) -> Line:
    locked = Span(_rev(each.locked_rev, full), "rev")
    return (locked, Span(" → "), Span(_rev(each.to_rev, full), "good")) if each.to_rev is not None else (locked,)


def _rev(rev: str | None, full: bool) -> str:
    return shown(rev) if full and rev is not None else short(rev)


def _why(each: ReasonDocument) -> str:
    parts = [shown(each.reason)]
    if each.fate == "inert" and each.moved:
        parts.append(f"moved there: {', '.join(map(shown, each.moved))}")
    if each.reaches:
        parts.append(f"reached by {', '.join(map(shown, each.reaches))}")
    return "; ".join(parts)
