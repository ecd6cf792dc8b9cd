"""A bisection as text: a line a probe, then what to hold, and what passes without it."""

from collections.abc import Iterable, Sequence

from flakesync.documents.bisect import BisectDocument, BisectMoveDocument, BisectOutcome, ProbeDocument, UnitDocument
from flakesync.errors import plain
from flakesync.report.text import (
    Line,
    Span,
    Style,
    count,
    fold,
    hang,
    input_name,
    line,
    pad,
    short,
    shown,
    wrap,
)

_VERDICT_WIDTH = 7
_TAIL_LINES = 8
_STYLES: dict[str, Style] = {"pass": "good", "fail": "bad", "unknown": "warn"}
_SOURCES = {"sync": "from sync", "cache": "from cache", "same-drv": "builds the same as one that failed"}
_LIMITED = "the limit was reached before the first bad commit was found: run it again to go on from here"
_ENDS: dict[BisectOutcome, tuple[str, str]] = {
    "found": ("", ""),
    "broken-before": (
        "the checks fail without the update too",
        "mend the repo's base first; with --run another command can be looked at",
    ),
    "not-failing": ("the checks pass with all moves, twice: there is nothing to hold", ""),
    "flaky": (
        "flaky: the checks passed and failed with the very same locks: nothing is held for that",
        "--match REGEX looks for one failure alone",
    ),
    "too-many": (
        "so many units break the checks that it is the update as a whole",
        "hold it, or mend the repo; --input GLOB looks at a part",
    ),
    "limit": ("the limit was reached before anything was found", "run it again to go on from here"),
}


def render_bisect(document: BisectDocument, *, width: int, full: bool = False) -> list[Line]:
    """Return the answer; full: each probe, all revs and the whole output of the check."""
    lines = fold(heading(document.repo, document.command, document.units), width)
    if full:
        for probe in document.probes:
            lines += probe_lines(probe, [unit.id for unit in document.units], width)
    lines += _guilty(document, width, full=full)
    said, hint = _ENDS[document.outcome]
    lines += [line(Span(piece, "warn")) for piece in wrap(said, width)] if said else []
    if document.outcome not in ("found", "not-failing"):
        lines += _output(document, full=full)
    if document.outcome != "not-failing":
        lines += _hint(shown(document.hint or ""), width)
    if not document.complete and document.outcome == "found":
        lines += [line(Span(piece, "warn")) for piece in wrap(_LIMITED, width)]
    if document.outcome == "found":
        held = f"hold = [{_names(document)}] in [repos.{shown(document.repo)}]"
        hint = f'to sync without it: on-failure = "bisect", or {held}'
        lines += fold(line(_rest(len(document.passing))), width)
    return [*lines, *_hint(hint, width), _counted(document)]


def _hint(text: str, width: int) -> list[Line]:
    return hang(line(Span("hint:", "name"), " "), [line(each) for each in wrap(text, width - 6)], 6) if text else []


def heading(repo: str, command: Sequence[str], units: Sequence[UnitDocument]) -> Line:
    """Return what is looked at: the repo, its checks, and how much has moved."""
    moves = count(sum(len(unit.moves) for unit in units), "move")
    checks = ", ".join(f"`{shown(each)}`" for each in command)
    return line(Span(shown(repo), "name"), f": {checks} with {moves} ({count(len(units), 'unit')})")


def probe_lines(probe: ProbeDocument, units: Sequence[str], width: int) -> list[Line]:
    """Return a probe: its verdict, what had moved, how long it took, and from where it is known."""
    head = line("  ", Span(pad(probe.verdict, _VERDICT_WIDTH), _STYLES[probe.verdict]), "  ")
    words = what_moved(probe.units, units) if probe.at is None else f"{shown(probe.at.unit)} at {short(probe.at.rev)}"
    words += ", once more" if probe.again else ""
    words += f"  {_minutes(probe.duration_s)}" + (f" ({_SOURCES[probe.source]})" if probe.source != "ran" else "")
    if probe.verdict == "unknown" and probe.why is not None:
        words += f": {shown(probe.why)}"
    indent = _VERDICT_WIDTH + 4
    return hang(head, [line(piece) for piece in wrap(words, width - indent)], indent)


def what_moved(moved: Sequence[str], units: Sequence[str]) -> str:
    """Return which units of a repo a probe moves, in the shortest words."""
    left = [each for each in units if each not in moved]
    if not moved:
        return "nothing moved"
    if not left:
        return "all"
    if len(left) < len(moved):
        return f"all but {' '.join(map(shown, left))}"
    return " ".join(map(shown, moved))


def _guilty(document: BisectDocument, width: int, *, full: bool) -> Iterable[Line]:
    for each in document.guilty:
        name = Span("guilty: " if each.proven else "held: ", "bad" if each.proven else "warn")
        revs = list(dict.fromkeys((move.from_, move.to) for move in _moves(document, each.unit)))
        moved = ", ".join(_revs(*pair, full=full) for pair in revs)
        yield from fold(line(name, Span(shown(each.unit), "name"), f"  {moved}"), width, 2)
        if not each.proven:
            yield from fold(line("  the check could not be run with it"), width, 2)
        if each.first_bad is not None:
            bad = each.first_bad
            words = f"  first bad commit: {short(bad.rev)} {shown(bad.subject)} ({shown(bad.date or '?')})"
            yield from fold(line(words), width, 2)
        if each.range:
            good, last = short(each.range[0]), short(each.range[-1])
            words = f"  the first bad commit is after {good}, up to {last}"
            words += ": only known tips of its branch were looked at" if each.walked == "tips" else ""
            yield from fold(line(words), width, 2)
        if each.not_walked is not None:
            yield from fold(line(f"  its commits: {shown(each.not_walked)}"), width, 2)
        if each.only_with:
            with_ = " ".join(map(shown, each.only_with))
            yield from fold(line(f"  only together with {with_}: without that the check passes"), width, 2)
    if document.guilty:
        yield from _output(document, full=full)


def _moves(document: BisectDocument, name: str) -> list[BisectMoveDocument]:
    return [move for unit in document.units if unit.id == name for move in unit.moves]


def _revs(old: str | None, new: str | None, *, full: bool) -> str:
    def show(rev: str | None, unknown: str) -> str:
        return unknown if rev is None else shown(rev) if full else short(rev)

    return f"{show(old, 'none')} → {show(new, 'its update')}"


def _output(document: BisectDocument, *, full: bool) -> Iterable[Line]:
    output = plain(document.output or "").rstrip().splitlines()
    left = 0 if full else max(0, len(output) - _TAIL_LINES)
    if left:
        yield line("  ", Span(f"| … {count(left, 'line')} more (-v)", "dim"))
    yield from (line("  ", Span("| ", "dim"), each.expandtabs(4)) for each in output[left:])


def _rest(number: int) -> str:
    if number > 1:
        return f"the other {number} units pass together"
    return "the other unit passes" if number else "there is no other unit"


def _names(document: BisectDocument) -> str:
    moves = [move for each in document.guilty for move in _moves(document, each.unit)]
    return ", ".join(f'"{input_name(None, move.input)}"' for move in {move.input: move for move in moves}.values())


def _counted(document: BisectDocument) -> Line:
    ran = [probe for probe in document.probes if probe.source == "ran"]
    known = len(document.probes) - len(ran)
    words = f"{count(len(ran), 'check')} in {_minutes(sum(probe.duration_s for probe in ran))}"
    return line(Span(words + (f", {known} known before" if known else ""), "dim"))


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
