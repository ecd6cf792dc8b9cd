"""The first caller computes, others wait."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from flakesync.cache.single_flight import SingleFlight
from flakesync.errors import FlakesyncError


def test_many_callers_cost_one_computation() -> None:
    flights, computed = SingleFlight(), list[int]()

    def compute() -> int:
        time.sleep(0.02)
        computed.append(1)
        return 7

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: flights.get("key", compute), range(8))) == {7}
    assert len(computed) == 1
    assert flights.get("other", lambda: None) is flights.get("other", lambda: 1)


def test_a_failure_is_the_same_for_all_and_a_bug_is_only_of_its_caller() -> None:
    flights = SingleFlight()

    def fail() -> int:
        raise FlakesyncError("x", "no")

    for compute in (fail, lambda: 1):
        with pytest.raises(FlakesyncError, match="no"):
            flights.get("key", compute)
    with pytest.raises(ZeroDivisionError):
        flights.get("bug", lambda: 1 // 0)
    assert flights.get("bug", lambda: 1) == 1


def test_one_computation_may_need_another() -> None:
    flights = SingleFlight()
    assert flights.get("a", lambda: flights.get("b", lambda: 1) + 1) == 2


def test_blocks_with_a_common_key_wait_for_the_first_that_succeeds() -> None:
    flights, inside, most, guard = SingleFlight(), [0], [0], threading.Lock()

    def block(keys: list[str]) -> None:
        with flights.first(keys):
            with guard:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            time.sleep(0.01)
            with guard:
                inside[0] -= 1

    with pytest.raises(ZeroDivisionError), flights.first(["a", "b"]):
        raise ZeroDivisionError
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(block, [["a"], ["a", "b"]]))
    assert most == [1]
    with flights.first(["a", "b"]), flights.first(["a"]):  # done: nobody waits any more
        pass
