"""Runs probes side by side: what is wanted changes with each result, and what is not wanted any more is ended."""

import time
from collections.abc import Callable, Collection, Hashable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from threading import Event
from typing import Generic, TypeVar

from flakesync.errors import FlakesyncError
from flakesync.processes.stop import stopping
from flakesync.sync.bisect.verdicts import ProbeResult

P = TypeVar("P", bound=Hashable)


class Budget:
    """What a bisection may still cost. checks: that are run to their end, seconds: from now on; None: no limit."""

    def __init__(self, checks: int | None, seconds: float | None) -> None:
        self.ran = 0
        self._checks = checks
        self._until = time.monotonic() + seconds if seconds is not None else None

    def has_room(self, running: int) -> bool:
        """Tell whether one more check may begin beside those that run."""
        return self._checks is None or self.ran + running < self._checks

    def seconds_left(self) -> float | None:
        """Return how long it may still take; None: there is no limit."""
        return self._until - time.monotonic() if self._until is not None else None


class Rounds(Generic[P]):
    """One row of probes."""

    def __init__(
        self,
        jobs: int,
        budget: Budget,
        wanted: Callable[[Collection[P]], Sequence[P]],
        work: Callable[[P, Callable[[], bool]], ProbeResult],
        finished: Callable[[P, ProbeResult], None],
    ) -> None:
        """jobs: probes at once.

        wanted: returns the probes that are wanted now, the most useful first, none at the end; it is told which run.
        work: runs one, and is told how to find out that it is not wanted any more. finished: is told of each result.
        """
        self._jobs = jobs
        self._budget = budget
        self._wanted = wanted
        self._work = work
        self._finished = finished
        self._running: dict[Future[ProbeResult], tuple[P, Event]] = {}

    def carry_out(self) -> bool:
        """Run probes until none is wanted; False: the budget was used up before.

        Raises: FlakesyncError (`interrupted`), and what `work` and `finished` raise.
        """
        with ThreadPoolExecutor(max_workers=self._jobs) as pool:
            try:
                return self._until_done(pool)
            except BaseException:
                with stopping():
                    wait(self._running)
                raise
            finally:
                self._end_all_but(())
                wait(self._running)

    def _until_done(self, pool: ThreadPoolExecutor) -> bool:
        while wanted := self._wanted(self._useful()):
            self._end_all_but(wanted)
            busy = self._useful()
            for probe in wanted:
                if probe not in busy and self._budget.has_room(len(self._running)):
                    cancelled = Event()
                    self._running[pool.submit(self._work, probe, cancelled.is_set)] = probe, cancelled
            left = self._budget.seconds_left()
            if not self._running or (left is not None and left <= 0):
                return False
            for future in wait(self._running, timeout=left, return_when=FIRST_COMPLETED).done:
                self._take(future)
        return True

    def _useful(self) -> list[P]:
        return [probe for probe, cancelled in self._running.values() if not cancelled.is_set()]

    def _end_all_but(self, wanted: Collection[P]) -> None:
        for probe, cancelled in self._running.values():
            if probe not in wanted:
                cancelled.set()

    def _take(self, future: Future[ProbeResult]) -> None:
        probe, cancelled = self._running.pop(future)
        try:
            result = future.result()
        except FlakesyncError:
            if not cancelled.is_set():
                raise
            return
        self._budget.ran += result.source == "ran"
        self._finished(probe, result)
