"""Lines of styled text: what every renderer returns. Nothing here knows of terminals (see `colour`).

Whatever comes from a lock, a repo or a tool goes through `shown` before it becomes part of a line.
"""

import textwrap
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from flakesync.errors import plain
from flakesync.terms import iso_day

Style = Literal["", "head", "name", "rev", "good", "bad", "warn", "dim"]
DAY_S = 86_400
SHORT_REV = 7
MIN_WIDTH = 40
UNKNOWN = "?"


@dataclass(frozen=True, slots=True)
class Span:
    """A run of text in one style."""

    text: str
    style: Style = ""


Line = tuple[Span, ...]
BLANK: Line = ()


def line(*parts: str | Span) -> Line:
    """Return a line of spans; a bare string has no style."""
    return tuple(part if isinstance(part, Span) else Span(part) for part in parts)


def to_text(lines: Iterable[Line]) -> str:
    """Return lines as plain text, each ended by a line feed and without trailing blanks."""
    return "".join("".join(span.text for span in each).rstrip() + "\n" for each in lines)


def shown(text: str) -> str:
    """Return foreign text as it may stand in a line: no control sequences, no line feeds, no runs of blanks."""
    return " ".join(plain(text).split())


def width_of(text: str) -> int:
    """Return how many columns a terminal takes for `text`."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def pad(text: str, width: int) -> str:
    """Return `text` filled with blanks to `width` columns."""
    return text + " " * (width - width_of(text))


def widest(texts: Iterable[str], *, least: int = 0, most: int | None = None) -> int:
    """Return the columns that the widest text needs, within bounds."""
    width = max((width_of(text) for text in texts), default=0)
    return max(least, width if most is None else min(width, most))


def wrap(text: str, width: int) -> list[str]:
    """Return `text` in pieces of at most `width` columns; a longer word stays whole. At least one piece."""
    return textwrap.wrap(text, max(width, 1), break_long_words=False, break_on_hyphens=False) or [""]


def flow(items: Sequence[Span], width: int, *, separator: str = ", ") -> list[Line]:
    """Return items in as few lines of at most `width` columns as they need, `separator` between them."""
    lines: list[Line] = []
    current: list[Span] = []
    used = 0
    for index, item in enumerate(items):
        tail = separator if index + 1 < len(items) else ""
        size = width_of(item.text)
        if current and used + size + len(tail.rstrip()) > width:
            lines.append(tuple(current))
            current, used = [], 0
        current += [item, Span(tail)] if tail else [item]
        used += size + len(tail)
    return [*lines, tuple(current)] if current else lines


def hang(head: Line, body: Sequence[Line], indent: int) -> list[Line]:
    """Return `head` followed by the first line of `body`, the others below it at `indent`."""
    if not body:
        return [head]
    return [head + body[0], *((Span(" " * indent), *each) for each in body[1:])]


def short(rev: str | None) -> str:
    """Return the first digits of a commit; `none` for a lock without one."""
    return shown(rev)[:SHORT_REV] if rev is not None else "none"


def input_name(flake: str | None, path: str | None) -> str:
    """Return how a repo's input is named: `nixpkgs`, in another flake of the repo `dev#nixpkgs`."""
    if flake in (None, "."):
        return shown(path or "")
    return f"{shown(flake or '')}#{shown(path or '')}" if path is not None else shown(flake or "")


def day(date: int | None) -> str:
    """Return the UTC day of a time (seconds since the epoch) as ISO 8601; `?` where it is not known."""
    return iso_day(date) or UNKNOWN


def days(seconds: int) -> str:
    """Return a duration in whole days: `12 d`."""
    return f"{max(seconds, 0) // DAY_S} d"


def count(number: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun: `1 repo`, `2 repos`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def by_detail(found: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return (names, detail) for (name, detail): what is the same of many repos, such as a dead host, is said once."""
    names: dict[str, list[str]] = {}
    for name, detail in found:
        names.setdefault(detail, []).append(name)
    return [(few(each), detail) for detail, each in names.items()]


def few(names: Sequence[str], most: int = 3) -> str:
    """Return some names, with their number where that is more: `60 repos: a, b, c and 57 more`."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{len(names)} repos: {', '.join(names[:most])} and {len(names) - most} more"


def with_detail(head: Line, detail: str, at: int, indent: int, width: int) -> list[Line]:
    """Return `head`, which ends at column `at`, and a text beside it, or below at `indent` where too little room is."""
    if not detail:
        return [head]
    room = width - at
    if room < min(24, width_of(detail)):
        return [head, *(line(" " * indent, Span(piece, "dim")) for piece in wrap(detail, width - indent))]
    return hang(head, [line(Span(piece, "dim")) for piece in wrap(detail, room)], at)
