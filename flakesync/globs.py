"""Globs as regular expressions that are matched in one pass.

After a star, what comes next is taken where it is found first: whatever matches further on would match from there too.
So nothing is tried again, and a match costs the length of the glob times that of the text, however many stars it has.
"""

import re
from collections.abc import Iterable, Sequence

STAR = "[^/]*"
"""The expression of a star: any characters within one part of a path."""

_PARTS = "(?:[^/]*/)*?"


def text(glob: str) -> str:
    """Return the expression of a text that has no parts: a star is any characters, all else is itself."""
    return f"(?s:{_joined([re.escape(run) for run in glob.split('*')], '.*')})"


def part(pieces: Iterable[str]) -> str:
    """Return the expression of one part of a path. pieces: `STAR`, or expressions that match one character each."""
    runs = [""]
    for piece in pieces:
        if piece == STAR:
            runs.append("")
        else:
            runs[-1] += piece
    return _joined(runs, STAR)


def _joined(runs: Sequence[str], star: str) -> str:
    """Return the expression of runs with a star between each two."""
    first, *others = runs
    if not others:
        return first
    found = "".join(f"(?>{star}?{run})" for run in others[:-1] if run)
    return f"(?>{first}{found}{star}{others[-1]})"


def path(groups: Sequence[Sequence[str]]) -> str:
    """Return the expression of a path. groups: expressions of parts; between two groups there may be any other parts.

    An empty group at the beginning or at the end: there may be other parts before, or anything after.
    """
    first, *others = ["/".join(group) for group in groups]
    if not others:
        return first
    *between, last = others
    out = f"{first}/" if first else ""
    out += "".join(f"(?>{_PARTS}{group}/)" for group in between if group)
    return out + (f"{_PARTS}{last}" if last else ".*")
