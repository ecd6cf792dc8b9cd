"""What the newest commits of a branch tell: its line of first parents, histories, and how old they claim to be."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

import msgspec

from flakesync.terms import Rev

_SLACK_S = 86_400
"""Of 2,300 commits one is dated before its parent by more than this."""


class WindowCommit(NamedTuple):
    """time: its committer's date, seconds since the epoch. parents: those that are in the window."""

    time: int
    parents: tuple[Rev, ...]


class Window(msgspec.Struct, frozen=True, dict=True):
    """The newest commits of a branch.

    commits: the children before their parents, the tip first. edge: those whose parents were left out; none: the window
    has the whole history. note: what a person should know of how it was got.
    """

    tip: Rev
    commits: Mapping[Rev, WindowCommit]
    edge: frozenset[Rev]
    note: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether nothing of the history is left out."""
        return not self.edge

    @cached_property
    def first_parents(self) -> tuple[Rev, ...]:
        """The tip, its first parent, the first parent of that, and so on: what was pushed or merged, newest first."""
        return tuple(self._line())

    def _line(self) -> Iterator[Rev]:
        rev: Rev | None = self.tip
        while rev is not None and rev in self.commits:
            yield rev
            parents = self.commits[rev].parents
            rev = parents[0] if parents and rev not in self.edge else None

    def history(self, rev: Rev) -> frozenset[Rev]:
        """Return a commit and all that leads to it, as far as the window has it; nothing where it lacks the commit."""
        found: set[Rev] = set()
        rest = [rev] if rev in self.commits else []
        while rest:
            each = rest.pop()
            if each not in found:
                found.add(each)
                rest += self.commits[each].parents
        return frozenset(found)

    def contains(self, rev: Rev, ancestor: Rev) -> bool | None:
        """Tell whether a commit has another one in its history, or is it; None: the window does not go far enough.

        Where its history leaves the window by commits that are all older than the other one by a day, it is not there.
        """
        if rev not in self.commits:
            return None
        history = self.history(rev)
        if ancestor in history:
            return True
        left = history & self.edge
        if not left:
            return False
        known = self.commits.get(ancestor)
        if known is None or any(self.commits[each].time > known.time - _SLACK_S for each in left):
            return None
        return False

    def youngest(self, now: int) -> Mapping[Rev, int]:
        """Return for each commit the latest date of it and of its history here: nobody commits before the parent.

        now: seconds since the epoch. A date after that is nobody's word: such a commit is as old as what the line of
        first parents has right above it, and as young as `now` if that is nothing.
        """
        found: dict[Rev, int] = {}
        for rev in reversed([*self.commits]):
            time, parents = self.commits[rev]
            dates = [found[each] for each in parents if each in found]
            found[rev] = max([*dates, *([time] if time <= now else [])], default=0)
        above = now
        for rev in self.first_parents:
            if self.commits[rev].time > now:
                found[rev] = max(found[rev], above)
            above = found[rev]
        return found
