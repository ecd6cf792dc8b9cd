"""The choice among commits: each condition by itself, all of them against brute force, and what is said of waiting."""

import random
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import pytest

from flakesync.cooldown.choose import choose
from flakesync.cooldown.model import DAY_S, Candidate, Candidates, ChecksOf, Choice, CommitChecks, DatedBy
from flakesync.terms import Rev
from flakesync.workspace.settings.cooldown import Conditions

DAY = 20_785
"""The day of NOW: 2026-11-28."""
NOW = DAY * DAY_S + 3 * 3_600
FIX = Rev("f" * 40)


def rev(number: int) -> Rev:
    return Rev(f"{number:040x}")


def commit(number: int, days: int, *, dated_by: DatedBy = "seen", tip: bool = True, second: int = 0) -> Candidate:
    """Return a commit that came to its branch so many days before NOW, at a second of that day."""
    return Candidate(rev(number), (DAY - days) * DAY_S + second, dated_by, tip)


class Forge:
    """Remembers which commits were asked for."""

    def __init__(self, checks: Mapping[int, Mapping[str, ChecksOf]] | None = None, fix: Collection[int] = ()) -> None:
        self.known = checks or {}
        self.fix = fix
        self.asked: list[int] = []
        self.searched: list[int] = []

    def checks(self, rev: Rev) -> CommitChecks:
        self.asked.append(int(rev, 16))
        return CommitChecks(self.known.get(int(rev, 16), {}))

    def contains(self, rev: Rev) -> bool:
        self.searched.append(int(rev, 16))
        return int(rev, 16) in self.fix


def chosen(
    commits: Sequence[Candidate],
    conditions: Conditions,
    *,
    now: int = NOW,
    locked: Collection[int] = (),
    waived: str | None = None,
    forge: Forge | None = None,
) -> Choice:
    forge = forge or Forge()
    revs = [rev(each) for each in locked]
    found = Candidates(commits, "a note")
    choice = choose(
        found, conditions, now=now, locked=revs, waived=waived, checks=forge.checks, contains=forge.contains
    )
    assert choice.tip == commits[0]
    assert choice.note == "a note"
    assert (choice.chosen is None) == (choice.why_none is not None)
    return choice


def number(choice: Choice) -> int | None:
    return int(choice.chosen.rev, 16) if choice.chosen is not None else None


def said(choice: Choice) -> list[tuple[int, str, str | None, str]]:
    return [(int(wait.rev, 16), wait.why, wait.until, wait.detail) for wait in choice.waits]


WEEK = Conditions(cooldown_days=7)


def test_the_newest_that_is_old_enough_is_chosen() -> None:
    found = chosen([commit(4, 1), commit(3, 6), commit(2, 8), commit(1, 20)], WEEK)
    assert number(found) == 2
    assert found.newer == {rev(4), rev(3)}
    assert said(found) == [
        (4, "age", "2026-12-04", "7 d old on 2026-12-04 (seen)"),
        (3, "age", "2026-11-29", "7 d old on 2026-11-29 (seen)"),
    ]


def test_ages_are_in_whole_utc_days() -> None:
    late = [commit(2, 7, second=DAY_S - 1), commit(1, 30)]
    assert number(chosen(late, WEEK, now=DAY * DAY_S)) == 2
    assert number(chosen(late, WEEK, now=DAY * DAY_S - 1)) == 1


def test_the_same_night_twice_decides_the_same_and_midnight_changes_what_it_has_to() -> None:
    commits = [commit(days, days, second=days * 9_000) for days in range(8)]
    for days in range(8):
        conditions = Conditions(cooldown_days=days)
        evening = [chosen(commits, conditions, now=DAY * DAY_S + second) for second in (72_000, 80_000, DAY_S - 1)]
        assert {number(each) for each in evening} == {days}
        assert evening[0] == evening[1] == evening[2]
        after_midnight = chosen(commits, conditions, now=(DAY + 1) * DAY_S)
        assert number(after_midnight) == max(0, days - 1)


def test_without_conditions_the_tip_is_chosen() -> None:
    assert number(chosen([commit(2, 0), commit(1, 3)], Conditions(tips=True))) == 2


