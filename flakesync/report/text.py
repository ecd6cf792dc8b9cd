"""Lines of styled text: what every renderer returns. Nothing here knows of terminals (see `colour`).

Whatever comes from a lock, a repo or a tool goes through `shown` before it becomes part of a line.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from flakesync.errors import plain
from flakesync.report.alike.capped import alike, capped, likeness
from flakesync.secrets import hide_secrets
from flakesync.terms import iso_day

Style = Literal["", "head", "name", "rev", "good", "bad", "warn", "dim"]
DAY_S = 86_400
SHORT_REV = 7
MIN_WIDTH = 40
UNLIMITED = 1 << 20
"""The width of an answer that goes to no terminal: there each record is one line."""
UNKNOWN = "?"
_LEAST_COLUMN = 8
_WORDS = re.compile(r"(\s*)(\S*)")


class Span(NamedTuple):
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


@lru_cache(maxsize=4096)
def shown(text: str) -> str:
    """Return foreign text as it may stand in a line: no control sequences, line feeds or runs of blanks, no secrets."""
    return hide_secrets(" ".join(plain(text).split()))


def width_of(text: str) -> int:
    """Return how many columns a terminal takes for `text`."""
    if text.isascii():
        return len(text)
    return sum(map(_columns, text))


@lru_cache(maxsize=1024)
def _columns(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me", "Cf") and char != "\u00ad":
        return 0  # combining marks, joiners, marks of direction; a soft hyphen is shown
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def line_width(each: Line) -> int:
    """Return how many columns a line takes."""
    width = 0
    for span in each:  # each line of an answer is measured several times: a loop takes half the time of a sum
        width += len(span.text) if span.text.isascii() else width_of(span.text)
    return width


def pad(text: str, width: int) -> str:
    """Return `text` filled with blanks to `width` columns."""
    return text + " " * (width - width_of(text))


def widest(texts: Iterable[str], *, least: int = 0, most: int | None = None) -> int:
    """Return the columns that the widest text needs, within bounds."""
    width = max((width_of(text) for text in texts), default=0)
    return max(least, width if most is None else min(width, most))


def share(width: int, beside: int, most: int) -> int:
    """Return how wide a column of names may be, when `beside` columns are for the rest of the line.

    At most `most`, more where the terminal is wide, and never so little that nothing is legible.
    """
    return max(_LEAST_COLUMN, min(width - beside, max(most, width // 4)))


def wrap(text: str, width: int) -> list[str]:
    """Return `text` in pieces of at most `width` columns; a longer word is broken. At least one piece."""
    return ["".join(span.text for span in each) for each in fold((Span(text),), width)]


def fold(each: Line, width: int, indent: int = 0) -> list[Line]:
    """Return a line as lines of at most `width` columns, all but the first behind `indent` blanks.

    It is broken at blanks; a word that is wider than a line, after a `/` or wherever the line ends.
    """
    if line_width(each) <= width:
        return [each]
    lines: list[list[Span]] = [[]]
    used, fresh = 0, True
    for gap, word in _words(each):
        if not fresh and used + width_of(gap) + line_width(word) > width:
            lines.append([Span(" " * indent)])
            used = indent
        else:
            lines[-1].append(Span(gap))
            used += width_of(gap)
        for span in word:
            *full, rest = _pieces(span.text, max(width - used, 0), max(width - indent, 1))
            for piece in full:
                lines[-1].append(Span(piece, span.style))
                lines.append([Span(" " * indent)])
                used = indent
            lines[-1].append(Span(rest, span.style))
            used += width_of(rest)
        fresh = False
    return [tuple(each) for each in lines]


def _words(each: Line) -> list[tuple[str, Line]]:
    """Return the words of a line, each with the blanks before it; a word may be of several styles."""
    words: list[tuple[str, Line]] = []
    gap = ""
    word: list[Span] = []
    for span in each:
        for blanks, text in _WORDS.findall(span.text):
            if blanks and word:
                words.append((gap, tuple(word)))
                gap, word = "", []
            gap += blanks
            if text:
                word.append(Span(text, span.style))
    return [*words, (gap, tuple(word))] if word else words


def _pieces(text: str, room: int, width: int) -> list[str]:
    """Return a word in pieces: the first of at most `room` columns, the others of at most `width`. At least one."""
    pieces: list[str] = []
    while width_of(text) > room:
        used = end = 0
        for char in text:
            if used + _columns(char) > room:
                break
            used, end = used + _columns(char), end + 1
        if not end and room >= width:
            end = 1  # wider than the whole line
        slash = text.rfind("/", 0, end) + 1
        end = slash if slash > end // 2 else end
        pieces.append(text[:end])
        text, room = text[end:], width
    return [*pieces, text]


def row(cells: Sequence[tuple[Line, int]], *, indent: int = 2, gap: int = 2) -> list[Line]:
    """Return cells side by side, each in a column as wide as its number says; what is wider goes on below, in it.

    All lines are filled up to the end of the last column, and the gap behind it.
    """
    columns = [fold(text, size) for text, size in cells]
    lines: list[Line] = []
    for number in range(max(map(len, columns), default=1)):
        spans = [Span(" " * indent)]
        for pieces, (_, size) in zip(columns, cells, strict=True):
            piece = pieces[number] if number < len(pieces) else BLANK
            spans += [*piece, Span(" " * (size - line_width(piece) + gap))]
        lines.append(tuple(spans))
    return lines


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
        *full, last = fold((item,), width - len(tail.rstrip()))
        lines += full
        current += [*last, Span(tail)] if tail else last
        used += line_width(last) + len(tail)
    return [*lines, tuple(current)] if current else lines


def hang(head: Line, body: Sequence[Line], indent: int) -> list[Line]:
    """Return `head` followed by the first line of `body`, the others below it at `indent`."""
    if not body:
        return [head]
    return [head + body[0], *((Span(" " * indent), *each) for each in body[1:])]


def beside(left: Sequence[Line], right: Sequence[Line], at: int) -> list[Line]:
    """Return two blocks of lines side by side, the right one at column `at`."""
    lines: list[Line] = []
    for number in range(max(len(left), len(right))):
        start = left[number] if number < len(left) else BLANK
        filled = (*start, Span(" " * (at - line_width(start))))
        lines.append((*filled, *right[number]) if number < len(right) else filled)
    return lines


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


def by_detail(found: Iterable[tuple[str, str]], how: str = "--json") -> list[tuple[str, str]]:
    """Return (names, detail) for (name, detail): what is the same of many repos, such as a dead host, is said once.

    Of more than twenty details that differ in names and places alone, the others are counted. how: what shows each.
    """
    names: dict[str, list[str]] = {}
    for name, detail in found:
        names.setdefault(detail, []).append(name)
    together = capped(names.items(), lambda item: likeness(item[0], item[1][0]))
    return [
        (few([name for _, every in each for name in every]), each[0][0] if len(each) == 1 else alike(how))
        for each in together
    ]


def few(names: Sequence[str], what: str = "repos", most: int = 3) -> str:
    """Return some names, with their number where that is more: `60 repos: a, b, c and 57 more`."""
    named = ", ".join(map(shown, names[:most]))
    if len(names) <= most:
        return named
    return f"{len(names)} {what}: {named} and {len(names) - most} more"


def last_title(titles: Line, last: str, width: int) -> Line:
    """Return a table's titles and that of its last column where there is room: else that lies below each row."""
    whole = (*titles, Span(last, "dim"))
    return whole if line_width(whole) <= width else titles


def with_detail(head: Sequence[Line], detail: str, at: int, indent: int, width: int) -> list[Line]:
    """Return `head`, whose lines end at column `at`, and a text beside it, or below at `indent` for want of room."""
    room, columns = width - at, width_of(detail)
    if not columns or room < min(24, columns):  # a text of joiners alone takes none, and is not shown
        below = wrap(detail, width - indent) if columns else []
        heads = [piece for each in head for piece in fold(_bare(each), width, indent)]
        return [*heads, *(line(" " * indent, Span(piece, "dim")) for piece in below)]
    return beside(head, [line(Span(piece, "dim")) for piece in wrap(detail, room)], at)


def _bare(each: Line) -> Line:
    """Return a line without the blanks at its end."""
    spans = list(each)
    while spans and not spans[-1].text.strip():
        spans.pop()
    return tuple(spans)
