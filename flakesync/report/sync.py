"""What a sync did, as text: repo by repo, then one line that sums it up."""

from collections import Counter
from collections.abc import Iterable, Sequence

from flakesync.analysis.left import ADVICE
from flakesync.documents.sync import (
    CheckResult,
    ErrorDocument,
    HeldDocument,
    LeftDocument,
    Outcome,
    Status,
    SyncDocument,
)
from flakesync.errors import plain
from flakesync.report.alike.capped import alike, capped, likeness
from flakesync.report.cooldown.choices import render_choices
from flakesync.report.plan import change_lines
from flakesync.report.text import (
    BLANK,
    Line,
    Span,
    Style,
    count,
    flow,
    fold,
    hang,
    input_name,
    line,
    pad,
    short,
    shown,
    widest,
    wrap,
)
from flakesync.report.unreachable import unreachable_together
from flakesync.sync.documents import outcome_document
from flakesync.sync.events import Finished
from flakesync.sync.outcome import RepoOutcome

_STATUS_STYLES: dict[Status, Style] = {"updated": "good", "unchanged": "dim", "failed": "bad", "skipped": "warn"}
_STATUSES: tuple[Status, ...] = ("updated", "unchanged", "failed", "skipped")
_STATUS_WIDTH = 9
_TAIL_LINES = 20
_INDENT = 4


def render_sync(document: SyncDocument, *, width: int, full: bool = False) -> list[Line]:
    """Return every repo that changed or could not, with what moved or why; then the unchanged ones by name.

    full: all that is known of the output of a failed command, not only its last lines.
    """
    lines: list[Line] = []
    changed = (outcome for outcome in document.repos if outcome.status != "unchanged")
    touched = unreachable_together(changed, void=("branch", "commit"))
    holding = [each for each in document.repos if each.status == "unchanged" and each.held]
    column = widest((shown(outcome.repo) for outcome in (*touched, *holding)), most=32)
    for outcome in touched:
        lines += outcome_lines(outcome, column, width, full=full)
    for outcome in holding:
        lines += fold(_heading(outcome, column), width, _INDENT)
        lines += _held(outcome.held, width, brief=True)
    unchanged = [
        Span(shown(outcome.repo)) for outcome in document.repos if outcome.status == "unchanged" and not outcome.held
    ]
    if unchanged:
        body = flow(unchanged, width - _STATUS_WIDTH - 2)
        lines += hang(line(Span("unchanged", "dim"), "  "), body, _STATUS_WIDTH + 2)
    lines += left_lines(document.left, width, full=full)
    lines += render_choices("cooldown", document.pins, width)
    return [*lines, *([BLANK] if lines else []), *fold(_summary(document), width)]


def outcome_lines(outcome: Outcome, column: int, width: int, *, full: bool) -> list[Line]:
    """Return what is said of one repo: what moved, or why it could not. column: of what follows its name."""
    lines = fold(_heading(outcome, column), width, _INDENT)
    lines += change_lines(outcome.changes, indent=_INDENT, width=width) if outcome.status == "updated" else []
    lines += _held(outcome.held, width)
    lines += failed_upstream_lines(outcome.failed_upstreams, width)
    lines += _error(outcome, width)
    lines += _files(outcome.files, width)
    lines += _checks([*outcome.after, *outcome.checks], full)
    lines += _diff(outcome.diff)
    return lines


def left_lines(left: Sequence[LeftDocument], width: int, *, full: bool) -> list[Line]:
    """Return what was not mended, and why; advice on flake.nix is only counted, unless `full`."""
    listed = [each for each in left if full or each.kind not in ADVICE]
    advice = Counter(each.kind for each in left if each not in listed)
    lines: list[Line] = []
    for each, *others in capped(listed, lambda each: id(each) if full else _kind(each)):
        head = line(Span(pad("left", _STATUS_WIDTH), "warn" if each.fails else "dim"), "  ")
        name = input_name(each.flake, each.input)
        words = f"{shown(each.repo)}{f' {name}' if name else ''}: {each.kind}, {shown(each.reason)}"
        words = f"{len(others) + 1} more: {each.kind}, {alike('-v')}" if others else words
        pieces = wrap(words, width - _STATUS_WIDTH - 2)
        lines += hang(head, [line(piece) for piece in pieces], _STATUS_WIDTH + 2)
    if advice:
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(advice.items()))
        words = f"flake.nix or the pin decides what else drift finds: {kinds} (-v)"
        lines += [line(Span(piece, "dim")) for piece in wrap(words, width)]
    return lines


def _kind(left: LeftDocument) -> object:
    return left.kind, left.fails, likeness(left.reason, left.repo)


def progress_line(event: Finished[RepoOutcome]) -> Line:
    """Return what a log says of a repo that is done."""
    outcome = outcome_document(event.result)
    head = line(
        Span(f"[{event.done:{len(str(event.total))}}/{event.total}] ", "dim"),
        Span(shown(outcome.repo), "name"),
        "  ",
        Span(outcome.status, _STATUS_STYLES[outcome.status]),
    )
    if outcome.status == "updated" and outcome.commit is not None:
        return (*head, Span(f" {short(outcome.commit)}", "rev"))
    if outcome.error is not None:
        return (*head, Span(f"  {_first_line(outcome.error)}"))
    return head


