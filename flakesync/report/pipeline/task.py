"""What a task did, as text for the log of its job: the repo, what was pushed, and what to do."""

from flakesync.documents.change.task import TaskDocument
from flakesync.report.sync import left_lines, outcome_lines
from flakesync.report.text import BLANK, Line, Span, Style, fold, line, short, shown, widest

_WORDS = {"updated": "updated", "unchanged": "as planned already", "failed": "failed", "skipped": "skipped"}


def render_task(document: TaskDocument, *, width: int, full: bool = False) -> list[Line]:
    """Return what moved in the repo or why it could not, then one line that says how the task ended.

    full: all that is known of the output of a failed command, not only its last lines.
    """
    outcome = document.outcome
    lines = outcome_lines(outcome, widest([shown(outcome.repo)], most=32), width, full=full)
    lines += left_lines(document.left, width, full=True)
    return [*lines, BLANK, *fold(_summary(document), width)]


def _summary(document: TaskDocument) -> Line:
    outcome = document.outcome
    words = [_WORDS[outcome.status]]
    style: Style = "good"
    match outcome.status:
        case "failed":
            style = "bad"
            words.append("its dependents are skipped")
        case "skipped":
            style = "warn"
            words.append("to be run again when its upstream has an update")
        case _ if document.pushed:
            words.append(f"{shown(outcome.branch or '')} is pushed")
        case _ if outcome.commit is not None:
            words.append(f"{short(outcome.commit)}, nothing was pushed")
        case _:
            words.append("there is no update to push")
    return line(Span(", ".join(words), style), Span(f"  (run {shown(document.run)})", "dim"))
