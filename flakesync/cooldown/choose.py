"""The choice among the commits of a branch: the newest that is proven, and why newer ones wait.

A pure function of what is known; the checks of a commit are asked for where nothing else is left to ask.
"""

from collections.abc import Callable, Collection, Iterator, Sequence

from flakesync.cooldown.checks import ANY, Judged, judge
from flakesync.cooldown.model import DAY_S, Candidate, Candidates, Choice, CommitChecks, DatedBy, Wait, WaitReason
from flakesync.terms import Rev, iso_day
from flakesync.workspace.settings.cooldown import Conditions

_SHOWN: dict[DatedBy, str] = {"forge": "forge", "seen": "seen", "commit": "by commit date"}
_TOO_YOUNG: tuple[WaitReason, ...] = ("age", "not-dated")
"""What a waiver is for, and `at-least`: never for what has not passed its checks, or was no tip."""


def choose(
    candidates: Candidates,
    conditions: Conditions,
    *,
    now: int,
    locked: Collection[Rev],
    waived: str | None,
    checks: Callable[[Rev], CommitChecks],
    contains: Callable[[Rev], bool],
) -> Choice:
    """Return the newest commit that meets all conditions, and is not older than every commit that inputs are at.

    candidates: at least the branch's tip. now: seconds since the epoch; ages are in whole UTC days, so that a rerun the
    same day decides the same. locked: the commits that inputs are at. waived: the reason for not waiting for an age;
    None: there is none. checks: those of a commit; asked for the newest that meet all else, `ci_depth` of them at most.
    contains: whether a commit has `at_least` in its history.
    """
    choosing = _Choosing(candidates, conditions, now, locked, waived, checks, contains)
    return choosing.choice(choosing.place())


