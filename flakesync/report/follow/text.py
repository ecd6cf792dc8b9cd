"""What should follow as text: a line an edit, and below them what stays and why."""

from collections.abc import Iterable, Sequence

from flakesync.documents.follow import FlakeFollowsDocument, FollowDocument, FollowEdit, LeftInput
from flakesync.report.text import BLANK, Line, Span, Style, count, fold, line, line_width, shown, with_detail

_MOST_LEFT = 12
_SIGNS = {"add": "+", "replace": "~", "remove": "-"}


def render_follow(document: FollowDocument, *, repos: int, width: int, full: bool = False) -> list[Line]:
    """Return the edits of each flake, what a person has to write, and what stays; of that no more than a few, unless
    `full`.

    repos: how many were looked at.
    """
    lines: list[Line] = []
    for each in document.repos:
        lines += fold(line(Span(shown(each.repo), "name"), f"  ({shown(each.file)})"), width)
        lines += _edits(each.edits, width)
        lines += _by_hand(each, width)
        lines += _left([left for left in each.left if left.write is None], width, full)
    lines += [BLANK] if lines else []
    return [*lines, *_summary(document, repos, width)]


def _edits(edits: Sequence[FollowEdit], width: int) -> Iterable[Line]:
    heads = [line(f"  {_SIGNS[each.op]} ", Span(shown(_assignment(each)), _style(each))) for each in edits]
    column = min(max(map(line_width, heads), default=0), width // 2 + 8) + 2
    for head, each in zip(heads, edits, strict=True):
        filled = (*head, Span(" " * max(column - line_width(head), 2)))
        detail = shown(each.reason) if each.op == "remove" else _saved(each.nodes_saved)
        yield from with_detail([filled], detail, line_width(filled), 6, width)


def _style(edit: FollowEdit) -> Style:
    return "bad" if edit.op == "remove" else "good"


def _assignment(edit: FollowEdit) -> str:
    """Return an edit as it is written, but for the quotes of odd names."""
    name = ".".join(f"inputs.{part}" for part in edit.input.split("/")) + ".follows"
    return f'{name} = "{edit.follows}"' if edit.follows is not None else name


def _saved(nodes: int) -> str:
    return f"{count(nodes, 'node')} less" if nodes else ""


def _by_hand(flake: FlakeFollowsDocument, width: int) -> Iterable[Line]:
    """Yield what a person has to write or to take out, the reason once for all that it is of."""
    found: dict[str, list[str]] = {}
    for each in flake.left:
        if each.write is not None:
            what = "write it" if " = " in each.write else "take it out"
            found.setdefault(f"{_reason(flake, each)}; {what} yourself", []).append(each.write)
    for reason, written in found.items():
        yield from fold(line("  ", Span("!", "warn"), f" {reason}:"), width, 4)
        for text in written:
            yield from fold(line("    ", Span(shown(text), "good")), width, 6)


def _reason(flake: FlakeFollowsDocument, left: LeftInput) -> str:
    place = f"{shown(flake.file)}:{left.line}:{left.column}: " if left.line is not None else ""
    return f"{place}{shown(left.detail)}"


def _left(left: Sequence[LeftInput], width: int, full: bool) -> Iterable[Line]:
    told = left if full or len(left) <= _MOST_LEFT + 1 else left[:_MOST_LEFT]
    names = [line("  · ", Span(shown(each.input))) for each in told]
    column = min(max(map(line_width, names), default=0), max(width // 3, 20)) + 2
    for name, each in zip(names, told, strict=True):
        filled = (*name, Span(" " * max(column - line_width(name), 2)))
        yield from with_detail([filled], shown(each.detail), line_width(filled), 6, width)
    if len(told) < len(left):
        yield line("  ", Span(f"· and {len(left) - len(told)} more (-v)", "dim"))


def _summary(document: FollowDocument, repos: int, width: int) -> list[Line]:
    edited = [each for each in document.repos if each.edits]
    edits = [edit for each in edited for edit in each.edits]
    by_hand = sum(left.write is not None for each in document.repos for left in each.left)
    where = count(repos, "repo")
    if not edits:
        text = (
            f"nothing to write in {where}" if not by_hand else f"{count(by_hand, 'line')} to change by hand in {where}"
        )
        return fold(line(Span(text, "good" if not by_hand else "warn")), width)
    before, after = (sum(getattr(each.nodes, name) for each in edited) for name in ("before", "after"))
    text = f"{count(len(edits), 'edit')} in {len({each.repo for each in edited})} of {where}"
    text += f": {before} → {after} lock nodes" if after != before else ""
    text += f"; {count(by_hand, 'line')} to change by hand" if by_hand else ""
    pins = sorted({edit.pin for edit in edits if edit.pin is not None and not edit.by_sync})
    if pins:
        keys = ", ".join(f'pins.{shown(pin)}.follow = "write"' for pin in pins)
        text += f". To have sync write them: {keys}"
    elif all(edit.by_sync for edit in edits):
        text += ". sync writes them"
    return fold(line(text), width)
