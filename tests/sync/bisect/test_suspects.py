"""What is guilty elsewhere is looked at first: that finds the same, and in fewer checks where it is the answer."""

import random
from collections.abc import Callable

import pytest

from flakesync.sync.bisect.halving import Verdict
from flakesync.sync.bisect.search import Found, Probes, Units, next_step


def carried_out(count: int, guilty: set[int], suspects: Units) -> tuple[Found, int]:
    """Return what is found, and the number of checks; all is known to have failed once."""
    verdict: Callable[[Units], Verdict] = lambda units: "fail" if guilty & units else "pass"  # noqa: E731
    known: dict[Units, list[Verdict]] = {frozenset(range(count)): ["fail"]}
    checks = 0
    while isinstance(step := next_step(count, known, suspects=suspects), Probes):
        checks += len(step.probes)
        for units, _ in step.probes:
            known.setdefault(units, []).append(verdict(units))
        assert checks < 100
    assert isinstance(step, Found)
    return step, checks


@pytest.mark.parametrize("seed", range(40))
def test_the_largest_rest_is_found_whatever_is_suspected(seed: int) -> None:
    rng = random.Random(seed)
    count = rng.randint(2, 20)
    guilty = set(rng.sample(range(count), rng.randint(1, min(3, count - 1))))
    suspects = frozenset(rng.sample(range(count), rng.randint(0, count)))
    found, checks = carried_out(count, guilty, suspects)
    assert found.passing == frozenset(range(count)) - guilty
    assert {each.unit for each in found.guilty} == guilty
    if suspects == guilty:
        assert checks < carried_out(count, guilty, frozenset())[1]


@pytest.mark.parametrize("count", [8, 20])
def test_the_right_answer_spares_the_halving(count: int) -> None:
    for unit in range(count):
        found, checks = carried_out(count, {unit}, frozenset({unit}))
        assert [each.unit for each in found.guilty] == [unit]
        assert checks <= 5