class _Choosing:
    """One choice that is being made. A place is an index into `commits`, newest first."""

    def __init__(
        self,
        candidates: Candidates,
        conditions: Conditions,
        now: int,
        locked: Collection[Rev],
        waived: str | None,
        checks: Callable[[Rev], CommitChecks],
        contains: Callable[[Rev], bool],
    ) -> None:
        self.commits = candidates.commits
        self.note = candidates.note
        self.lost = candidates.lost
        self.conditions = conditions
        self.now = now
        self.waived = waived
        self.checks = checks
        self.contains = contains
        self.stop = _oldest_locked(self.commits, locked)
        self.judged: dict[int, Judged] = {}
        self.waived_at: int | None = None
        self.has_fix = conditions.at_least is None

    def place(self) -> int | None:
        """Return the place of the chosen commit; None: none may be taken."""
        for place in self._reachable():
            reason = self.reason(place)
            if reason is not None and not (self.waived is not None and reason in _TOO_YOUNG):
                continue
            if self._may_be_asked(place) and self._has_fix(place) and self._is_green(place):
                self.waived_at = place if reason is not None else None
                return place
        return self._oldest_with_fix()

    def reason(self, place: int) -> WaitReason | None:
        """Return why a commit waits, its checks and the fix left aside; None: for nothing."""
        commit, conditions = self.commits[place], self.conditions
        if conditions.tips and not commit.was_tip:
            return "not-a-tip"
        if conditions.cooldown_days and conditions.only_trusted and commit.dated_by == "commit":
            return "not-dated"
        return "age" if _day(self.now) - self._day_of(place) < conditions.cooldown_days else None

    def _reachable(self) -> range:
        """Return the places from the tip to the oldest commit that inputs are at: nothing is moved back."""
        return range(len(self.commits) if self.stop is None else self.stop + 1)

    def _oldest_with_fix(self) -> int | None:
        """Return the place of the oldest commit that has the fix, whatever its age; None: it may not be taken.

        Asked for after no commit that is old enough was found to have it: the oldest is the least that is new.
        """
        if self.has_fix:
            return None
        for place in reversed(self._reachable()):
            if self.reason(place) in _TOO_YOUNG and self._has_fix(place):
                self.waived_at = place if self._is_green(place) else None
                return self.waived_at
        return None

    def _has_fix(self, place: int) -> bool:
        if self.conditions.at_least is None:
            return True
        found = self.contains(self.commits[place].rev)
        self.has_fix = self.has_fix or found
        return found

    def _may_be_asked(self, place: int) -> bool:
        return place == self.stop or len(self.judged) < self.conditions.ci_depth

    def _is_green(self, place: int) -> bool:
        """Tell whether a commit's checks have passed; those of where inputs are already decide nothing."""
        wanted = self.conditions.require_ci
        if wanted is None or place == self.stop:
            return True
        self.judged[place] = judge(self.checks(self.commits[place].rev), wanted)
        return self.judged[place].state == "passed"

    def _day_of(self, place: int) -> int:
        # A clock that runs ahead makes nothing wait for longer than the cooldown.
        return _day(min(self.commits[place].time, self.now))

    def choice(self, place: int | None) -> Choice:
        """Return the choice of the commit at a place; None: of none."""
        tip = self.commits[0]
        if place is None:
            newer = self.stop if self.stop is not None else len(self.commits)
            waits = _shortened([*self._waits(newer)], tip)
            return Choice(None, tip, waits, frozenset(), why_none=self._why_none(), note=self.note, lost=self.lost)
        waived = None
        if self.waived_at == place:
            waived = self.waived if self.waived is not None else self.conditions.at_least_reason
        newer_revs = frozenset(each.rev for each in self.commits[:place])
        waits = _shortened([*self._waits(place)], tip)
        return Choice(self.commits[place], tip, waits, newer_revs, waived=waived, note=self.note, lost=self.lost)

    def _waits(self, end: int) -> Iterator[Wait]:
        """Yield why each commit before a place waits."""
        never = self._never_ran()
        for place in range(end):
            rev = self.commits[place].rev
            judged = self.judged.get(place)
            if judged is not None and judged.missing and judged.missing <= never:
                yield Wait(rev, "ci", None, self._said_never(never))
            elif judged is not None:
                yield Wait(rev, "ci" if judged.state == "failed" else "ci-pending", None, judged.detail)
            elif (reason := self.reason(place)) is not None:
                until = self._until(place) if reason == "age" else None
                yield Wait(rev, reason, until, self._said(place, reason))

    def _until(self, place: int) -> str | None:
        return iso_day((self._day_of(place) + self.conditions.cooldown_days) * DAY_S)

    def _said(self, place: int, reason: WaitReason) -> str:
        dated_by = _SHOWN[self.commits[place].dated_by]
        match reason:
            case "age":
                return f"{self.conditions.cooldown_days} d old on {self._until(place)} ({dated_by})"
            case "not-dated":
                return "nobody who is trusted tells its age"
            case _:
                return "was never the tip of its branch"

    def _never_ran(self) -> frozenset[str]:
        """Return what is asked for and ran in none of several commits."""
        found = [each.missing for each in self.judged.values()]
        return frozenset.intersection(*found) if len(found) > 1 else frozenset()

    def _said_never(self, never: frozenset[str]) -> str:
        names = " and ".join(sorted(never))
        return f"{'no check' if never == {ANY} else f'{names} never'} ran in {len(self.judged)} commits"

    def _why_none(self) -> str:
        """Return why nothing is chosen, as a phrase."""
        conditions = self.conditions
        if not self.has_fix:
            fix, why = (conditions.at_least or "")[:7], conditions.at_least_reason
            return f"no {'tip' if conditions.tips else 'commit'} has {fix}{f' ({why})' if why else ''}"
        if self.judged:
            never = self._never_ran()
            if never:
                return self._said_never(never)
            if len(self.judged) > 1:
                return f"the checks of none of {len(self.judged)} commits have passed"
            ((place, judged),) = self.judged.items()
            return f"{self.commits[place].rev[:7]}: {judged.detail}"
        stop = self.stop
        if stop is not None and self.reason(stop) in _TOO_YOUNG:
            return "locked rev is younger"
        newer = range(len(self.commits) if stop is None else stop)
        days = [until for place in newer if self.reason(place) == "age" and (until := self._until(place))]
        if days:
            commit = "commit" if stop is None else "newer commit"
            return f"no {commit} is {conditions.cooldown_days} d old before {min(days)}"
        return "nobody who is trusted tells how old its commits are" if stop is None else "no newer commit is proven"


def _day(time: int) -> int:
    return time // DAY_S


def _oldest_locked(commits: Sequence[Candidate], locked: Collection[Rev]) -> int | None:
    """Return the place of the oldest commit that inputs are at; None: one of them may be older than all, or none is."""
    places = {each.rev: place for place, each in enumerate(commits)}
    found = [places.get(rev) for rev in locked]
    known = [place for place in found if place is not None]
    return max(known) if known and len(known) == len(found) else None


def _shortened(waits: Sequence[Wait], tip: Candidate) -> tuple[Wait, ...]:
    """Return the tip's wait, and one a reason of the others: of those that are too young the one whose day is first."""
    of_tip = waits[0] if waits and waits[0].rev == tip.rev else None
    chosen: dict[WaitReason, Wait] = {}
    for wait in waits:
        if wait is of_tip:
            continue
        earlier = chosen.get(wait.why, of_tip if of_tip is not None and of_tip.why == wait.why else None)
        if earlier is None or (wait.until is not None and earlier.until is not None and wait.until < earlier.until):
            chosen[wait.why] = wait
    return tuple(wait for wait in waits if wait is of_tip or chosen.get(wait.why) is wait)
