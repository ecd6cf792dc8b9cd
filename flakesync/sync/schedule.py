"""Runs tasks as soon as what they wait for is done: a ready queue, no barrier between waves."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from heapq import heappop, heappush
from typing import TypeVar

from flakesync.processes.stop import stopping

_STOP_AGAIN_S = 0.1

Task = TypeVar("Task", bound=str)
Result = TypeVar("Result")


def run_ready(
    tasks: Sequence[Task],
    upstreams: Mapping[Task, frozenset[Task]],
    work: Callable[[Task], Result],
    finished: Callable[[Task, Result], None],
    *,
    jobs: int,
    stop: Callable[[], None] = lambda: None,
) -> None:
    """Run `work` on every task, at most `jobs` at once; a task begins when all its upstreams have finished.

    tasks: in an order in which upstreams come first; among the ready ones the earliest goes first. upstreams: only
    those that are tasks too. finished: called in the caller's thread, before any dependent begins. With one job
    everything runs in the caller's thread. When `work` or `finished` raises, or ctrl-C comes, no task begins any more,
    what the others do is stopped (its results are dropped), and the error is raised. stop: ends what else they wait
    for; it is called again until all tasks have ended, as they may begin to wait for something new.
    """
    running: dict[Future[Result], Task] = {}
    if jobs == 1:
        with _stopping(stop, running):
            for task in tasks:
                finished(task, work(task))
        return
    place = {task: number for number, task in enumerate(tasks)}
    missing = {task: len(upstreams[task]) for task in tasks}
    dependents: dict[Task, list[Task]] = {task: [] for task in tasks}
    for task in tasks:
        for upstream in upstreams[task]:
            dependents[upstream].append(task)
    ready = [place[task] for task in tasks if not missing[task]]  # in order, so it is a heap
    with ThreadPoolExecutor(max_workers=jobs) as pool, _stopping(stop, running):
        while ready or running:
            while ready and len(running) < jobs:
                task = tasks[heappop(ready)]
                running[pool.submit(work, task)] = task
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in sorted(done, key=lambda future: place[running[future]]):
                task = running.pop(future)
                finished(task, future.result())
                for dependent in dependents[task]:
                    missing[dependent] -= 1
                    if not missing[dependent]:
                        heappush(ready, place[dependent])


@contextmanager
def _stopping(stop: Callable[[], None], running: Mapping[Future[Result], object]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with stopping():
            stop()
            while wait(running, timeout=_STOP_AGAIN_S).not_done:
                stop()
        raise
