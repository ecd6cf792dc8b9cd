"""What a landing did, as text: repo by repo, then one line that sums it up."""

from collections import Counter
from collections.abc import Iterable

from flakesync.documents.pulls.land import LandDocument, LandOutcome, LandStatus, Tested
from flakesync.documents.sync import CheckResult
from flakesync.errors import plain
from flakesync.land import outcome as values
from flakesync.land.documents import outcome_document
from flakesync.report.publish import error_lines
from flakesync.report.sync import because, failed_upstream_lines
from flakesync.report.text import BLANK, Line, Span, Style, fold, line, pad, short, shown, widest, wrap
from flakesync.report.unreachable import unreachable_together
from flakesync.sync.events import Finished

_STYLES: dict[LandStatus, Style] = {
    "landed": "good",
    "repinned": "good",
    "waiting": "warn",
    "failed": "bad",
    "skipped": "warn",
}
_CHECKS: dict[Tested, str] = {
    "as-published": "",
    "carried-over": "checks carried over",
    "ran": "checks ran again",
    "none": "",
}
_STATUS_WIDTH = 8
_INDENT = 4
_TAIL_LINES = 20


def render_land(document: LandDocument, *, width: int, full: bool = False) -> list[Line]:
    """Return every repo that had something to land, with what it was merged as or what it waits for.

    full: all that is known of the output of a failed check, not only its last lines.
    """
    lines: list[Line] = []
    touched = unreachable_together(document.repos, void=("commit",))
    column = widest((shown(outcome.repo) for outcome in touched), most=32)
    for outcome in touched:
        lines += fold(_heading(outcome, column), width, _INDENT)
        if outcome.error is None or outcome.error.because is None:
            lines += error_lines(outcome.error, width)
        if outcome.detail is not None:
            lines += [line(" " * _INDENT, Span(piece, "dim")) for piece in wrap(shown(outcome.detail), width - _INDENT)]
        lines += failed_upstream_lines(outcome.failed_upstreams, width)
        lines += _checks(outcome.results, full)
    return [*lines, *([BLANK] if lines else []), *fold(_summary(document), width)]


def progress_line(event: Finished[values.LandOutcome]) -> Line:
    """Return what a log says of a repo whose turn is over."""
    outcome = outcome_document(event.result)
    words: str = outcome.status
    if outcome.merged is not None:
        words += f" as {outcome.merged[:12]}"
    elif outcome.error is not None:
        words += f": {outcome.error.message.partition(chr(10))[0]}"
    elif outcome.detail is not None or outcome.waits_for:
        words += f": {outcome.detail or ', '.join(outcome.waits_for)}"
    style: Style = "good" if outcome.status in ("landed", "repinned") else "warn"
    return line(Span(shown(outcome.repo), "name"), "  ", Span(shown(words), style))


def _heading(outcome: LandOutcome, column: int) -> Line:
    parts = [Span(pad(outcome.status, _STATUS_WIDTH), _STYLES[outcome.status]), Span("  ")]
    parts.append(Span(pad(shown(outcome.repo), column), "name"))
    if outcome.merged is not None:
        parts += [Span("  "), Span(short(outcome.merged), "rev")]
    elif outcome.commit is not None:
        parts += [Span("  "), Span(short(outcome.commit), "rev")]
    if outcome.pull is not None:
        parts.append(Span(f"  {shown(outcome.pull)}"))
    if outcome.checks is not None and _CHECKS[outcome.checks]:
        parts.append(Span(f"  {_CHECKS[outcome.checks]}", "dim"))
    if outcome.waits_for:
        parts.append(Span(f"  for {', '.join(map(shown, outcome.waits_for))}", "dim"))
    if outcome.error is not None and outcome.error.because is not None:
        parts.append(Span(f"  {because(outcome.error)}", "dim"))
    return tuple(parts)


def _checks(checks: Iterable[CheckResult], full: bool) -> Iterable[Line]:
    """Return the failed checks with the end of what they printed."""
    for check in checks:
        if check.exit_status == 0:
            continue
        yield line(" " * _INDENT, Span(f"$ {shown(check.command)}", "head"))
        output = plain(check.output).rstrip().splitlines()
        shown_lines = output if full else output[-_TAIL_LINES:]
        yield from (line(" " * _INDENT, Span("| ", "dim"), each.expandtabs(4)) for each in shown_lines)


def _summary(document: LandDocument) -> Line:
    numbers = Counter(outcome.status for outcome in document.repos)
    parts = [f"{numbers[status]} {status}" for status in _STYLES if numbers[status]]
    style: Style = "bad" if numbers["failed"] + numbers["skipped"] else "warn" if numbers["waiting"] else "good"
    deleted = len(document.deleted)
    more = f"  ({deleted} update branch{'' if deleted == 1 else 'es'} deleted)" if deleted else ""
    return line(Span(", ".join(parts) or "nothing to land", style), Span(more, "dim"))
