"""One line of a history as text."""

from flakesync.documents.history import HistoryLine
from flakesync.report.text import Line, Span, fold, line


def render_history_line(each: HistoryLine, *, page: str, days: int, width: int) -> list[Line]:
    """Return what a run of `report` says. page: the file that was written. days: how many its history has."""
    total = sum(each.findings.values())
    in_step = each.in_step == each.repos
    said: list[str | Span] = [
        f"{page}: {each.repos} repo{'' if each.repos == 1 else 's'}, ",
        Span(f"{each.in_step} in step", "good" if in_step else "warn"),
        f", {total} finding{'' if total == 1 else 's'}; history of {days} day{'' if days == 1 else 's'}",
    ]
    return fold(line(*said), width)
