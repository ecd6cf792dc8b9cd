"""The search for what breaks a check: what it finds is what an oracle knows, in as few checks as can be."""

import random
from collections.abc import Callable

import pytest

from flakesync.sync.bisect.halving import Stretch, Verdict, halve
from flakesync.sync.bisect.search import (
    FAILURES,
    PASSES,
    Found,
    NotFound,
    Probe,
    Probes,
    Units,
    checks_about,
    next_step,
)

Oracle = Callable[[Units, int], Verdict]


class Run:
    """A search carried out with an oracle, which knows of nothing and of all. checks, rounds: what it took."""

    def __init__(self, count: int, oracle: Oracle, *, width: int = 1, times: int = FAILURES + 1) -> None:
        """times: how often all was run before, and nothing at most."""
        everything = frozenset(range(count))
        self.known: dict[Units, list[Verdict]] = {
            frozenset(): [oracle(frozenset(), 0) for _ in range(min(times, FAILURES))],
            everything: [oracle(everything, time) for time in range(times)],
        }
        self.checks = self.rounds = 0
        self.most_at_once = 0
        while isinstance(step := next_step(count, self.known, width=width), Probes):
            assert step.probes
            assert len(set(step.probes)) == len(step.probes) <= width
            self.rounds += 1
            self.most_at_once = max(self.most_at_once, len(step.probes))
            for units, time in step.probes:
                self.checks += 1
                verdicts = self.known.setdefault(units, [])
                assert len(verdicts) == time, "a set is run once, unless the search wants it again"
                verdicts.append(oracle(units, self.checks))
            assert self.checks < 200
        self.result = step

    @property
    def found(self) -> Found:
        assert isinstance(self.result, Found)
        return self.result

    @property
    def held(self) -> set[int]:
        return {each.unit for each in self.found.guilty}


def breaks(*together: set[int]) -> Oracle:
    """Return an oracle for which each of these sets, as a whole, breaks the check."""
    return lambda units, _: "fail" if any(each <= units for each in together) else "pass"


@pytest.mark.parametrize("count", [1, 2, 3, 5, 10, 16, 17, 20])
def test_one_guilty_unit_is_found_within_the_halvings_and_two_checks(count: int) -> None:
    for guilty in range(count):
        run = Run(count, breaks({guilty}))
        assert run.found == Found(frozenset(range(count)) - {guilty}, run.found.guilty)
        assert [tuple(each) for each in run.found.guilty] == [(guilty, (), True)]
        assert run.checks <= (count - 1).bit_length() + 2 == checks_about(count)


def test_two_guilty_units_of_twenty_take_fourteen_checks_at_most() -> None:
    for one in range(20):
        for other in range(one + 1, 20):
            run = Run(20, breaks({one}, {other}))
            assert run.held == {one, other}
            assert run.checks <= 14


@pytest.mark.parametrize(("count", "most"), [(10, 11), (20, 13)])
def test_of_two_that_break_it_only_together_one_is_held_and_the_other_named(count: int, most: int) -> None:
    for one in range(count):
        for other in range(one + 1, count):
            run = Run(count, breaks({one, other}))
            assert run.found.guilty == ((other, (one,), True),)
            assert run.found.passing == frozenset(range(count)) - {other}
            assert run.checks <= most


@pytest.mark.parametrize(("width", "most"), [(1, 7), (2, 4), (4, 3), (8, 3)])
def test_probes_at_once_save_rounds(width: int, most: int) -> None:
    for guilty in range(20):
        run = Run(20, breaks({guilty}), width=width)
        assert run.held == {guilty}
        assert run.rounds <= most
    assert run.most_at_once == width


@pytest.mark.parametrize("width", [4, 8])
def test_after_a_sync_the_guilty_unit_of_twenty_takes_three_rounds(width: int) -> None:
    """That all fails three times costs no round: the second time halving begins, the third time it has ended."""
    for guilty in range(20):
        run = Run(20, breaks({guilty}), width=width, times=1)
        assert run.held == {guilty}
        assert run.rounds <= 3
        assert len(run.known[frozenset(range(20))]) == FAILURES - 1