def _first_line(error: ErrorDocument) -> str:
    """Return an error for a log; the rest of it is in the answer."""
    if error.because is not None:
        return because(error)
    return f"error[{error.code}]: {shown((error.message.splitlines() or [''])[0])}"


def _heading(outcome: Outcome, column: int) -> Line:
    parts = [Span(pad(outcome.status, _STATUS_WIDTH), _STATUS_STYLES[outcome.status]), Span("  ")]
    parts.append(Span(pad(shown(outcome.repo), column), "name"))
    if outcome.status == "updated" and outcome.commit is not None:
        parts += [Span("  "), Span(short(outcome.commit), "rev")]
    if outcome.status == "updated" and outcome.branch is not None:
        parts.append(Span(f"  {shown(outcome.branch)}", "dim"))
    if outcome.error is not None and outcome.error.because is not None:
        parts.append(Span(f"  {because(outcome.error)}", "dim"))
    return tuple(parts)


def _held(held: Sequence[HeldDocument], width: int, *, brief: bool = False) -> Iterable[Line]:
    """Return the inputs that stay as the checks fail with them. brief: without what the check wrote."""
    start = " " * _INDENT
    for each in held:
        words = f"held: {input_name(each.flake, each.input)}, since {shown(each.since)}: {shown(each.reason)}"
        words += f", first with {short(each.first_bad)}" if each.first_bad not in (None, each.rev) else ""
        yield from (line(start, Span(piece, "warn")) for piece in wrap(words, width - _INDENT))
        output = [] if brief else plain(each.output).splitlines()
        yield from (line(start, Span("| ", "dim"), text.expandtabs(4)) for text in output)


def failed_upstream_lines(names: Sequence[str], width: int) -> Iterable[Line]:
    """Yield what is said of upstreams that failed without taking the repo along."""
    for name in names:
        words = f"{shown(name)} failed; its update does not reach this repo, which goes on without it"
        yield from (line(" " * _INDENT, Span(piece, "warn")) for piece in wrap(words, width - _INDENT))


def _error(outcome: Outcome, width: int) -> Iterable[Line]:
    error = outcome.error
    if error is None or error.because is not None:
        return
    room = width - _INDENT
    start = " " * _INDENT
    first, *more = plain(error.message).splitlines() or [""]
    pieces = wrap(f"error[{error.code}]: {shown(first)}", room)
    yield from (line(start, Span(piece, "bad")) for piece in pieces)
    yield from (line(start, "| ", each.expandtabs(4)) for each in more)
    if error.hint is not None:
        yield from (line(start, piece) for piece in wrap(f"hint: {shown(error.hint)}", room))


def because(error: ErrorDocument) -> str:
    """Return why a repo was skipped: its upstream's fate, and the repo that began it where that is another one."""
    message = shown(error.message)
    if error.because is None or error.because in message.split():
        return message
    return f"{message}, because {shown(error.because)} failed"


def _files(files: Sequence[str], width: int) -> Iterable[Line]:
    """Return the files that enter the commit beside its locks."""
    pieces = wrap(f"files: {', '.join(map(shown, files))}", width - _INDENT) if files else []
    yield from (line(" " * _INDENT, Span(piece)) for piece in pieces)


def _checks(checks: Sequence[CheckResult], full: bool) -> Iterable[Line]:
    """Return the commands that failed with the end of what they printed."""
    for check in checks:
        if check.exit_status == 0:
            continue
        yield line(" " * _INDENT, Span(f"$ {shown(check.command)}", "head"))
        output = plain(check.output).rstrip().splitlines()
        left = 0 if full else max(0, len(output) - _TAIL_LINES)
        if left:
            yield line(" " * _INDENT, Span(f"| … {count(left, 'line')} more (-v)", "dim"))
        yield from (line(" " * _INDENT, Span("| ", "dim"), each.expandtabs(4)) for each in output[left:])
        end = "stopped" if check.exit_status is None else f"exit status {check.exit_status}"
        yield line(" " * _INDENT, Span(f"{end} after {check.duration_s:.1f} s", "dim"))


def _diff(diff: str | None) -> Iterable[Line]:
    """Return a unified diff, as `git diff` colours it."""
    for each in plain(diff or "").splitlines():
        style: Style = ""
        if each.startswith(("+++", "---")):
            style = "head"
        elif each.startswith("@@"):
            style = "name"
        elif each.startswith("+"):
            style = "good"
        elif each.startswith("-"):
            style = "bad"
        yield line(Span(each, style))


def _summary(document: SyncDocument) -> Line:
    numbers = Counter(outcome.status for outcome in document.repos)
    parts = [f"{numbers[status]} {status}" for status in _STATUSES if numbers[status]]
    held = sum(len(outcome.held) for outcome in document.repos)
    parts += [f"{count(held, 'input')} held"] if held else []
    left = sum(each.fails for each in document.left)
    parts += [f"{count(left, 'finding')} left"] if left else []
    parts += [f"{len(document.undecided)} not decided"] if document.undecided else []
    failed = numbers["failed"] + numbers["skipped"] + left + len(document.undecided)
    style: Style = "bad" if failed else "good"
    dry = "dry run, nothing was written: " if document.dry_run else ""
    return line(
        Span(dry, "warn"), Span(", ".join(parts) or "no repos", style), Span(f"  (run {shown(document.run)})", "dim")
    )
