"""Styled lines → a terminal: the only use of rich for text, imported only where a stream takes colours."""

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TextIO

from flakesync.report.text import UNLIMITED, Line, Style, to_text

if TYPE_CHECKING:
    from rich.text import Text

STYLES: Mapping[Style, str] = {
    "head": "bold",
    "name": "cyan",
    "rev": "yellow",
    "good": "green",
    "bad": "bold red",
    "warn": "magenta",
    "dim": "dim",
}
_NO = ("", "0", "false", "no", "off")


def takes_colour(stream: TextIO) -> bool:
    """Tell whether to colour what goes to `stream`: a terminal that can, unless NO_COLOR; FORCE_COLOR makes any.

    As no-color.org, force-color.org and bixense.com/clicolors say: NO_COLOR with any value wins; then FORCE_COLOR or
    CLICOLOR_FORCE, unless it says no; then CLICOLOR=0, which leaves a terminal plain.
    """
    if os.environ.get("NO_COLOR"):
        return False
    if any(os.environ.get(name, "").strip().lower() not in _NO for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return is_terminal(stream) and os.environ.get("CLICOLOR") != "0"


def is_terminal(stream: TextIO) -> bool:
    """Tell whether `stream` is a terminal that understands control sequences."""
    return stream.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")


def write(stream: TextIO, lines: Iterable[Line]) -> None:
    """Write lines to a stream, with colours where it takes them. Lines are never wrapped here."""
    if not takes_colour(stream):
        stream.write(to_text(lines))
        return
    from rich.console import Console

    # Lines are as wide as they are: rich would take a COLUMNS of 0 or less at its word, and write nothing.
    # `standard`: who forces colours gets them where TERM names no terminal too, as in CI.
    console = Console(
        file=stream, force_terminal=True, color_system="standard", highlight=False, width=UNLIMITED, height=25
    )
    for each in lines:
        console.print(to_rich(each), soft_wrap=True)


def to_rich(each: Line) -> "Text":
    """Return a line as rich shows it, without trailing blanks. Its text is literal: a repo's "[red]" is no markup."""
    from rich.text import Text

    text = Text.assemble(*((span.text, STYLES.get(span.style, "")) for span in each))
    text.rstrip()
    return text
