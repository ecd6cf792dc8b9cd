"""Where the updates stand, as text: a line a repo, and a second one for what it waits for or why it is not known."""

from collections import Counter

from flakesync.documents.pulls.status import PullStanding, RepoStatus, Stage, StatusDocument
from flakesync.report.publish import error_lines
from flakesync.report.text import (
    BLANK,
    SHORT_REV,
    Line,
    Span,
    Style,
    flow,
    fold,
    hang,
    line,
    line_width,
    row,
    share,
    short,
    shown,
    widest,
    with_detail,
)
from flakesync.report.unreachable import unreachable_together

_STYLES: dict[Stage, Style] = {
    "none": "dim",
    "local": "warn",
    "pushed": "warn",
    "open": "name",
    "closed": "bad",
    "landed": "good",
    "failed": "bad",
}
_STAGES: tuple[Stage, ...] = ("landed", "open", "pushed", "local", "closed", "failed")
_STAGE_WIDTH = 6


def render_status(document: StatusDocument, *, width: int) -> list[Line]:
    """Return every repo that has an update, in the order of landing; then the others by name."""
    lines: list[Line] = []
    places_known = ("base", "branch", "local", "remote", "commit")
    touched = unreachable_together((each for each in document.repos if each.stage != "none"), places_known)
    rest = _STAGE_WIDTH + 2 + 2 + SHORT_REV + 2 + 2
    names = min(widest(shown(status.repo) for status in touched), share(width, rest + 24, 32))
    places = min(widest(map(_place, touched)), share(width, rest + names, 60))
    for status in touched:
        lines += _repo(status, names, places, width)
        lines += error_lines(status.error, width)
    without = [Span(shown(status.repo)) for status in document.repos if status.stage == "none"]
    if without:
        head = line(Span("no update", "dim"), "  ")
        lines += hang(head, flow(without, width - 11), 11)
    return [*lines, *([BLANK] if lines else []), *fold(_summary(document), width)]


def _repo(status: RepoStatus, names: int, places: int, width: int) -> list[Line]:
    commit = short(status.commit) if status.commit is not None else ""
    head = row(
        [
            (line(Span(status.stage, _STYLES[status.stage])), _STAGE_WIDTH),
            (line(Span(shown(status.repo), "name")), names),
            (line(Span(commit, "rev")), SHORT_REV),
            (line(_place(status)), places),
        ],
        indent=0,
    )
    return with_detail(head, ", ".join(_details(status)), line_width(head[0]), _STAGE_WIDTH + 2, width)


def _place(status: RepoStatus) -> str:
    return shown(status.pull.url) if status.pull is not None else f"→ {shown(status.base)}" if status.base else ""


def _details(status: RepoStatus) -> list[str]:
    found = _of_pull(status.pull) if status.pull is not None and status.pull.state == "open" else []
    if status.stage in ("pushed", "open") and status.remote != status.commit:
        found.append("not pushed yet")
    if status.waits_for:
        found.append(f"waits for {' '.join(map(shown, status.waits_for))}")
    return found


def _of_pull(pull: PullStanding) -> list[str]:
    found = ["draft"] if pull.draft else []
    if pull.checks not in (None, "none"):
        found.append(f"checks {pull.checks}")
    if pull.reviews == "approved":
        found.append("approved")
    elif pull.reviews == "changes-requested":
        found.append("changes requested")
    if pull.mergeable is False:
        found.append("cannot be merged")
    return found


def _summary(document: StatusDocument) -> Line:
    numbers = Counter(status.stage for status in document.repos)
    parts = [f"{numbers[stage]} {stage}" for stage in _STAGES if numbers[stage]]
    return line(Span(", ".join(parts) or "no updates", "bad" if numbers["failed"] else "head"))