def test_all_too_young_is_no_error_and_the_day_is_said() -> None:
    found = chosen([commit(3, 0), commit(2, 1), commit(1, 2)], WEEK, locked=[9])
    assert found.chosen is None
    assert found.newer == frozenset()
    assert found.why_none == "no commit is 7 d old before 2026-12-03"
    assert [(wait.rev, wait.until) for wait in found.waits] == [(rev(3), "2026-12-05"), (rev(1), "2026-12-03")]


def test_of_several_that_wait_for_one_day_the_newest_is_named() -> None:
    found = chosen([commit(4, 0), commit(3, 2), commit(2, 2), commit(1, 9)], WEEK)
    assert [(wait.rev, wait.until) for wait in found.waits] == [(rev(4), "2026-12-05"), (rev(3), "2026-12-03")]


def test_a_time_in_the_future_waits_for_no_longer_than_the_cooldown() -> None:
    found = chosen([commit(2, -300), commit(1, 9)], WEEK)
    assert number(found) == 1
    assert found.waits[0].until == "2026-12-05"
    assert number(chosen([commit(2, -300)], Conditions())) == 2


def test_only_tips_count_where_they_are_asked_for() -> None:
    commits = [commit(4, 8), commit(3, 8, tip=False), commit(2, 8, tip=False), commit(1, 9)]
    assert number(chosen(commits, Conditions(cooldown_days=9, tips=True))) == 1
    between = [commit(4, 0), *commits[1:]]
    found = chosen(between, Conditions(cooldown_days=7, tips=True))
    assert number(found) == 1
    assert said(found)[1] == (3, "not-a-tip", None, "was never the tip of its branch")
    assert len(found.waits) == 2
    assert number(chosen(between, WEEK)) == 3


def test_the_first_of_some_commits_only_need_not_have_been_a_tip() -> None:
    """Where locks alone say what may be taken, the tip may be none of it."""
    claims = [commit(3, 9, tip=False), commit(2, 9)]
    assert number(chosen(claims, Conditions(cooldown_days=7, tips=True))) == 2


@pytest.mark.parametrize(("dated_by", "shown"), [("forge", "forge"), ("seen", "seen"), ("commit", "by commit date")])
def test_who_tells_the_age_is_said(dated_by: DatedBy, shown: str) -> None:
    found = chosen([commit(1, 0, dated_by=dated_by)], WEEK)
    assert found.waits[0].detail == f"7 d old on 2026-12-05 ({shown})"


def test_the_date_in_a_commit_is_no_evidence_where_only_trusted_ones_count() -> None:
    trusted = Conditions(cooldown_days=7, only_trusted=True)
    commits = [commit(2, 30, dated_by="commit"), commit(1, 9, dated_by="seen")]
    found = chosen(commits, trusted)
    assert number(found) == 1
    assert said(found) == [(2, "not-dated", None, "nobody who is trusted tells its age")]
    assert number(chosen(commits, WEEK)) == 2
    assert number(chosen(commits, Conditions(only_trusted=True))) == 2
    assert chosen(commits[:1], trusted).why_none == "nobody who is trusted tells how old its commits are"


def test_nothing_moves_back() -> None:
    commits = [commit(5, 0), commit(4, 1), commit(3, 8), commit(2, 9)]
    found = chosen(commits, WEEK, locked=[4])
    assert found.chosen is None
    assert found.why_none == "locked rev is younger"
    assert [wait.rev for wait in found.waits] == [rev(5)]
    mixed = chosen(commits, WEEK, locked=[4, 2])
    assert number(mixed) == 3
    assert rev(4) in mixed.newer
    assert number(chosen(commits, WEEK, locked=[4, 77])) == 3