@pytest.mark.parametrize(("width", "most"), [(4, 4), (8, 3)])
def test_with_nothing_known_halving_does_not_wait_for_that(width: int, most: int) -> None:
    """Halving begins beside the first runs, of nothing moved and of all."""
    for guilty in range(20):
        known: dict[Units, list[Verdict]] = {}
        rounds = 0
        while isinstance(step := next_step(20, known, width=width), Probes):
            rounds += 1
            for units, _ in step.probes:
                known.setdefault(units, []).append("fail" if guilty in units else "pass")
        assert isinstance(step, Found)
        assert rounds <= most


def random_oracle(dice: random.Random, count: int, unknown: float) -> Oracle:
    """Return an oracle of one to three breaking sets of one or two units, that cannot say of some sets."""
    together = [set(dice.sample(range(count), min(count, dice.choice([1, 1, 2])))) for _ in range(dice.randint(1, 3))]
    seed = dice.random()

    def ask(units: Units, _: int) -> Verdict:
        if 0 < len(units) < count and random.Random(f"{seed}{sorted(units)}").random() < unknown:
            return "unknown"
        return breaks(*together)(units, 0)

    return ask


@pytest.mark.parametrize("unknown", [0.0, 0.1])
@pytest.mark.parametrize("width", [1, 3])
def test_the_rest_passes_and_no_held_unit_can_be_added_to_it(width: int, unknown: float) -> None:
    dice = random.Random(7)
    for _ in range(300):
        count = dice.randint(1, 20)
        oracle = random_oracle(dice, count, unknown)
        run = Run(count, oracle, width=width)
        if isinstance(run.result, NotFound):
            assert run.result.reason == "too-many"
            assert unknown
            continue
        assert oracle(run.found.passing, 0) == "pass"
        assert run.found.passing.isdisjoint(run.held)
        assert len(run.found.passing) + len(run.held) == count
        for each in run.found.guilty:
            with_it = oracle(run.found.passing | {each.unit}, 0)
            assert with_it == ("fail" if each.proven else "unknown")


def test_where_a_unit_needs_another_one_to_move_too_the_rest_still_passes() -> None:
    dice = random.Random(3)
    held = 0
    for _ in range(300):
        needs, needed, bad = dice.sample(range(10), 3)

        def oracle(units: Units, _: int, needs: int = needs, needed: int = needed, bad: int = bad) -> Verdict:
            return "fail" if bad in units or (needs in units and needed not in units) else "pass"

        run = Run(10, oracle)
        assert oracle(run.found.passing, 0) == "pass"
        assert bad in run.held
        held += len(run.held)
    assert held / 300 < 1.3


def test_a_check_that_fails_without_the_update_ends_the_search() -> None:
    run = Run(5, lambda *_: "fail")
    assert (run.result, run.checks) == (NotFound("broken-before"), 0)
    run = Run(5, lambda *_: "fail", times=1)
    assert (run.result, run.checks) == (NotFound("broken-before"), FAILURES - 1)


def test_an_update_that_passes_twice_has_nothing_to_hold_and_one_that_passes_once_is_flaky() -> None:
    assert Run(5, lambda *_: "pass").result == NotFound("not-failing")
    assert Run(5, lambda units, time: "fail" if units and time else "pass").result == NotFound("flaky")


def test_more_guilty_units_than_are_held_end_the_search() -> None:
    assert Run(12, breaks(*({each} for each in range(6)))).result == NotFound("too-many")
    assert Run(12, breaks(*({each} for each in range(5)))).held == set(range(5))


@pytest.mark.parametrize("count", range(1, 21))
def test_a_check_that_fails_for_no_reason_the_first_time_holds_nothing(count: int) -> None:
    run = Run(count, lambda units, checks: "fail" if units and not checks else "pass", times=1)
    assert (run.result, run.checks) == (NotFound("flaky"), 1)


