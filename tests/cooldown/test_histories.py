"""A thousand random histories of branches, night after night: inputs go where a brute-force oracle says."""

import random
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from flakesync.cooldown.choose import choose
from flakesync.cooldown.model import DAY_S, Candidate, Candidates, Choice, CommitChecks, DatedBy
from flakesync.cooldown.seen import SeenRecord
from flakesync.terms import Rev
from flakesync.workspace.settings.cooldown import Conditions

BEGIN = 20_000 * DAY_S
SOURCE, REF = "github:acme/lib", "main"
HISTORIES = 1_000


class Push(NamedTuple):
    """time: when the branch came to point at `tip`."""

    time: int
    tip: int


class Branch:
    """A branch that grows by pushes of new commits, merges among them, and is rewritten now and then.

    Commits are numbers; ancestors: each with itself, as a set. dates: what commits say of themselves.
    """

    def __init__(self, chance: random.Random, days: int) -> None:
        self.chance = chance
        self.ancestors: list[frozenset[int]] = []
        self.dates: list[int] = []
        self.pushes: list[Push] = []
        time = BEGIN + chance.randrange(DAY_S)
        self._push(time, self._commit(time, []))
        while time < BEGIN + days * DAY_S:
            # Gaps of days, and days with many pushes.
            time += chance.choice([600, 3_600, 20_000, 90_000, 5 * DAY_S])
            self._push(time, self._next(time))

    def _commit(self, time: int, parents: list[int]) -> int:
        date = time - self.chance.choice([0, 60, 3_600])
        if self.chance.random() < 0.15:
            date = time + self.chance.choice([-30, -9, -1, 2, 400]) * DAY_S
        number = len(self.ancestors)
        self.ancestors.append(frozenset([number]).union(*(self.ancestors[each] for each in parents)))
        self.dates.append(date)
        return number

    def _push(self, time: int, tip: int) -> None:
        self.pushes.append(Push(time, tip))

    def _next(self, time: int) -> int:
        tip = self.pushes[-1].tip
        luck = self.chance.random()
        if luck < 0.08:  # back to what it has been before
            return self.chance.choice(self.pushes).tip
        if luck < 0.2:  # some commits are taken off, and others put there
            tip = self.chance.choice(sorted(self.ancestors[tip]))
        for _ in range(self.chance.randrange(1, 4)):
            parents = [tip]
            if self.chance.random() < 0.3:
                side = self.chance.randrange(len(self.ancestors))
                parents.append(side if self.chance.random() < 0.3 else self._commit(time, [side]))
            tip = self._commit(time, parents)
        return tip

    def height(self, commit: int) -> tuple[int, int]:
        """Return what orders commits: all below one come before it; of two beside each other somebody has to."""
        return len(self.ancestors[commit]), commit

    def tip_at(self, now: int) -> int:
        return next(push.tip for push in reversed(self.pushes) if push.time <= now)


def rev(number: int) -> Rev:
    return Rev(f"{number:040x}")


def candidates(branch: Branch, tip: int, times: dict[int, int], dated_by: DatedBy) -> Candidates:
    """Return the commits with a time that are in the tip's history: descendants before their ancestors."""
    known = sorted(times.keys() & branch.ancestors[tip], key=branch.height, reverse=True)
    return Candidates([Candidate(rev(each), times[each], dated_by, was_tip=True) for each in known])


def nothing(rev: Rev) -> CommitChecks:
    raise AssertionError("nobody asked for checks")


def decide(found: Candidates, days: int, now: int, locked: int) -> Choice:
    return choose(
        found,
        Conditions(cooldown_days=days, tips=True),
        now=now,
        locked=[rev(locked)],
        waived=None,
        checks=nothing,
        contains=lambda _: False,
    )


def moved_to(choice: Choice, locked: int) -> int:
    """Return where an input goes that is locked to a commit."""
    if choice.chosen is None or rev(locked) in choice.newer:
        return locked
    return int(choice.chosen.rev, 16)