def test_who_is_at_what_was_never_a_tip_stays_until_a_tip_is_old_enough() -> None:
    commits = [commit(4, 0), commit(3, 2), commit(2, 30, tip=False), commit(1, 40)]
    tips = Conditions(cooldown_days=7, tips=True)
    found = chosen(commits, tips, locked=[2])
    assert found.chosen is None
    assert found.why_none == "no newer commit is 7 d old before 2026-12-03"
    assert number(chosen(commits, tips, locked=[2], now=NOW + 5 * DAY_S)) == 3
    none_dated = [commit(2, 9, dated_by="commit"), commit(1, 30, tip=False)]
    trusted = Conditions(cooldown_days=7, tips=True, only_trusted=True)
    assert chosen(none_dated, trusted, locked=[1]).why_none == "no newer commit is proven"


def test_where_all_are_is_chosen_where_it_is_proven_itself() -> None:
    commits = [commit(3, 0), commit(2, 8), commit(1, 9)]
    assert number(chosen(commits, WEEK, locked=[2])) == 2
    assert number(chosen(commits, WEEK, locked=[3])) is None


def test_a_waiver_is_for_the_age_alone_and_only_said_where_it_was_needed() -> None:
    commits = [commit(3, 0), commit(2, 1, tip=False), commit(1, 9)]
    found = chosen(commits, WEEK, waived="CVE-2026-12345")
    assert (number(found), found.waived) == (3, "CVE-2026-12345")
    old = chosen(commits[2:], WEEK, waived="CVE-2026-12345")
    assert (number(old), old.waived) == (1, None)
    undated = Conditions(cooldown_days=7, only_trusted=True)
    assert number(chosen([commit(1, 9, dated_by="commit")], undated, waived="x")) == 1


def test_a_waiver_is_never_for_checks_nor_for_tips() -> None:
    commits = [commit(3, 0), commit(2, 1, tip=False), commit(1, 9)]
    red = Forge({3: {"build": "failed"}, 2: {"build": "passed"}, 1: {"build": "passed"}})
    asks = Conditions(cooldown_days=7, tips=True, require_ci=("build",))
    found = chosen(commits, asks, waived="CVE", forge=red)
    assert number(found) == 1
    assert found.waived is None
    assert [(wait.rev, wait.why) for wait in found.waits] == [(rev(3), "ci"), (rev(2), "not-a-tip")]


GREEN: Mapping[str, ChecksOf] = {"build": "passed"}
RED: Mapping[str, ChecksOf] = {"build": "failed"}
PENDING: Mapping[str, ChecksOf] = {"build": "pending"}
CI = Conditions(require_ci=("build",))


def test_the_newest_whose_checks_have_passed_is_chosen() -> None:
    found = chosen(
        [commit(each, 5 - each) for each in (4, 3, 2, 1)], CI, forge=Forge({4: PENDING, 3: RED, 2: RED, 1: GREEN})
    )
    assert number(found) == 1
    assert said(found) == [(4, "ci-pending", None, "build pending"), (3, "ci", None, "build failed")]


def test_only_the_checks_of_what_meets_all_else_are_asked_for_newest_first() -> None:
    forge = Forge({3: RED, 2: GREEN})
    commits = [commit(5, 0), commit(4, 9, tip=False), commit(3, 9), commit(2, 9), commit(1, 9)]
    found = chosen(commits, Conditions(cooldown_days=7, tips=True, require_ci=()), forge=forge)
    assert number(found) == 2
    assert forge.asked == [3, 2]


def test_no_more_commits_are_asked_for_than_ci_depth_says() -> None:
    forge = Forge(dict.fromkeys(range(50), RED))
    found = chosen([commit(each, 9) for each in range(49, 0, -1)], CI, forge=forge)
    assert forge.asked == [*range(49, 29, -1)]
    assert found.why_none == "the checks of none of 20 commits have passed"
    short = Forge(dict.fromkeys(range(50), RED))
    chosen([commit(each, 9) for each in range(49, 0, -1)], Conditions(require_ci=(), ci_depth=3), forge=short)
    assert short.asked == [49, 48, 47]


def test_a_required_check_that_never_ran_is_named() -> None:
    forge = Forge({each: {"lint": "passed"} for each in range(50)})
    found = chosen([commit(each, 9) for each in range(49, 0, -1)], CI, forge=forge)
    assert found.why_none == "build never ran in 20 commits"
    assert said(found) == [
        (49, "ci", None, "build never ran in 20 commits"),
    ]
    nothing = chosen([commit(each, 9) for each in (3, 2, 1)], Conditions(require_ci=()), forge=Forge())
    assert nothing.why_none == "no check ran in 3 commits"


