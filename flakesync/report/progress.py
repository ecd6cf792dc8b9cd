"""Events of a sync → progress on stderr: plain lines, or on a terminal a display that shows what is being done."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO, assert_never

from flakesync.documents.sync import Ended, Event, Finished, Listener, Note, Outcome, Started, Step
from flakesync.report import colour
from flakesync.report.sync import STATUS_STYLES, because
from flakesync.report.text import Line, Span, line, short, shown

if TYPE_CHECKING:
    from rich.console import Group

_MOST_ROWS = 12


@contextmanager
def listener(stream: TextIO | None, *, quiet: bool, verbose: bool) -> Iterator[Listener]:
    """Give out what shows events on `stream` (None: nowhere) until the block ends, however it ends."""
    if quiet or stream is None:
        yield lambda _: None
    elif colour.is_terminal(stream):
        with _live(stream) as listen:
            yield listen
    else:
        yield PlainProgress(stream, verbose=verbose)


def event_line(event: Event, *, verbose: bool) -> Line | None:
    """Return what a log says of an event; None: nothing. verbose: also what begins, not only what ends."""
    match event:
        case Finished(outcome=outcome, done=done, total=total):
            return _finished(outcome, done, total)
        case Ended(repo=repo, words=words, good=good):
            return line(Span(shown(repo), "name"), "  ", Span(shown(words), "good" if good else "warn"))
        case Note(text=text):
            return line(Span("note: ", "dim"), shown(text))
        case Started(repo=repo):
            return line(f"{shown(repo)}: started") if verbose else None
        case Step(repo=repo, step=step, detail=detail):
            return line(f"{shown(repo)}: {step}{' ' + shown(detail) if detail else ''}") if verbose else None
        case _:
            assert_never(event)


def _finished(outcome: Outcome, done: int, total: int) -> Line:
    size = len(str(total))
    head = line(
        Span(f"[{done:{size}}/{total}] ", "dim"),
        Span(shown(outcome.repo), "name"),
        "  ",
        Span(outcome.status, STATUS_STYLES[outcome.status]),
    )
    if outcome.status == "updated" and outcome.commit is not None:
        return (*head, Span(f" {short(outcome.commit)}", "rev"))
    if outcome.error is not None:
        error = outcome.error
        first = (error.message.splitlines() or [""])[0]  # the rest is in the answer
        why = because(error) if error.because is not None else f"error[{error.code}]: {shown(first)}"
        return (*head, Span(f"  {why}"))
    return head


class PlainProgress:
    """A line for each event that matters; safe to call from several threads."""

    def __init__(self, stream: TextIO, *, verbose: bool) -> None:
        """Write to `stream`; what it does not take is lost."""
        self._stream = stream
        self._verbose = verbose
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        text = event_line(event, verbose=self._verbose)
        if text is None:
            return
        with self._lock:
            try:
                colour.write(self._stream, [text])
                self._stream.flush()
            except OSError:
                pass


class Board:
    """What is being done right now: the state behind the live display. clock: seconds of a monotonic clock."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with nothing going on."""
        self._clock = clock
        self._lock = threading.Lock()
        self._running: dict[str, tuple[float, str]] = {}
        self._done = (0, 0)

    def take(self, event: Event) -> None:
        """Take in one event."""
        with self._lock:
            match event:
                case Started(repo=repo):
                    self._running[repo] = (self._clock(), "")
                case Step(repo=repo, step=step, detail=detail):
                    started, _ = self._running.get(repo, (self._clock(), ""))
                    self._running[repo] = (started, f"{step} {shown(detail)}".rstrip())
                case Finished(outcome=outcome, done=done, total=total):
                    self._running.pop(outcome.repo, None)
                    self._done = (max(done, self._done[0]), total)
                case Ended(repo=repo):
                    self._running.pop(repo, None)
                case Note():
                    pass
                case _:
                    assert_never(event)

    def lines(self, *, width: int, height: int) -> list[Line]:
        """Return what to show: a line for each repo that is worked on, longest first, and how far the whole is."""
        with self._lock:
            running = sorted(self._running.items(), key=lambda item: item[1][0])
            done, total = self._done
        most = max(1, min(_MOST_ROWS, height - 3))
        now = self._clock()
        rows = [
            line(
                Span("  "),
                Span(repo, "name"),
                Span(f"  {step}"[: max(0, width - len(repo) - 10)], "dim"),
                f"  {now - started:.0f} s",
            )
            for repo, (started, step) in running[:most]
        ]
        if len(running) > most:
            rows.append(line(Span(f"  and {len(running) - most} more", "dim")))
        if total:
            rows.append(line(Span(f"{done} of {total} done", "head")))
        return rows


@contextmanager
def _live(stream: TextIO) -> Iterator[Listener]:
    from rich.console import Console
    from rich.live import Live

    console = Console(file=stream, force_terminal=True, highlight=False, no_color=not colour.takes_colour(stream))
    board = Board()

    def show() -> "Group":
        from rich.console import Group

        return Group(*(colour.to_rich(each) for each in board.lines(width=console.width, height=console.height)))

    with Live(
        console=console, get_renderable=show, refresh_per_second=8, transient=True, redirect_stdout=False
    ) as live:

        def listen(event: Event) -> None:
            board.take(event)
            text = event_line(event, verbose=False)
            if text is not None:
                live.console.print(colour.to_rich(text), soft_wrap=True)

        yield listen
