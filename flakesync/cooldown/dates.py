"""The history of a branch as evidence: which of its former tips it still has, and what the dates of its commits claim.

A date is the word of whoever made the commit. It counts for nothing above a commit that the branch is known to have
been at: what came later came after that, whatever it says.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from flakesync.cooldown.model import DAY_S, Candidate
from flakesync.errors import GitError
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.terms import Rev

if TYPE_CHECKING:
    from flakesync.git.remotes.window.commits import Window
    from flakesync.workspace.hosts import Hosts

_SLACK_S = 2 * DAY_S
"""How much longer a line of commits is followed than to where a former tip has to be, as clocks differ."""


class Need(msgspec.Struct, frozen=True):
    """What is to be found out about a branch.

    known: commits that it is known to have been at, newest first. proven: those of them that are in its history.
    is_old: whether a commit is old enough. wanted: how many of these are needed. any_age: one that is too young may be
    taken, too. by_date: whether dates count where no known one is old enough, and `always` where they are too few.
    """

    known: Sequence[Candidate]
    proven: frozenset[Rev]
    is_old: Callable[[Candidate], bool]
    wanted: int
    any_age: bool
    by_date: bool
    always: bool = False

    @property
    def is_met(self) -> bool:
        """Whether nothing has to be looked up."""
        return self.has_enough or not (any(map(self.is_open, self.known)) or self.counts_dates(self._proven_old))

    @property
    def has_enough(self) -> bool:
        """Whether enough of what is proven is old enough; older ones are then of no interest."""
        return self._proven_old >= self.wanted

    def is_open(self, commit: Candidate) -> bool:
        """Tell whether a commit might be taken, and is not proven."""
        return commit.rev not in self.proven and (self.any_age or self.is_old(commit))

    @property
    def _proven_old(self) -> int:
        return sum(self.is_old(each) for each in self.known if each.rev in self.proven)

    def counts_dates(self, found: int) -> bool:
        """Tell whether dates count. found: how many known commits are old enough."""
        return self.by_date and (found == 0 or (self.always and found < self.wanted))


def read_history(
    reference: FlakeRef, tip: Rev, need: Need, hosts: "Hosts | None", cache: Path, now: int
) -> "Window | None":
    """Return as much of the history below the tip as is needed; None: no earlier run has fetched any of it (offline).

    Raises: GitError.
    """
    from flakesync.git.remotes.window.fetch import read_window

    url = reference.git_url()
    if url is None:
        return None
    address = hosts.remote(url) if hosts is not None else url
    return read_window(
        address, _ref(reference), tip, cache, lambda window: _is_enough(window, need, now), offline=hosts is None
    )


def dated_commits(window: "Window", need: Need, now: int) -> Iterator[Candidate]:
    """Give the commits whose dates count, newest first: on the line of first parents, below the oldest known one.

    That one itself is among them where flakesync saw it first, as it may have been there for long; a forge knows.
    """
    base = _base(window, need)
    if base is None:
        return
    below = window.history(base.rev)
    ages = window.youngest(now)
    for rev in window.first_parents:
        if rev in below and (rev != base.rev or (base.dated_by == "seen" and ages[rev] < base.time)):
            yield Candidate(rev, ages[rev], "commit", was_tip=rev == base.rev)


def has_in_history(reference: FlakeRef, rev: Rev, ancestor: Rev, hosts: "Hosts | None", cache: Path) -> bool | None:
    """Tell whether a commit of a branch has another one in its history, or is it; None: that cannot be told.

    Raises: GitError(`git-interrupted`).
    """
    from flakesync.git.remotes.window.fetch import known_window, read_window

    if rev == ancestor:
        return True
    url = reference.git_url()
    if url is None:
        return None
    try:
        address = hosts.remote(url) if hosts is not None else url
        # Which commits lead to which never changes: what is here answers for many of them at once.
        known = known_window(address, _ref(reference), cache)
        if known is not None and (answer := known.contains(rev, ancestor)) is not None:
            return answer
        window = read_window(
            address,
            _ref(reference),
            rev,
            cache,
            lambda window: window.contains(rev, ancestor) is not None,
            offline=hosts is None,
        )
    except GitError as error:
        if error.code == "git-interrupted":
            raise
        return None
    return window.contains(rev, ancestor) if window is not None else None


def _ref(reference: FlakeRef) -> str | None:
    return reference.ref if reference.ref != "HEAD" else None


def _base(window: "Window", need: Need) -> Candidate | None:
    """Return the oldest known commit, if it is in the window."""
    known = [each for each in need.known if each.rev in need.proven or each.rev in window.commits]
    oldest = min(known, key=lambda each: each.time, default=None)
    return oldest if oldest is not None and oldest.rev in window.commits else None


def _is_enough(window: "Window", need: Need, now: int) -> bool:
    old = [each for each in need.known if need.is_old(each)]
    found = [each for each in old if each.rev in need.proven or each.rev in window.commits]
    if len(found) >= need.wanted:
        return True
    missing = [each.time for each in old if each not in found]
    if missing and not _goes_back_to(window, min(missing) - _SLACK_S, now):
        return False
    if not need.counts_dates(len(found)):
        return True
    return sum(map(need.is_old, dated_commits(window, need, now))) + len(found) >= need.wanted


def _goes_back_to(window: "Window", time: int, now: int) -> bool:
    """Tell whether the line of first parents goes back to a time: what the branch was at then is not further down."""
    return window.youngest(now)[window.first_parents[-1]] < time