def test_a_check_that_has_run_before_is_waited_for() -> None:
    found = chosen([commit(each, 9) for each in (3, 2, 1)], CI, forge=Forge({3: {}, 2: {}, 1: GREEN}))
    assert number(found) == 1
    assert said(found)[0] == (3, "ci-pending", None, "build has not run")


def test_of_one_commit_alone_nobody_knows_whether_a_check_ever_runs() -> None:
    found = chosen([commit(1, 9)], CI, forge=Forge())
    assert said(found) == [(1, "ci-pending", None, "build has not run")]
    assert found.why_none == f"{rev(1)[:7]}: build has not run"
    both = chosen([commit(2, 9), commit(1, 9)], CI, forge=Forge())
    assert both.why_none == "build never ran in 2 commits"


def test_one_red_commit_is_named_with_its_check() -> None:
    assert chosen([commit(1, 9)], CI, forge=Forge({1: RED})).why_none == f"{rev(1)[:7]}: build failed"


def test_the_checks_of_where_all_inputs_are_decide_nothing() -> None:
    forge = Forge({2: RED})
    found = chosen([commit(2, 9), commit(1, 9)], CI, locked=[1], forge=forge)
    assert (number(found), forge.asked) == (1, [2])
    in_step = Forge()
    assert number(chosen([commit(2, 9), commit(1, 9)], CI, locked=[2], forge=in_step)) == 2
    assert in_step.asked == []


def test_a_skipped_check_is_no_failure() -> None:
    forge = Forge({1: {"build": "passed", "bot": "none"}})
    assert number(chosen([commit(1, 9)], Conditions(require_ci=()), forge=forge)) == 1


NEEDS = Conditions(cooldown_days=7, tips=True, at_least=FIX, at_least_reason="CVE-2026-12345")


def test_the_age_of_the_oldest_tip_with_the_fix_is_waived_and_of_nothing_newer() -> None:
    commits = [commit(5, 0), commit(4, 1), commit(3, 2, tip=False), commit(2, 3), commit(1, 9)]
    found = chosen(commits, NEEDS, forge=Forge(fix={5, 4, 3}))
    assert (number(found), found.waived) == (4, "CVE-2026-12345")
    assert [wait.rev for wait in found.waits] == [rev(5)]


def test_once_it_is_old_enough_the_fix_waives_nothing() -> None:
    commits = [commit(5, 0), commit(4, 8), commit(3, 9), commit(2, 10)]
    forge = Forge(fix={5, 4, 3})
    found = chosen(commits, NEEDS, forge=forge)
    assert (number(found), found.waived) == (4, None)
    assert forge.searched == [4]


def test_a_fix_that_is_nowhere_holds_the_pin() -> None:
    found = chosen([commit(3, 0), commit(2, 8), commit(1, 9)], NEEDS, forge=Forge())
    assert found.chosen is None
    assert found.why_none == "no tip has fffffff (CVE-2026-12345)"


def test_the_fix_waives_no_check() -> None:
    needs = Conditions(cooldown_days=7, at_least=FIX, at_least_reason="CVE", require_ci=("build",))
    forge = Forge({3: GREEN, 2: RED}, fix={3, 2})
    found = chosen([commit(3, 0), commit(2, 1), commit(1, 9)], needs, forge=forge)
    assert found.chosen is None
    assert forge.asked == [2]
    assert found.why_none == f"{rev(2)[:7]}: build failed"


def test_the_night_after_a_fix_was_taken_it_stays() -> None:
    commits = [commit(5, 0), commit(4, 1), commit(1, 9)]
    forge = Forge(fix={5, 4})
    assert number(chosen(commits, NEEDS, locked=[1], forge=forge)) == 4
    assert number(chosen(commits, NEEDS, locked=[4], forge=forge)) == 4
    assert (
        number(chosen([commit(6, -1), *commits], NEEDS, now=NOW + DAY_S, locked=[4], forge=Forge(fix={6, 5, 4}))) == 4
    )


