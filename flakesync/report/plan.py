"""A plan as text: wave by wave, what moves; then what does not, and why."""

from collections.abc import Iterable, Mapping, Sequence

from flakesync.documents.plan import ChangeDocument, InertDocument, PlanDocument, StaysDocument
from flakesync.report.cooldown.choices import render_choices
from flakesync.report.text import (
    BLANK,
    SHORT_REV,
    Line,
    Span,
    beside,
    by_detail,
    count,
    flow,
    fold,
    hang,
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

Place = tuple[str, str, str]
"""A repo, a flake of it and the path of an input."""

_INPUT_MOST = 28
_REVS_WIDTH = 2 * SHORT_REV + 3


def render_plan(document: PlanDocument, *, width: int, sources: Mapping[Place, str] | None = None) -> list[Line]:
    """Return the waves as headings, below each its repos, and for each of them what moves.

    sources: where each change is taken from, and of which day what is locked is; it goes below it. None: nothing.
    """
    moving = sum(len(wave) for wave in document.waves)
    repos = {entry.repo for wave in document.waves for entry in wave} | {each.repo for each in document.problems}
    total = len(repos.union(document.unchanged))
    lines = [line(Span(_summary(moving, total, len(document.waves)), "head"))]
    for number, wave in enumerate(document.waves, start=1):
        lines += [BLANK, line(Span(f"wave {number}", "head"))]
        for entry in wave:
            lines += fold(line("  ", Span(shown(entry.repo), "name")), width, 4)
            for changes in ([each] for each in entry.changes) if sources else [entry.changes]:
                lines += change_lines(changes, indent=4, width=width)
                lines += _source(entry.repo, changes[0], sources, width) if sources else []
    lines += _stays("held", document.held, width)
    lines += _stays("deferred", document.deferred, width)
    lines += _inert(document.inert, width)
    lines += render_choices("cooldown", document.pins, width)
    if document.problems:
        lines += [BLANK, line(Span("cannot be planned", "bad"))]
        for alike, detail in by_detail((problem.repo, problem.detail) for problem in document.problems):
            pieces = wrap(f"{alike}: {shown(detail)}", width - 4)
            lines += hang(line("  "), [line(piece) for piece in pieces], 4)
    if document.unchanged:
        lines += [BLANK, line(Span(f"unchanged ({len(document.unchanged)})", "head"))]
        lines += ((Span("  "), *each) for each in flow([Span(shown(name)) for name in document.unchanged], width - 2))
    return lines


def _source(repo: str, change: ChangeDocument, sources: Mapping[Place, str], width: int) -> list[Line]:
    revs = f"{change.from_ or 'no commit'} → {change.to['rev']}" if "rev" in change.to else change.from_ or "no commit"
    texts = (sources.get((repo, change.flake, change.input), ""), revs)
    return [line(" " * 8, Span(piece, "dim")) for text in texts if text for piece in wrap(shown(text), width - 8)]


def _summary(moving: int, total: int, waves: int) -> str:
    if not moving:
        return f"nothing moves in {count(total, 'repo')}"
    return f"{moving} of {count(total, 'repo')} move{'s' if moving == 1 else ''} in {count(waves, 'wave')}"


def change_lines(changes: Sequence[ChangeDocument], *, indent: int, width: int) -> list[Line]:
    """Return a line for each change: the input, from where to where, and why."""
    names = [input_name(change.flake, change.input) for change in changes]
    column = min(widest(names), share(width, indent + 2 + _REVS_WIDTH + 2, _INPUT_MOST))
    room = max(width - indent - column - 2, 1)
    arrows = [_arrow(change) for change in changes]
    # Only what has a reason beside it is lined up; `update of NAME` says it all.
    lined_up = [arrow for change, arrow in zip(changes, arrows, strict=True) if "update_of" not in change.to]
    arrow_column = max(map(line_width, lined_up), default=0)
    lines: list[Line] = []
    for change, name, arrow in zip(changes, names, arrows, strict=True):
        if "update_of" in change.to:
            head = row([(line(name), column)], indent=indent)
            lines += beside(head, fold(arrow, room), line_width(head[0]))
            continue
        head = row([(line(name), column), (arrow, arrow_column)], indent=indent)
        lines += with_detail(head, shown(change.reason), line_width(head[0]), indent + 4, width)
    return lines


def _arrow(change: ChangeDocument) -> Line:
    upstream, written = change.to.get("update_of"), change.to.get("flake_nix")
    if written is not None:
        return line(Span(short(change.from_), "rev"), " → ", Span(shown(written), "good"))
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
    rest = 2 + 2 + 2 + SHORT_REV + 2
    repos = min(widest(shown(each.repo) for each in found), share(width, rest + _INPUT_MOST // 2, _INPUT_MOST))
    names = min(widest(input_name(each.flake, each.input) for each in found), share(width, rest + repos, _INPUT_MOST))
    for each in found:
        name = input_name(each.flake, each.input)
        cells = [(line(Span(shown(each.repo), "name")), repos), (line(name), names)]
        head = row([*cells, (line(Span(short(each.locked_rev), "rev")), SHORT_REV)])
        lines += with_detail(head, shown(each.reason), line_width(head[0]), 6, width)
    return lines


def _inert(inert: Sequence[InertDocument], width: int) -> list[Line]:
    """Return the inputs that stay, as nothing arrives from their upstream; a line for each repo and upstream."""
    if not inert:
        return []
    lines = [BLANK, line(Span(f"inert ({len(inert)})", "head"))]
    heads = [f"{shown(each.repo)} ← {shown(each.upstream)}" for each in inert]
    column = min(widest(heads), share(width, 4, 2 * _INPUT_MOST))
    for each, words in zip(inert, heads, strict=True):
        head = row([(line(Span(words, "name")), column)])
        lines += with_detail(head, _why_inert(each), line_width(head[0]), 6, width)
    return lines


def _why_inert(inert: InertDocument) -> str:
    since = f"{count(inert.behind, 'commit')} behind" if inert.behind else "its update"
    locks = ", only flake.lock" if inert.behind else ""
    moved = f"{locks}: {', '.join(map(shown, inert.moved))}" if inert.moved else ""
    match inert.rule:
        case "content":
            several = (len(inert.moved) or inert.behind) > 1
            why = f", which {'do' if several else 'does'} not reach {shown(inert.repo)}"
        case "cycle":
            why = "; it runs backwards in a cycle"
        case "self":
            why = "; it is the repo itself"
    return f"{since}{moved}{why}"
