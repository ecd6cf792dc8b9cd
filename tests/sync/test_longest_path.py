"""The longest path first: where machines are scarce, the run ends hardly later than it must."""

import heapq
import itertools
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.fleet import waves_of
from flakesync.errors import FlakesyncError
from flakesync.sync.outcome import CheckOutcome, Failed
from flakesync.sync.schedule import ReadyQueue, run_on
from flakesync.sync.tasks.costs import CheckCosts
from flakesync.terms import RepoName

MACHINES = 64


class Simulated:
    """Machines on which each task takes a known time; nothing is carried out. now: the time that has passed."""

    def __init__(self, takes: Mapping[str, float], machines: int) -> None:
        self._takes = takes
        self._machines = machines
        self._running: list[tuple[float, str]] = []
        self.now = 0.0

    def wanted(self, ready: int) -> int:
        return self._machines - len(self._running)

    def submit(self, jobs: Sequence[tuple[str, str]]) -> None:
        for name, _ in jobs:
            heapq.heappush(self._running, (self.now + self._takes[name], name))

    def wait(self) -> Sequence[tuple[str, str]]:
        self.now, name = heapq.heappop(self._running)
        return [(name, name)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def makespan(
    upstreams: Mapping[str, frozenset[str]],
    takes: Mapping[str, float],
    machines: int,
    costs: Mapping[str, float] | None,
) -> float:
    """Return when all tasks have ended. costs: what is known of how long they take."""
    machine = Simulated(takes, machines)
    run_on(machine, ReadyQueue(list(upstreams), upstreams, costs), lambda task: task, lambda *_: None)
    return machine.now


def least(upstreams: Mapping[str, frozenset[str]], takes: Mapping[str, float], machines: int) -> float:
    """Return the time below which no order can be: the longest path, and the work of each machine."""
    ends: dict[str, float] = {}
    for task, above in upstreams.items():
        ends[task] = takes[task] + max((ends[each] for each in above), default=0.0)
    return max(*ends.values(), sum(takes.values()) / machines)


def fleet(seed: int) -> tuple[dict[str, frozenset[str]], dict[str, float]]:
    """Return a thousand repos as the benchmarks have them, with checks of three minutes, and some of an hour."""
    rng = random.Random(seed)
    upstreams = {name: frozenset(above) for wave in waves_of(1000) for name, above in wave.items()}
    return upstreams, {name: min(60.0, rng.lognormvariate(1.1, 0.875)) for name in upstreams}


@pytest.mark.parametrize("seed", range(5))
def test_a_thousand_repos_on_64_machines_end_at_most_15_percent_later_than_they_must(seed: int) -> None:
    upstreams, takes = fleet(seed)
    least_of_all = least(upstreams, takes, MACHINES)
    assert makespan(upstreams, takes, MACHINES, takes) <= 1.15 * least_of_all
    assert makespan(upstreams, takes, MACHINES, takes) <= makespan(upstreams, takes, MACHINES, None)


def test_in_the_order_of_the_plan_they_would_take_a_quarter_longer() -> None:
    upstreams, takes = fleet(2)
    assert makespan(upstreams, takes, MACHINES, None) >= 1.25 * makespan(upstreams, takes, MACHINES, takes)


def test_last_weeks_durations_do_nearly_as_well() -> None:
    upstreams, takes = fleet(2)
    rng = random.Random(2)
    known = {name: seconds * rng.uniform(0.6, 1.6) for name, seconds in takes.items()}
    assert makespan(upstreams, takes, MACHINES, known) <= 1.15 * least(upstreams, takes, MACHINES)


@given(st.integers(0, 10_000), st.integers(1, 5))
def test_every_task_runs_once_and_after_its_upstreams_whatever_is_known_of_costs(seed: int, machines: int) -> None:
    rng = random.Random(seed)
    names = [f"t{number}" for number in range(rng.randint(0, 12))]
    upstreams = {
        name: frozenset(rng.sample(names[:number], rng.randint(0, min(number, 3)))) for number, name in enumerate(names)
    }
    costs = {name: rng.choice([0.0, 1.0, rng.uniform(0, 100)]) for name in names}
    done: list[str] = []
    queue = ReadyQueue(names, upstreams, costs)
    run_on(
        Simulated({name: rng.uniform(0, 3) for name in names}, machines), queue, str, lambda name, _: done.append(name)
    )
    assert sorted(done) == sorted(names)
    for name, above in upstreams.items():
        assert all(done.index(each) < done.index(name) for each in above)


def test_of_ready_tasks_that_with_the_longest_path_below_goes_first_then_the_earliest() -> None:
    upstreams = {"a": "", "b": "", "c": "", "far": "b", "end": "far"}
    given_upstreams = {name: frozenset(above.split()) for name, above in upstreams.items()}
    queue = ReadyQueue(list(upstreams), given_upstreams, {"a": 1, "b": 1, "c": 9, "far": 1, "end": 1})
    assert list(itertools.chain.from_iterable(queue.take(1) for _ in range(4))) == ["c", "b", "a"]


def failed(repo: str, seconds: float) -> Failed:
    return Failed(RepoName(repo), FlakesyncError("check-failed", "no"), (CheckOutcome("x", 1, seconds, ""),))


def test_costs_are_kept_and_a_check_that_fails_early_does_not_make_them_less(tmp_path: Path) -> None:
    place = tmp_path / "runs/costs"
    first = CheckCosts(place)
    first.add(failed("app", 90.0))
    first.write()
    second = CheckCosts(place)
    second.add(failed("app", 2.0))
    second.add(failed("lib", 3.5))
    second.write()
    assert CheckCosts(place).of([RepoName("app"), RepoName("lib"), RepoName("new")]) == {
        "app": 90,
        "lib": 3.5,
        "new": 1,
    }


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xff", msgspec.msgpack.encode({"app": float("nan")}), msgspec.msgpack.encode({"app": -3.0}), b"[1]"],
)
def test_what_is_no_record_of_costs_counts_as_nothing_known(tmp_path: Path, content: bytes) -> None:
    place = tmp_path / "costs"
    place.write_bytes(content)
    assert CheckCosts(place).of([RepoName("app")]) == {"app": 1}


def test_a_cost_without_end_is_a_day(tmp_path: Path) -> None:
    place = tmp_path / "costs"
    place.write_bytes(msgspec.msgpack.encode({"app": float("inf")}))
    assert CheckCosts(place).of([RepoName("app")]) == {"app": 86400}
