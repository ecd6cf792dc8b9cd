"""Runs tasks as soon as what they wait for is done: a ready queue, no barrier between waves."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TypeVar

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
    stop: Callable[[], None],
) -> None:
    """Run `work` on every task, at most `jobs` at once; a task begins when all its upstreams have finished.

    tasks: in an order in which upstreams come first; among the ready ones the earliest goes first. upstreams: only
    those that are tasks too. finished: called in the caller's thread, before any dependent begins. With one job
    everything runs in the caller's thread. When `work` or `finished` raises, or ctrl-C comes, no task begins any more,
    `stop` is called to end what runs (its results are dropped), and the error is raised. A task that was between two
    processes may have begun another one meanwhile: `stop` is called again until all tasks have ended.
    """
    running: dict[Future[Result], Task] = {}
    if jobs == 1:
        with _stopping(stop, running):
            for task in tasks:
                finished(task, work(task))
        return
    waiting = {task: set(upstreams[task]) for task in tasks}
    with ThreadPoolExecutor(max_workers=jobs) as pool, _stopping(stop, running):
        while waiting or running:
            for task in [task for task, needs in waiting.items() if not needs][: jobs - len(running)]:
                del waiting[task]
                running[pool.submit(work, task)] = task
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in sorted(done, key=lambda future: tasks.index(running[future])):
                task = running.pop(future)
                finished(task, future.result())
                for needs in waiting.values():
                    needs.discard(task)


@contextmanager
def _stopping(stop: Callable[[], None], running: Mapping[Future[Result], object]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        stop()
        while wait(running, timeout=_STOP_AGAIN_S).not_done:
            stop()
        raise