class Case(NamedTuple):
    """A random situation."""

    commits: list[Candidate]
    conditions: Conditions
    locked: list[int]
    waived: str | None
    checks: dict[int, dict[str, ChecksOf]]
    fix: set[int]


def random_case(chance: random.Random) -> Case:
    size = chance.randrange(1, 12)
    age = 0
    commits = []
    for each in range(size, 0, -1):
        age = max(0, age + chance.choice([0, 0, 1, 2, 4, -1]))
        tip = each == size or chance.random() < 0.7
        dated_by: DatedBy = chance.choice(["forge", "seen", "seen", "commit"])
        commits.append(commit(each, age, dated_by=dated_by, tip=tip, second=chance.randrange(3 * 3_600)))
    conditions = Conditions(
        cooldown_days=chance.randrange(15),
        tips=chance.random() < 0.5,
        require_ci=chance.choice([None, None, (), ("b*",)]),
        ci_depth=chance.choice([1, 2, 20]),
        at_least=chance.choice([None, None, FIX]),
        only_trusted=chance.random() < 0.3,
    )
    states: list[ChecksOf] = ["passed", "passed", "failed", "pending", "none"]
    checks = {each: {name: chance.choice(states) for name in ("b1", "c")} for each in range(1, size + 1)}
    since = chance.randrange(1, size + 2)
    locked = chance.sample(range(-1, size + 1), chance.choice([0, 1, 1, 2]) if size > 1 else 1)
    waived = chance.choice([None, None, "CVE"])
    return Case(commits, conditions, locked, waived, checks, {each for each in range(1, size + 1) if each >= since})


def brute_force(case: Case) -> int | None:
    """Return the commit that has to be chosen, each condition looked at for every commit."""
    asks = case.conditions
    newest_first = [int(each.rev, 16) for each in case.commits]
    facts = {int(each.rev, 16): each for each in case.commits}
    here = min(case.locked) if case.locked and all(each in facts for each in case.locked) else None
    in_reach = [each for each in newest_first if here is None or each >= here]

    def is_tip(each: int) -> bool:
        return not asks.tips or facts[each].was_tip

    def is_old(each: int) -> bool:
        trusted = not asks.only_trusted or facts[each].dated_by != "commit"
        days = DAY - facts[each].time // DAY_S
        return asks.cooldown_days == 0 or (trusted and days >= asks.cooldown_days)

    def is_green(each: int) -> bool:
        if asks.require_ci is None or each == here:
            return True
        states = [state for name, state in case.checks[each].items() if asks.require_ci == () or name.startswith("b")]
        return "passed" in states and not {"failed", "pending"} & {*states}

    with_fix = [each for each in in_reach if is_tip(each) and (asks.at_least is None or each in case.fix)]
    ready = [each for each in with_fix if is_old(each) or case.waived is not None]
    if not ready and asks.at_least is not None and with_fix:
        ready = [min(with_fix)]
    asked = [each for each in ready if each != here][: asks.ci_depth]
    proven = [each for each in ready if is_green(each) and (asks.require_ci is None or each == here or each in asked)]
    return max(proven, default=None)


def test_all_conditions_together_are_as_brute_force_says() -> None:
    results = set()
    for seed in range(5_000):
        case = random_case(random.Random(seed))
        forge = Forge(case.checks, case.fix)
        found = chosen(case.commits, case.conditions, locked=case.locked, waived=case.waived, forge=forge)
        assert number(found) == brute_force(case), seed
        assert len(forge.asked) == len({*forge.asked}) <= case.conditions.ci_depth
        place = [each.rev for each in case.commits].index(found.chosen.rev) if found.chosen is not None else 99
        assert all(wait.rev in {each.rev for each in case.commits[:place]} for wait in found.waits)
        whys = [wait.why for wait in found.waits if wait.rev != found.tip.rev]
        assert len(whys) == len({*whys})
        results.add(number(found))
    assert len(results) > 8
