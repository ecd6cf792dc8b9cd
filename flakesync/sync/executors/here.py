"""Tasks in this process: in the caller's thread, or in others."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from flakesync.processes.stop import stopping

if TYPE_CHECKING:
    from concurrent.futures import Future

Job = TypeVar("Job")
Result = TypeVar("Result")

_STOP_AGAIN_S = 0.1


class Inline(Generic[Job, Result]):
    """Carries tasks out in the caller's thread, one after the other."""

    def __init__(self, work: Callable[[Job], Result], stop: Callable[[], None] = lambda: None) -> None:
        """stop: is called where an exception ends it."""
        self._work = work
        self._stop = stop
        self._job: tuple[str, Job] | None = None

    def wanted(self, ready: int) -> int:
        """See Executor."""
        return int(self._job is None)

    def submit(self, jobs: Sequence[tuple[str, Job]]) -> None:
        """See Executor."""
        (self._job,) = jobs

    def wait(self) -> Sequence[tuple[str, Result]]:
        """See Executor."""
        if self._job is None:
            return ()
        name, job = self._job
        self._job = None
        return [(name, self._work(job))]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            with stopping():
                self._stop()


class Threads(Generic[Job, Result]):
    """Carries tasks out in threads. What one raises, `wait` raises."""

    def __init__(self, work: Callable[[Job], Result], jobs: int, stop: Callable[[], None] = lambda: None) -> None:
        """jobs: how many threads. stop: ends what they wait for, where an exception ends it.

        It is called again until all tasks have ended, as they may begin to wait for something new.
        """
        from concurrent.futures import ThreadPoolExecutor  # 7 ms, with all that it logs by

        self._work = work
        self._jobs = jobs
        self._stop = stop
        self._running: dict[Future[Result], str] = {}
        self._pool = ThreadPoolExecutor(max_workers=jobs)

    def wanted(self, ready: int) -> int:
        """See Executor."""
        return self._jobs - len(self._running)

    def submit(self, jobs: Sequence[tuple[str, Job]]) -> None:
        """See Executor."""
        for name, job in jobs:
            self._running[self._pool.submit(self._work, job)] = name

    def wait(self) -> Sequence[tuple[str, Result]]:
        """See Executor."""
        from concurrent.futures import FIRST_COMPLETED, wait

        done, _ = wait(self._running, return_when=FIRST_COMPLETED)
        return [(self._running.pop(future), future.result()) for future in done]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        from concurrent.futures import wait

        with self._pool:
            if kind is not None:
                with stopping():
                    self._stop()
                    while wait(self._running, timeout=_STOP_AGAIN_S).not_done:
                        self._stop()
