"""Where a statement goes in a file, and what goes with it: lines, indentation, comments. All places are in bytes.

An addition is one insertion, a removal one deletion, and the removal of what was added gives the bytes that were there.
"""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from flakesync.nix.expression.literals import statements

if TYPE_CHECKING:
    from tree_sitter import Node

_BLANKS = re.compile(rb"[ \t]*+")
_TRAIL = re.compile(rb"(?:[ \t]++|/\*.*?\*/)*+(?:#[^\n]*?)?(?=\r?\n|\Z)", re.DOTALL)
_TRAIL_OF_LINE = re.compile(rb"(?:[ \t]++|/\*(?:[^*\n]|\*(?!/))*+\*/)*+(?:#[^\n]*?)?(?:\r?\n|\Z)")
_COMMENT = re.compile(rb"#[^\n]*?(?=\r?\n)|/\*.*?\*/", re.DOTALL)
_LINE_END = re.compile(rb"\r?\n")
_INDENTATION = b"  "


class Splice(msgspec.Struct, frozen=True):
    """Bytes from `start` to `end` that others take the place of."""

    start: int
    end: int
    text: bytes

    def apply(self, source: bytes) -> bytes:
        """Return `source` with the other bytes."""
        return source[: self.start] + self.text + source[self.end :]


def line_start(source: bytes, place: int) -> int:
    """Return where the line of a place begins."""
    return source.rfind(b"\n", 0, place) + 1


def insert_after(source: bytes, start: int, end: int, text: bytes) -> Splice:
    """Insert a statement after what stands from `start` to `end`, on a line of its own if that has lines of its own.

    A comment at the end of the line stays with what it is about. Nothing else is moved to another line.
    """
    trail = _TRAIL.match(source, end)
    if trail is None or not _starts_line(source, start):
        return Splice(end, end, b" " + text)
    indentation = source[line_start(source, start) : start]
    return Splice(trail.end(), trail.end(), _new_line(source, trail.end()) + indentation + text)


def insert_into(source: bytes, group: "Node", text: bytes, top: "Node") -> Splice:
    """Insert a statement into a set as its last. top: the set of the file, whose indentation new lines take."""
    last = max(statements(group), key=lambda node: node.start_byte, default=None)
    if last is not None:
        return insert_after(source, last.start_byte, last.end_byte, text)
    start = next(child.end_byte for child in group.children if child.type == "{")
    # Nothing but comments and white space is in it.
    comments = [found.span() for found in _COMMENT.finditer(source, start, group.end_byte - 1)]
    lines = [(begin, end) for begin, end in comments if _starts_line(source, begin)]
    if lines:
        return insert_after(source, *lines[-1], text)
    trail = _TRAIL.match(source, start)
    if trail is None:
        return Splice(start, start, b" " + text)
    blanks = _BLANKS.match(source, line_start(source, start))
    indentation = (blanks[0] if blanks is not None else b"") + _indentation(source, statements(top))
    return Splice(trail.end(), trail.end(), _new_line(source, trail.end()) + indentation + text)


def remove(source: bytes, start: int, end: int) -> Splice:
    """Remove a statement: its lines with the comment at their end if it has them for itself, else only itself."""
    first, begins = line_start(source, start), _starts_line(source, start)
    rest = _TRAIL_OF_LINE.match(source, end)
    if begins and rest is not None:
        return Splice(first, rest.end(), b"")
    if begins:
        after = _BLANKS.match(source, end)
        return Splice(start, after.end() if after is not None else end, b"")
    return Splice(first + len(source[first:start].rstrip(b" \t")), end, b"")


def _starts_line(source: bytes, place: int) -> bool:
    return not source[line_start(source, place) : place].strip(b" \t")


def _new_line(source: bytes, place: int) -> bytes:
    """Return the line end that follows: files with two kinds of them keep both."""
    found = _LINE_END.match(source, place)
    return b"\n" if found is None else found[0]


def _indentation(source: bytes, nodes: Iterable["Node"]) -> bytes:
    """Return how far the statements of a set are indented."""
    for node in nodes:
        if _starts_line(source, node.start_byte):
            return source[line_start(source, node.start_byte) : node.start_byte] or _INDENTATION
    return _INDENTATION
