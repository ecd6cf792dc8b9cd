"""Events of a run → progress on stderr: plain lines, or on a terminal a display that shows what is being done.

What a log says of a result is for the report of its command to tell: `describe` returns it, None for nothing.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TextIO, assert_never

from flakesync.report import colour
from flakesync.report.text import Line, Span, line, shown
from flakesync.sync.events import Event, Finished, Listener, Note, Result, Started, Step

if TYPE_CHECKING:
    from rich.console import Group

_MOST_ROWS = 12

Describe = Callable[[Finished[Result]], Line | None]


@contextmanager
def listener(
    stream: TextIO | None, describe: Describe[Result], *, quiet: bool, verbose: bool
) -> Iterator[Listener[Result]]:
    """Give out what shows events on `stream` (None: nowhere) until the block ends, however it ends."""
    if quiet or stream is None:
        yield lambda _: None
    elif colour.is_terminal(stream):
        with _live(stream, describe) as listen:
            yield listen
    else:
        yield PlainProgress(stream, describe, verbose=verbose)


def event_line(event: Event[Result], describe: Describe[Result], *, verbose: bool) -> Line | None:
    """Return what a log says of an event; None: nothing. verbose: also what begins, not only what ends."""
    match event:
        case Finished():
            return describe(event)
        case Note(text=text):
            return line(Span("note: ", "dim"), shown(text))
        case Started(repo=repo):
            return line(f"{shown(repo)}: started") if verbose else None
        case Step(repo=repo, step=step, detail=detail):
            return line(f"{shown(repo)}: {step}{' ' + shown(detail) if detail else ''}") if verbose else None
        case _:
            assert_never(event)


class PlainProgress(Generic[Result]):
    """A line for each event that matters; safe to call from several threads."""

    def __init__(self, stream: TextIO, describe: Describe[Result], *, verbose: bool) -> None:
        """Write to `stream`; what it does not take is lost."""
        self._stream = stream
        self._describe = describe
        self._verbose = verbose
        self._lock = threading.Lock()

    def __call__(self, event: Event[Result]) -> None:
        """Show one event."""
        text = event_line(event, self._describe, verbose=self._verbose)
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

    def take(self, event: Event[object]) -> None:
        """Take in one event."""
        with self._lock:
            match event:
                case Started(repo=repo):
                    self._running[repo] = (self._clock(), "")
                case Step(repo=repo, step=step, detail=detail):
                    started, _ = self._running.get(repo, (self._clock(), ""))
                    self._running[repo] = (started, f"{step} {shown(detail)}".rstrip())
                case Finished(repo=repo, done=done, total=total):
                    self._running.pop(repo, None)
                    self._done = (max(done, self._done[0]), total)
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
def _live(stream: TextIO, describe: Describe[Result]) -> Iterator[Listener[Result]]:
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

        def listen(event: Event[Result]) -> None:
            board.take(event)
            text = event_line(event, describe, verbose=False)
            if text is not None:
                live.console.print(colour.to_rich(text), soft_wrap=True)

        yield listen
