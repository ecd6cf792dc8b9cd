"""What the answer of a forge to a merge means: one row an answer, in `answers.py` of its kind.

Forges say why they do not merge in words, and GitHub and Gitea in words alone; what no row knows needs a person, who
is shown them. docs/landing.md says where each row is known from.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from flakesync.forge.refusals import in_one_line

Meaning = Literal[
    "rights", "archived", "gone", "method", "checks-failed", "head-moved", "conflict", "person", "queue", "upstream",
    "reviews", "checks", "behind", "base-moved", "computing", "state",
]  # fmt: skip
"""What an answer to a merge means, gravest first: of several lines the gravest counts.

rights, archived, gone, method: never, with this token, repository or merge method. checks-failed: a required check is
red. head-moved, behind, base-moved: a branch moved, look at it again. conflict: the branches do not go together.
person: somebody has to do something. queue: the base has a merge queue. upstream: another pull request goes first.
reviews, checks: not all of them are there yet. computing: the forge has not decided. state: the answer does not say,
the pull request itself does.
"""

_GRAVITY: Mapping[Meaning, int] = {means: number for number, means in enumerate(get_args(Meaning))}


@dataclass(frozen=True, slots=True)
class Row:
    """An answer. statuses: of HTTP; empty: any. words: a pattern that is found in one line of it, whatever its case."""

    means: Meaning | None
    statuses: frozenset[int]
    words: re.Pattern[str]


def row(means: Meaning | None, statuses: int | tuple[int, ...], words: str) -> Row:
    """Return the row of an answer. means: None for a line that only introduces others."""
    known = frozenset((statuses,) if isinstance(statuses, int) else statuses)
    return Row(means, known, re.compile(words, re.IGNORECASE))


NO = (405, 409, 422)
"""The statuses of most refusals."""

_NAMES = re.compile(r"""".*"|(?<!\w)'.*'(?!\w)""")


def meaning_of(answers: Iterable[Row], status: int, lines: Iterable[str]) -> Meaning:
    """Return what the answer to a merge means: of its lines the gravest; what no row knows needs a person.

    answers: those of its kind of forge. status: of HTTP. lines: what the forge says, see `refusal.lines_in`.
    """
    rows = [row for row in answers if status in row.statuses]
    found = [_meaning_of_line(rows, line) for line in lines or ("",)]
    known = [means for means in found if means is not None]
    return min(known, key=_GRAVITY.__getitem__, default="person")


def said(answers: Iterable[Row], status: int, lines: Sequence[str]) -> str:
    """Return what the answer to a merge says, in one line, without what only introduces the rest."""
    rows = [row for row in answers if status in row.statuses]
    return in_one_line([line for line in lines if _meaning_of_line(rows, line) is not None] or lines)


def _meaning_of_line(rows: Iterable[Row], line: str) -> Meaning | None:
    """Return what one line means; None: it only introduces others."""
    # The name of a check can be any text: "merge queue", or "failing tests".
    words = _NAMES.sub('""', line)
    for row in rows:
        if row.words.search(words):
            return row.means
    return "person"
