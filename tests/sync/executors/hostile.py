"""An executor as bad as one may be: any order, tasks and results that come twice, workers that are lost."""

import random
from collections.abc import Sequence
from typing import Self

from flakesync.sync.executors.choice import Done, MakeExecutor, TaskRun
from flakesync.sync.tasks.task import RepoTask


class Hostile:
    """Carries tasks out in this thread, as a random number says."""

    def __init__(self, run: TaskRun, seed: int, *, late: bool) -> None:
        """late: workers are lost with their results, when they have made their commits."""
        self._run = run
        self._random = random.Random(seed)
        self._jobs: list[tuple[str, RepoTask]] = []
        self._done: list[tuple[str, Done]] = []
        self._late = late

    def wanted(self, ready: int) -> int:
        return self._random.randint(0 if self._jobs else 1, ready)

    def submit(self, jobs: Sequence[tuple[str, RepoTask]]) -> None:
        self._jobs += jobs

    def wait(self) -> Sequence[tuple[str, Done]]:
        results: list[tuple[str, Done]] = []
        while not results:
            at = self._random.randrange(len(self._jobs))
            name, job = self._jobs[at]
            lost = self._random.random() < 0.2
            if lost and not self._late:
                continue
            # Written down and read, as it is where it goes to another machine.
            done = self._run.worker.carry_out(RepoTask.decode(job.encode()))
            if lost:
                continue
            self._jobs.pop(at)
            results.append((name, done))
            if self._random.random() < 0.3:
                results.append((name, self._run.worker.carry_out(job)))
            if self._done and self._random.random() < 0.3:
                results.append(self._random.choice(self._done))
            self._done += results
        return results

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def hostile(seed: int, *, late: bool = False) -> MakeExecutor:
    """Return what makes such an executor."""
    return lambda run: Hostile(run, seed, late=late)
