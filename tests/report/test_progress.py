import io
import threading

import pytest

from flakesync.errors import NixError
from flakesync.report.progress import Board, PlainProgress, listener
from flakesync.report.sync import progress_line
from flakesync.report.text import to_text
from flakesync.sync.events import Finished, Note, Started, Step
from flakesync.sync.outcome import Failed, FailedUpstream, Skipped, Updated
from flakesync.terms import RepoName, Rev

LIB, APP, TOOL, SITE = map(RepoName, ("lib", "app", "tool", "site"))
COMMIT = Rev("1a2b3c4" + "0" * 33)
UPDATED = Finished(LIB, Updated(repo=LIB, branch="update", commit=COMMIT, moves=(), locks=()), 3, 30)
FAILED = Finished(APP, Failed(APP, NixError("nix-lock", "nix failed\nmore")), 4, 30)
SKIPPED = Finished(SITE, Skipped(SITE, FailedUpstream(TOOL, skipped=True, because=APP)), 5, 30)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def test_a_log_has_a_line_for_each_repo_that_is_done() -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream, progress_line, verbose=False)
    for event in (Started(LIB), Step(LIB, "locking"), UPDATED, FAILED, SKIPPED, Note("new\x1b[31ms")):
        progress(event)
    assert stream.getvalue() == (
        "[ 3/30] lib  updated 1a2b3c4\n"
        "[ 4/30] app  failed  error[nix-lock]: nix failed\n"
        "[ 5/30] site  skipped  tool was skipped, because app failed\n"
        "note: news\n"
    )


def test_a_verbose_log_says_what_begins() -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream, progress_line, verbose=True)
    for event in (Started(LIB), Step(LIB, "checking", "nix flake check")):
        progress(event)
    assert stream.getvalue() == "lib: started\nlib: checking nix flake check\n"


def test_lines_of_several_threads_are_never_mixed() -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream, progress_line, verbose=False)

    def work() -> None:
        for _ in range(200):
            progress(UPDATED)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(stream.getvalue().splitlines()) == {"[ 3/30] lib  updated 1a2b3c4"}
    assert len(stream.getvalue().splitlines()) == 800


def test_a_log_that_cannot_be_written_stops_nothing() -> None:
    PlainProgress(Full(), progress_line, verbose=False)(UPDATED)


def test_quiet_shows_nothing() -> None:
    stream = io.StringIO()
    with listener(stream, progress_line, quiet=True, verbose=True) as listen:
        listen(UPDATED)
    with listener(None, progress_line, quiet=False, verbose=True) as listen:
        listen(UPDATED)
    assert stream.getvalue() == ""


def test_the_board_shows_what_is_being_done_longest_first() -> None:
    now = 0.0
    board = Board(clock=lambda: now)
    board.take(Started(LIB))
    now = 5.0
    board.take(Started(APP))
    board.take(Step(APP, "checking", "nix flake check"))
    now = 7.0
    assert to_text(board.lines(width=80, height=24)) == "  lib    7 s\n  app  checking nix flake check  2 s\n"
    board.take(UPDATED)
    assert to_text(board.lines(width=80, height=24)) == "  app  checking nix flake check  2 s\n3 of 30 done\n"


def test_the_board_never_grows_beyond_the_terminal() -> None:
    board = Board()
    for number in range(40):
        board.take(Started(RepoName(f"repo-{number}")))
    board.take(UPDATED)
    lines = board.lines(width=80, height=8)
    assert len(lines) <= 8
    assert "and 35 more" in to_text(lines)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_live_display_ends_with_the_cursor_back_whatever_happens(
    monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()

    def work() -> None:
        with listener(stream, progress_line, quiet=False, verbose=False) as listen:
            listen(Started(RepoName("[red]x")))
            listen(FAILED)
            raise error

    with pytest.raises(error):
        work()
    text = stream.getvalue()
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert "error[nix-lock]: nix failed" in text
    assert "[red]x" in text
