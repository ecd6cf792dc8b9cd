"""Halve a row of states, of which the first passes and the last does not: where to look next. Pure."""

from collections.abc import Collection, Mapping
from itertools import pairwise
from typing import Literal, NamedTuple

Verdict = Literal["pass", "fail", "unknown"]
"""How a probe ended. fail: by the check that is looked for. unknown: in any other way; it proves nothing."""

_MOST_UNKNOWN = 3
"""How many states in a row's middle may be unknown before the rest of it is taken as it is."""


class Stretch(NamedTuple):
    """What is left of a row: the state `last_pass` passes, `first_fail` does not, and nobody knows of those between."""

    last_pass: int
    first_fail: int

    @property
    def is_exact(self) -> bool:
        """Whether the one comes right after the other."""
        return self.first_fail - self.last_pass == 1


def halve(
    last: int, known: Mapping[int, Verdict], *, width: int = 1, running: Collection[int] = ()
) -> Stretch | tuple[int, ...]:
    """Return where the row changes, or the states to look at next, at most `width`, the most useful first.

    last: the number of the last state, the first is 0. known: verdicts by state, in whatever order they came; of these
    two none is needed. running: what is being looked at; it is in the answer as long as it is of use.

    The answer is about the shortest beginning that fails, whatever longer ones do.
    """
    high = min((at for at, verdict in known.items() if verdict == "fail" and 0 < at < last), default=last)
    low = max((at for at, verdict in known.items() if verdict == "pass" and 0 <= at < high), default=0)
    unknown = sorted(at for at, verdict in known.items() if verdict == "unknown" and low < at < high)
    free = high - low - 1 - len(unknown)
    if free == 0 or len(unknown) >= _MOST_UNKNOWN:
        return Stretch(low, high)
    looked_at = [at for at in running if low < at < high and at not in known]
    room = min(width, free) - len(looked_at)
    if not looked_at and not unknown:
        return tuple(low + (high - low) * number // (room + 1) for number in range(1, room + 1))
    chosen = list(looked_at)
    if len(unknown) == 1 and room > 0:
        # One that cannot be built is most often alone: the state beside it halves as well.
        beside = [at for at in (unknown[0] + 1, unknown[0] - 1) if low < at < high and at not in chosen]
        chosen += beside[:1]
        room -= len(beside[:1])
    for _ in range(room):
        chosen.append(_middle_of_largest_gap([low, *unknown, *chosen, high]))
    return tuple(chosen)


def _middle_of_largest_gap(taken: Collection[int]) -> int:
    points = sorted(taken)
    width, start = max((after - before, -before) for before, after in pairwise(points))
    return -start + width // 2
