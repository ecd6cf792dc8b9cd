"""A plan as text: wave by wave, what moves; then what does not, and why."""

from collections.abc import Iterable, Sequence

from flakesync.documents.plan import ChangeDocument, InertDocument, PlanDocument, StaysDocument
from flakesync.report.text import (
    BLANK,
    Line,
    Span,
    by_detail,
    count,
    flow,
    hang,
    input_name,
    line,
    pad,
    short,
    shown,
    widest,
    with_detail,
    wrap,
)

_INPUT_MOST = 28


def render_plan(document: PlanDocument, *, width: int) -> list[Line]:
    """Return the waves as headings, below each its repos, and for each of them what moves."""
    moving = sum(len(wave) for wave in document.waves)
    repos = {entry.repo for wave in document.waves for entry in wave} | {each.repo for each in document.problems}
    total = len(repos.union(document.unchanged))
    lines = [line(Span(_summary(moving, total, len(document.waves)), "head"))]
    for number, wave in enumerate(document.waves, start=1):
        lines += [BLANK, line(Span(f"wave {number}", "head"))]
        for entry in wave:
            lines.append(line("  ", Span(entry.repo, "name")))
            lines += change_lines(entry.changes, indent=4, width=width)
    lines += _stays("held", document.held, width)
    lines += _stays("deferred", document.deferred, width)
    lines += _inert(document.inert, width)
    if document.problems:
        lines += [BLANK, line(Span("cannot be planned", "bad"))]
        for alike, detail in by_detail((problem.repo, problem.detail) for problem in document.problems):
            pieces = wrap(f"{alike}: {shown(detail)}", width - 4)
            lines += hang(line("  "), [line(piece) for piece in pieces], 4)
    if document.unchanged:
        lines += [BLANK, line(Span(f"unchanged ({len(document.unchanged)})", "head"))]
        lines += ((Span("  "), *each) for each in flow([Span(name) for name in document.unchanged], width - 2))
    return lines


def _summary(moving: int, total: int, waves: int) -> str:
    if not moving:
        return f"nothing moves in {count(total, 'repo')}"
    return f"{moving} of {count(total, 'repo')} move{'s' if moving == 1 else ''} in {count(waves, 'wave')}"


def change_lines(changes: Sequence[ChangeDocument], *, indent: int, width: int) -> list[Line]:
    """Return a line for each change: the input, from where to where, and why."""
    names = [input_name(change.flake, change.input) for change in changes]
    column = widest(names, most=_INPUT_MOST)
    arrows = [_arrow(change) for change in changes]
    # Only what has a reason beside it is lined up; `update of NAME` says it all.
    beside = [arrow for change, arrow in zip(changes, arrows, strict=True) if "update_of" not in change.to]
    arrow_column = widest("".join(span.text for span in arrow) for arrow in beside)
    lines: list[Line] = []
    for change, name, arrow in zip(changes, names, arrows, strict=True):
        reason = "" if "update_of" in change.to else shown(change.reason)
        used = sum(len(span.text) for span in arrow)
        head = line(" " * indent, pad(name, column), "  ", *arrow)
        if reason:
            head += (Span(" " * max(0, arrow_column - used) + "  "),)
        at = indent + max(column, len(name)) + 2 + max(arrow_column, used) + 2
        lines += with_detail(head, reason, at, indent + 4, width)
    return lines


def _arrow(change: ChangeDocument) -> Line:
    upstream = change.to.get("update_of")
    to = (
        Span(f"update of {shown(upstream)}", "good")
        if upstream is not None
        else Span(short(change.to.get("rev")), "good")
    )
    return line(Span(short(change.from_), "rev"), " → ", to)


def _stays(title: str, stays: Iterable[StaysDocument], width: int) -> list[Line]:
    found = list(stays)
    if not found:
        return []
    lines = [BLANK, line(Span(f"{title} ({len(found)})", "warn"))]
    repos = widest((each.repo for each in found), most=_INPUT_MOST)
    names = widest((input_name(each.flake, each.input) for each in found), most=_INPUT_MOST)
    for each in found:
        name = input_name(each.flake, each.input)
        head = line(
            "  ",
            Span(pad(each.repo, repos), "name"),
            "  ",
            pad(name, names),
            "  ",
            Span(pad(short(each.locked_rev), 7), "rev"),
            "  ",
        )
        at = 2 + max(repos, len(each.repo)) + 2 + max(names, len(name)) + 11
        lines += with_detail(head, shown(each.reason), at, 6, width)
    return lines


def _inert(inert: Sequence[InertDocument], width: int) -> list[Line]:
    """Return the inputs that stay, as nothing arrives from their upstream; a line for each repo and upstream."""
    if not inert:
        return []
    lines = [BLANK, line(Span(f"inert ({len(inert)})", "head"))]
    heads = [f"{shown(each.repo)} ← {shown(each.upstream)}" for each in inert]
    column = widest(heads, most=2 * _INPUT_MOST)
    for each, head in zip(inert, heads, strict=True):
        start = line("  ", Span(pad(head, column), "name"), "  ")
        lines += with_detail(start, _why_inert(each), 2 + max(column, len(head)) + 2, 6, width)
    return lines


def _why_inert(inert: InertDocument) -> str:
    since = f"{count(inert.behind, 'commit')} behind, only flake.lock" if inert.behind else "its update"
    moved = f": {', '.join(map(shown, inert.moved))}" if inert.moved else ""
    match inert.rule:
        case "content":
            why = f", which {'do' if len(inert.moved) > 1 else 'does'} not reach {shown(inert.repo)}" if moved else ""
        case "cycle":
            why = "; it runs backwards in a cycle"
        case "self":
            why = "; it is the repo itself"
    return f"{since}{moved}{why}"
