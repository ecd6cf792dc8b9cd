"""What publish and abandon did, as text: repo by repo, then one line that sums it up."""

from collections import Counter
from collections.abc import Iterable

from flakesync.documents.pulls.abandon import AbandonDocument, AbandonOutcome, AbandonStatus
from flakesync.documents.pulls.publish import PublishDocument, PublishOutcome, PublishStatus, SkipReason
from flakesync.documents.sync import ErrorDocument
from flakesync.errors import plain
from flakesync.publish.documents import published_document
from flakesync.publish.work import Published
from flakesync.report.text import BLANK, Line, Span, Style, flow, fold, hang, line, pad, short, shown, widest, wrap
from flakesync.report.unreachable import unreachable_together
from flakesync.sync.events import Finished

REASONS: dict[SkipReason, str] = {
    "no-update": "no update",
    "no-server": "nowhere to push to",
    "closed": "a person has closed it (--reopen)",
    "merged": "merged",
    "stale": "stale",
    "upstream": "an upstream is not on its server",
    "unpushed-base": "its base is not on its server",
    "limit": "left for a later run (limit)",
}
_PUBLISH_STYLES: dict[PublishStatus, Style] = {
    "opened": "good",
    "updated": "good",
    "unchanged": "dim",
    "failed": "bad",
    "skipped": "warn",
}
_ABANDON_STYLES: dict[AbandonStatus, Style] = {"abandoned": "good", "unchanged": "dim", "failed": "bad"}
_STATUS_WIDTH = 9
_INDENT = 4
_MOST_LATER = 20


def render_publish(document: PublishDocument, *, width: int) -> list[Line]:
    """Return every repo with an update, its pull request or why there is none; then the others by name.

    Of those that a limit leaves for a later run the first ones are named, and the others counted.
    """
    lines: list[Line] = []
    shown_outcomes = [outcome for outcome in document.repos if outcome.reason != "no-update"]
    left = [outcome.repo for outcome in shown_outcomes if _is_later(outcome)]
    listed = [outcome for outcome in shown_outcomes if not _is_later(outcome)]
    touched = unreachable_together(listed, void=("branch", "commit"))
    column = widest((shown(outcome.repo) for outcome in touched), most=32)
    for outcome in touched:
        lines += fold(_published(outcome, column), width, _INDENT)
        lines += _notes(outcome.notes, width)
        lines += error_lines(outcome.error, width)
    without = [outcome.repo for outcome in document.repos if outcome.reason == "no-update"]
    lines += _names("no update", without, width)
    more = [f"and {len(left) - _MOST_LATER:,} more"] if len(left) > _MOST_LATER else []
    lines += _names("for later", [*left[:_MOST_LATER], *more], width)
    summary = _summary((outcome.status for outcome in shown_outcomes), _PUBLISH_STYLES, "nothing to publish")
    return [*lines, *([BLANK] if lines else []), *fold(summary, width)]


def progress_line(event: Finished[Published]) -> Line | None:
    """Return what a log says of a repo that is done; None: nothing, as there is no update, or it is left for later."""
    if event.result.reason == "no-update" or (event.result.reason == "limit" and not event.result.notes):
        return None
    place = Span(f"[{event.done:{len(str(event.total))}}/{event.total}] ", "dim")
    return line(place, *_published(published_document(event.result), 0, status_width=0))


def _is_later(outcome: PublishOutcome) -> bool:
    """Tell whether nothing more is to be said of a repo than that a later run goes on with it."""
    return outcome.reason == "limit" and not outcome.notes


def _published(outcome: PublishOutcome, column: int, status_width: int = _STATUS_WIDTH) -> Line:
    parts = [Span(pad(outcome.status, status_width), _PUBLISH_STYLES[outcome.status]), Span("  ")]
    parts.append(Span(pad(shown(outcome.repo), column), "name"))
    if outcome.pull is not None:
        parts.append(Span(f"  {shown(outcome.pull.url)}"))
    elif outcome.commit is not None:
        parts += [Span("  "), Span(short(outcome.commit), "rev"), Span(f"  {shown(outcome.branch or '')}", "dim")]
    if outcome.reason is not None:
        parts.append(Span(f"  {REASONS[outcome.reason]}", "dim"))
    return tuple(parts)


def render_abandon(document: AbandonDocument, *, width: int) -> list[Line]:
    """Return what was taken away of each repo, or would be."""
    lines: list[Line] = []
    touched = unreachable_together((each for each in document.repos if each.status != "unchanged"), void=())
    column = widest((shown(outcome.repo) for outcome in touched), most=32)
    for outcome in touched:
        lines += fold(_abandoned(outcome, column), width, _INDENT)
        lines += error_lines(outcome.error, width)
    lines += _names("unchanged", [one.repo for one in document.repos if one.status == "unchanged"], width)
    summary = _summary((outcome.status for outcome in document.repos), _ABANDON_STYLES, "no repos")
    dry = Span("dry run, nothing was done: " if document.dry_run else "", "warn")
    return [*lines, *([BLANK] if lines else []), *fold((dry, *summary), width)]


def _abandoned(outcome: AbandonOutcome, column: int) -> Line:
    places = [place for place, tip in (("here", outcome.local), ("on the server", outcome.remote)) if tip is not None]
    done = [f"closed {shown(outcome.pull.url)}"] if outcome.pull is not None else []
    done += [f"deleted the update branch {' and '.join(places)}"] if places else []
    status = Span(pad(outcome.status, _STATUS_WIDTH), _ABANDON_STYLES[outcome.status])
    return line(status, "  ", Span(pad(shown(outcome.repo), column), "name"), "  ", ", ".join(done))


def error_lines(error: ErrorDocument | None, width: int) -> Iterable[Line]:
    """Return an error and its hint, below the line of its repo."""
    if error is None:
        return
    start = " " * _INDENT
    first, *more = plain(error.message).splitlines() or [""]
    yield from (
        line(start, Span(piece, "bad")) for piece in wrap(f"error[{error.code}]: {shown(first)}", width - _INDENT)
    )
    yield from (line(start, "| ", each.expandtabs(4)) for each in more)
    if error.hint is not None:
        yield from (line(start, piece) for piece in wrap(f"hint: {shown(error.hint)}", width - _INDENT))


def _notes(notes: Iterable[str], width: int) -> Iterable[Line]:
    for note in notes:
        yield from (line(" " * _INDENT, Span(piece, "dim")) for piece in wrap(f"note: {shown(note)}", width - _INDENT))


def _names(title: str, names: list[str], width: int) -> list[Line]:
    if not names:
        return []
    body = flow([Span(shown(name)) for name in names], width - _STATUS_WIDTH - 2)
    return hang(line(Span(pad(title, _STATUS_WIDTH), "dim"), "  "), body, _STATUS_WIDTH + 2)


def _summary(statuses: Iterable[str], order: Iterable[str], none: str) -> Line:
    numbers = Counter(statuses)
    parts = [f"{numbers[status]} {status}" for status in order if numbers[status]]
    return line(Span(", ".join(parts) or none, "bad" if numbers["failed"] else "good"))
