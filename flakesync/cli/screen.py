"""stdout is the answer, stderr is progress: the two streams, as wide as the terminal."""

import errno
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from flakesync.errors import plain
from flakesync.report import colour
from flakesync.report.text import MIN_WIDTH, UNLIMITED, Line, Span, line

if TYPE_CHECKING:
    from msgspec import Struct

_TOLD: list[str] = []
"""What is told once in a process."""


def prepare() -> None:
    """Make the standard streams safe: none of them closed, and any text can be written to them."""
    _TOLD.clear()
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # Or the next file to be opened would become a standard stream of git and nix.
            os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    for name in ("COLUMNS", "LINES"):
        # What is no size is taken away for all that read it: rich takes 0 at its word, and shows nothing.
        if not 0 < _whole(os.environ.get(name, "1")) <= UNLIMITED:
            del os.environ[name]


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        return 0


def width() -> int:
    """Return how many columns an answer may take: COLUMNS, else the terminal's; what is no terminal has no limit."""
    return max(MIN_WIDTH, shutil.get_terminal_size((UNLIMITED, 24)).columns)


def answer(lines: Iterable[Line]) -> None:
    """Write the answer. Raises OSError where stdout takes nothing."""
    with _stdout() as stream:
        colour.write(stream, lines)


def answer_text(text: str) -> None:
    """Write an answer that is meant for other programs, as UTF-8. Raises OSError where stdout takes nothing."""
    answer_bytes(text.encode("utf-8", "backslashreplace"))


def answer_json(document: "Struct") -> None:
    """Write an answer as a JSON document, as UTF-8. Raises OSError where stdout takes nothing."""
    from flakesync.report.documents import to_json

    answer_bytes(to_json(document))


def answer_bytes(data: bytes) -> None:
    """Write an answer byte for byte, whatever the locale's encoding is. Raises OSError where stdout takes nothing."""
    with _stdout() as stream:
        stream.flush()  # the text that comes before
        stream.buffer.write(data)


@contextmanager
def _stdout() -> Iterator[TextIO]:
    """Give stdout; an OSError of writing to it names it."""
    if sys.stdout is None:
        raise OSError(errno.EBADF, "stdout is closed")
    try:
        yield sys.stdout
    except OSError as error:
        error.filename = error.filename or "stdout"
        raise


def flush() -> None:
    """Write out what is still held back. Raises OSError where stdout takes nothing (a full disk, a closed pipe)."""
    if sys.stdout is not None:
        with _stdout() as stream:
            stream.flush()


def tell(*lines: Line) -> None:
    """Write to stderr; what stderr does not take is lost."""
    if sys.stderr is None:
        return
    try:
        colour.write(sys.stderr, lines)
        sys.stderr.flush()
    except OSError:
        pass


def interrupted() -> None:
    """Tell that the run was interrupted, once."""
    if not _TOLD:
        _TOLD.append("interrupted")
        tell(line("interrupted"))


def show_cursor() -> None:
    """Show the cursor of the terminal again, which a display of what is being done hides."""
    if sys.stderr is not None and colour.is_terminal(sys.stderr):
        sys.stderr.write("\x1b[?25h")
        sys.stderr.flush()


def note(text: str) -> None:
    """Tell a person something that stops nothing."""
    tell(line(Span("note: ", "dim"), plain(text)))


def error(code: str, message: str) -> None:
    """Tell a person what could not be done, beside an answer. message: of a FlakesyncError."""
    tell(line(Span(f"error[{code}]:", "bad"), " ", message))


def hint(text: str) -> None:
    """Tell a person what to do about something that has been told."""
    tell(line(Span("hint:", "name"), " ", plain(text)))


@contextmanager
def busy(what: str, *, quiet: bool) -> Iterator[None]:
    """Show on a terminal what is being done, until it is done."""
    if quiet or sys.stderr is None or not colour.is_terminal(sys.stderr):
        yield
        return
    try:
        sys.stderr.write(f"{what}…")
        sys.stderr.flush()
        yield
    finally:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
