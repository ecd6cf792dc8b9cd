"""Runs tasks as soon as what they wait for is done: a ready queue, no barrier between waves.

Of the ready tasks the one with the longest path below it goes first, where it is known how long tasks take: where there
are fewer machines than ready tasks, the run ends up to a quarter earlier.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from operator import itemgetter
from typing import Generic, TypeVar

import msgspec

from flakesync.sync.executors import Executor
from flakesync.sync.executors.here import Inline, Threads

Task = TypeVar("Task", bound=str)
Job = TypeVar("Job")
Result = TypeVar("Result")


class Known(msgspec.Struct, Generic[Result], frozen=True):
    """The result of a task that need not be carried out."""

    result: Result


class ReadyQueue(Generic[Task]):
    """The tasks whose upstreams have all ended, the one with the longest path below it first."""

    def __init__(
        self,
        tasks: Sequence[Task],
        upstreams: Mapping[Task, frozenset[Task]],
        costs: Mapping[Task, float] | None = None,
    ) -> None:
        """tasks: in an order in which upstreams come first. upstreams: only those that are tasks too.

        costs: how long each takes, in any unit; None: the earliest task goes first, as it does among equals.
        """
        self._tasks = tasks
        self._place: dict[Task | str, int] = {task: number for number, task in enumerate(tasks)}
        self._missing = {task: len(upstreams[task]) for task in tasks}
        self._dependents: dict[Task, list[Task]] = {task: [] for task in tasks}
        for task in tasks:
            for upstream in upstreams[task]:
                self._dependents[upstream].append(task)
        self._longest = self._longest_paths(costs) if costs is not None else dict.fromkeys(tasks, 0.0)
        self._ready = [self._key(task) for task in tasks if not self._missing[task]]
        heapify(self._ready)

    def __len__(self) -> int:
        """How many are ready."""
        return len(self._ready)

    def take(self, most: int) -> list[Task]:
        """Return the first of the ready tasks, `most` at most; they are not ready any more."""
        return [self._tasks[heappop(self._ready)[1]] for _ in range(min(most, len(self._ready)))]

    def end(self, task: Task) -> None:
        """Note that a task has ended: those that waited for it alone are ready."""
        for dependent in self._dependents[task]:
            self._missing[dependent] -= 1
            if not self._missing[dependent]:
                heappush(self._ready, self._key(dependent))

    def in_order(self, results: Iterable[tuple[Task | str, Result]]) -> list[tuple[Task, Result]]:
        """Return results in the order of their tasks; one that is none of the tasks' is left out."""
        found = [(self._place[task], result) for task, result in results if task in self._place]
        return [(self._tasks[place], result) for place, result in sorted(found, key=itemgetter(0))]

    def _key(self, task: Task) -> tuple[float, int]:
        return -self._longest[task], self._place[task]

    def _longest_paths(self, costs: Mapping[Task, float]) -> dict[Task, float]:
        """Return how long each task and what can only begin after it takes at least."""
        longest: dict[Task, float] = {}
        for task in reversed(self._tasks):
            longest[task] = costs[task] + max((longest[each] for each in self._dependents[task]), default=0.0)
        return longest


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
    executor: Executor[Task, Result] = Inline(work, stop) if jobs == 1 else Threads(work, jobs, stop)
    run_on(executor, ReadyQueue(tasks, upstreams), lambda task: task, finished)


def run_on(
    executor: Executor[Job, Result],
    queue: ReadyQueue[Task],
    make: Callable[[Task], Job | Known[Result]],
    finished: Callable[[Task, Result], None],
) -> None:
    """Have an executor carry out all tasks of a queue.

    make: called in the caller's thread when all upstreams of a task have finished; it returns what the executor gets.
    finished: called in the caller's thread, once for each task. What either raises breaks the others off.
    """
    running: set[Task] = set()

    def end(results: Iterable[tuple[Task, Result]]) -> None:
        for task, result in results:
            finished(task, result)
            queue.end(task)

    with executor:
        while True:
            while queue and (most := executor.wanted(len(queue))) > 0:
                jobs: list[tuple[str, Job]] = []
                for task in queue.take(most):
                    made = make(task)
                    if isinstance(made, Known):
                        end([(task, made.result)])
                    else:
                        jobs.append((task, made))
                        running.add(task)
                if jobs:
                    executor.submit(jobs)
            if not running:
                return
            for task, result in queue.in_order(executor.wait()):
                if task in running:  # else it was carried out twice
                    running.remove(task)
                    end([(task, result)])
