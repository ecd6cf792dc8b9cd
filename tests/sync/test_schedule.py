"""The ready queue: tasks begin when their own upstreams are done, whatever else is going on."""

import random
import threading
from collections.abc import Callable
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakesync.sync.schedule import run_ready

PATIENCE_S = 120
"""How long a task waits for an event that should come at once."""


def nothing() -> None:
    pass


def upstreams_of(**given: str) -> dict[str, frozenset[str]]:
    return {name: frozenset(needs.split()) for name, needs in given.items()}


def order_of(upstreams: dict[str, frozenset[str]], jobs: int, work: Callable[[str], str] = str) -> list[str]:
    """Return the tasks in the order in which they finished."""
    finished: list[str] = []
    run_ready(list(upstreams), upstreams, work, lambda name, _: finished.append(name), jobs=jobs, stop=nothing)
    return finished


@pytest.mark.parametrize("jobs", [2, 4])
def test_a_fast_branch_goes_on_while_a_slow_task_of_an_earlier_wave_runs(jobs: int) -> None:
    # Waves: (slow, fast1), (fast2), (fast3). `slow` ends only when the last of the fast branch has begun.
    fast3_began = Event()

    def work(name: str) -> str:
        if name == "slow":
            assert fast3_began.wait(PATIENCE_S), "fast3 waits for the whole first wave"
        if name == "fast3":
            fast3_began.set()
        return name

    upstreams = upstreams_of(slow="", fast1="", fast2="fast1", fast3="fast2", last="slow fast3")
    finished = order_of(upstreams, jobs, work)
    assert finished.index("fast2") < finished.index("slow")
    assert finished[-1] == "last"


@given(st.integers(0, 10_000), st.integers(1, 4))
def test_a_task_begins_when_all_its_upstreams_have_finished_and_not_before(seed: int, jobs: int) -> None:
    rng = random.Random(seed)
    names = [f"t{number}" for number in range(rng.randint(0, 12))]
    upstreams = {
        name: frozenset(rng.sample(names[:number], rng.randint(0, min(number, 3)))) for number, name in enumerate(names)
    }
    guard = threading.Lock()
    done: set[str] = set()
    running: set[str] = set()
    most = 0

    def work(name: str) -> str:
        nonlocal most
        with guard:
            assert upstreams[name] <= done
            running.add(name)
            most = max(most, len(running))
        with guard:
            running.discard(name)
        return name

    def finished(name: str, result: str) -> None:
        assert name == result
        done.add(name)

    run_ready(names, upstreams, work, finished, jobs=jobs, stop=nothing)
    assert done == set(names)
    assert most <= jobs


def test_one_job_runs_in_the_callers_thread_and_in_order() -> None:
    threads: set[int] = set()

    def work(name: str) -> str:
        threads.add(threading.get_ident())
        return name

    upstreams = upstreams_of(a="", b="", c="a", d="b c")
    assert order_of(upstreams, 1, work) == ["a", "b", "c", "d"]
    assert threads == {threading.get_ident()}


def test_among_ready_tasks_the_earliest_goes_first() -> None:
    assert order_of(upstreams_of(c="", a="", d="", b=""), 1) == ["c", "a", "d", "b"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_ends_the_run_and_nothing_new_begins(jobs: int) -> None:
    begun: list[str] = []
    stopped: list[bool] = []

    def work(name: str) -> str:
        begun.append(name)
        if name == "b":
            raise RuntimeError("broken")
        return name

    with pytest.raises(RuntimeError, match="broken"):
        run_ready(
            ["a", "b", "c"], upstreams_of(a="", b="a", c="b"), work, lambda *_: None, jobs=jobs,
            stop=lambda: stopped.append(True),
        )  # fmt: skip
    assert begun == ["a", "b"]
    assert stopped


def test_stop_ends_what_runs_when_ctrl_c_comes() -> None:
    ended = Event()

    def work(name: str) -> str:
        assert ended.wait(PATIENCE_S)
        return name

    def finished(name: str, _: str) -> None:
        raise AssertionError(f"{name} was interrupted, its result does not count")

    def start(name: str) -> str:
        if name == "quick":
            raise KeyboardInterrupt
        return work(name)

    with pytest.raises(KeyboardInterrupt):
        run_ready(["slow", "quick"], upstreams_of(slow="", quick=""), start, finished, jobs=2, stop=ended.set)


def test_what_begins_between_two_processes_is_stopped_too() -> None:
    """A task may be between one process and the next when `stop` is called first; the next one is ended as well."""
    first_stop, second_stop = Event(), Event()
    seen: list[bool] = []

    def work(name: str) -> str:
        if name == "quick":
            raise KeyboardInterrupt
        seen.append(first_stop.wait(PATIENCE_S))
        seen.append(second_stop.wait(PATIENCE_S))
        return name

    def stop() -> None:
        (second_stop if first_stop.is_set() else first_stop).set()

    with pytest.raises(KeyboardInterrupt):
        run_ready(["slow", "quick"], upstreams_of(slow="", quick=""), work, lambda *_: None, jobs=2, stop=stop)
    assert seen == [True, True]