def oracle(branch: Branch, tip: int, times: dict[int, int], days: int, now: int, locked: int) -> int:
    """Return where the input has to go: tried out commit by commit, from the rule alone."""
    best = locked
    for commit in range(len(branch.ancestors)):
        on_branch = commit in branch.ancestors[tip]
        old_enough = commit in times and now // DAY_S - times[commit] // DAY_S >= days
        is_back = locked in times and locked in branch.ancestors[tip] and branch.height(commit) < branch.height(locked)
        if on_branch and old_enough and not is_back:
            best = commit if best == locked else max(best, commit, key=branch.height)
    return best


def nights(branch: Branch, days: int, hour: int) -> Iterator[int]:
    for day in range(1, days):
        yield BEGIN + day * DAY_S + hour * 3_600


@pytest.mark.parametrize("dated_by", ["forge", "seen"])
def test_inputs_go_where_the_oracle_says_and_to_nothing_younger_than_the_cooldown(dated_by: DatedBy) -> None:
    moves = stays = 0
    for seed in range(HISTORIES):
        chance = random.Random(seed)
        length = chance.randrange(6, 24)
        branch = Branch(chance, length)
        cooldown = chance.randrange(15)
        locked = branch.pushes[0].tip
        record = SeenRecord()
        seen: dict[int, int] = {}
        for now in nights(branch, length, chance.randrange(24)):
            tip = branch.tip_at(now)
            record = record.with_tip(SOURCE, REF, rev(tip), now)
            seen.setdefault(tip, now)
            pushed: dict[int, int] = {}
            for push in branch.pushes:
                if push.time <= now:
                    pushed.setdefault(push.tip, push.time)
            told = {int(each, 16): time for each, time in record.first_seen(SOURCE, REF).items()}
            times = pushed if dated_by == "forge" else told
            choice = decide(candidates(branch, tip, times, dated_by), cooldown, now, locked)
            goes_to = moved_to(choice, locked)
            assert goes_to == oracle(branch, tip, pushed if dated_by == "forge" else seen, cooldown, now, locked), seed
            if goes_to != locked:
                assert now // DAY_S - pushed[goes_to] // DAY_S >= cooldown, f"{seed}: pushed too late"
                if locked in branch.ancestors[tip] and locked in times:
                    assert branch.height(goes_to) > branch.height(locked), f"{seed}: backwards"
            midnight = now // DAY_S * DAY_S + DAY_S
            again = decide(candidates(branch, tip, times, dated_by), cooldown, midnight - 1, goes_to)
            assert moved_to(again, goes_to) == goes_to, f"{seed}: not at rest"
            moves, stays, locked = moves + (goes_to != locked), stays + (goes_to == locked), goes_to
    assert moves > 1_000
    assert stays > 1_000


@pytest.mark.parametrize("dated_by", ["forge", "seen"])
def test_what_waits_moves_on_the_day_that_was_said(dated_by: DatedBy) -> None:
    """As long as nobody pushes anything more."""
    checked = 0
    for seed in range(200):
        chance = random.Random(seed)
        branch = Branch(chance, 10)
        now = BEGIN + 10 * DAY_S
        tip, cooldown = branch.tip_at(now), chance.randrange(1, 15)
        times = {push.tip: push.time for push in reversed(branch.pushes) if push.time <= now}
        found = candidates(branch, tip, times, dated_by)
        waits = decide(found, cooldown, now, locked=-1).waits
        for wait in waits:
            assert wait.until is not None
            day = next(each for each in range(now // DAY_S, now // DAY_S + 20) if iso(each) == wait.until)
            before, then = (decide(found, cooldown, each * DAY_S + 5, locked=-1).chosen for each in (day - 1, day))
            place = [each.rev for each in found.commits].index(wait.rev)
            newer = {each.rev for each in found.commits[: place + 1]}
            assert before is None or before.rev not in newer
            assert then is not None
            assert then.rev in newer
            checked += 1
    assert checked > 100


def iso(day: int) -> str:
    import datetime

    return (datetime.date(1970, 1, 1) + datetime.timedelta(days=day)).isoformat()