@pytest.mark.parametrize("width", [1, 4])
@pytest.mark.parametrize(("chance", "recognised"), [(1 / 5, 0.98), (1 / 3, 0.95), (1 / 2, 0.84)])
def test_a_check_that_fails_now_and_then_is_recognised(chance: float, recognised: float, width: int) -> None:
    """A sync has seen all moves fail once; nothing else is known."""
    dice = random.Random(1)
    ends: list[Found | NotFound] = []
    for _ in range(3000):

        def flaky(_units: Units, checks: int) -> Verdict:
            return "fail" if checks and dice.random() < chance else "pass"

        count = dice.randint(1, 20)
        known: dict[Units, list[Verdict]] = {frozenset(range(count)): ["fail"]}
        while isinstance(step := next_step(count, known, width=width), Probes):
            for units, _ in step.probes:
                known.setdefault(units, []).append(flaky(units, 1))
        ends.append(step)
    assert ends.count(NotFound("flaky")) >= recognised * len(ends)


@pytest.mark.parametrize("count", range(1, 21))
def test_what_guilt_rests_on_has_failed_four_times_and_passed_twice(count: int) -> None:
    for guilty in range(count):
        run = Run(count, breaks({guilty}), times=1)
        assert run.held == {guilty}
        everything, alone = frozenset(range(count)), frozenset({guilty})
        differ = {everything, alone}, {frozenset(), run.found.passing}
        assert [sum(len(run.known[each]) for each in sets) for sets in differ] == [FAILURES, PASSES]
        # Beside all twice more: the halvings, the rest, and the unit alone.
        assert run.checks <= checks_about(count) + (2 if count > 1 else 4)


def test_a_probe_that_runs_and_is_of_use_is_wanted_again_and_a_needless_one_is_not() -> None:
    everything = frozenset(range(20))
    known: dict[Units, list[Verdict]] = {frozenset(): ["pass"], everything: ["fail", "fail", "fail"]}
    first = next_step(20, known, width=3)
    assert isinstance(first, Probes)
    assert [len(probe.units) for probe in first.probes] == [5, 10, 15]
    known[first.probes[1].units] = ["fail"]
    then = next_step(20, known, width=3, running=[first.probes[0], first.probes[2]])
    assert isinstance(then, Probes)
    assert first.probes[0] in then.probes
    assert first.probes[2] not in then.probes
    assert len(then.probes) == 3


def test_all_is_run_again_while_halving_begins() -> None:
    everything = frozenset(range(4))
    known: dict[Units, list[Verdict]] = {frozenset(): ["pass"], everything: ["fail"]}
    assert next_step(4, known) == Probes((Probe(everything, 1),))
    assert next_step(4, known, width=2) == Probes((Probe(everything, 1), Probe(frozenset({0, 1}))))


def test_the_rest_and_the_guilty_unit_alone_run_at_the_same_time() -> None:
    known: dict[Units, list[Verdict]] = {
        frozenset(): ["pass"],
        frozenset(range(4)): ["fail", "fail", "fail"],
        frozenset({0}): ["pass"],
        frozenset({0, 1}): ["fail"],
    }
    assert next_step(4, known, width=2) == Probes((Probe(frozenset({0, 2, 3})), Probe(frozenset({1}))))


@pytest.mark.parametrize(("width", "most"), [(1, 10), (2, 7), (4, 5), (8, 4)])
def test_a_row_of_a_thousand_states_is_halved(width: int, most: int) -> None:
    for guilty in (1, 2, 333, 500, 501, 999, 1000):
        known: dict[int, Verdict] = {}
        rounds = 0
        while not isinstance(step := halve(1000, known, width=width), Stretch):
            known |= {at: "fail" if at >= guilty else "pass" for at in step}
            rounds += 1
        assert step == Stretch(guilty - 1, guilty)
        assert rounds <= most


def test_a_broken_stretch_is_named_with_what_is_round_it_and_never_a_wrong_state() -> None:
    for guilty in range(1, 101):
        for begin in range(1, 100, 7):
            known: dict[int, Verdict] = {}
            checks = 0
            while not isinstance(step := halve(100, known), Stretch):
                for at in step:
                    checks += 1
                    known[at] = "unknown" if begin <= at < begin + 25 else "fail" if at >= guilty else "pass"
            assert step.last_pass < guilty <= step.first_fail
            assert not step.is_exact or step == Stretch(guilty - 1, guilty)
            assert checks <= 12
