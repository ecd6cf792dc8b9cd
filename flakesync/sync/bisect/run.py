"""Carries a bisection out: as many probes at once as may be, each result in the journal, needless ones ended."""

import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Event

import msgspec

from flakesync.errors import FlakesyncError
from flakesync.processes.stop import stopping
from flakesync.sync.bisect.halving import Verdict
from flakesync.sync.bisect.journal import Journal, JournalEntry
from flakesync.sync.bisect.probe import Prober
from flakesync.sync.bisect.search import Found, NotFound, Probe, Probes, Units, next_step
from flakesync.sync.bisect.units import Unit
from flakesync.sync.bisect.verdicts import ProbeResult, judge
from flakesync.terms import RepoName, Rev


@dataclass(frozen=True, slots=True, kw_only=True)
class BisectOptions:
    """What a person wishes of a bisection.

    jobs: probes at once. max_checks: how many probes are run at most, limit_s: how many seconds it may take; None: no
    limit. match: what the output of a failure has to have, to be the one that is looked for. fresh: whether nothing of
    what is known is used.
    """

    jobs: int = 1
    max_checks: int | None = None
    limit_s: float | None = None
    match: re.Pattern[str] | None = None
    fresh: bool = False


class ProbeRun(msgspec.Struct, frozen=True):
    """One probe that has a result. units: by their place among the bisection's. time: how often it had run before."""

    units: Units
    time: int
    verdict: Verdict
    result: ProbeResult


class Bisection(msgspec.Struct, frozen=True):
    """A bisection and its end. result: None: a limit was hit before. ran: how many of the probes ran this time."""

    repo: RepoName
    base: Rev
    checks: tuple[str, ...]
    units: tuple[Unit, ...]
    probes: tuple[ProbeRun, ...]
    result: Found | NotFound | None
    ran: int


class BisectRun:
    """One bisection as it goes on. listener: is told of each result, of those in the journal too."""

    def __init__(
        self,
        prober: Prober,
        units: Sequence[Unit],
        journal: Journal,
        options: BisectOptions,
        listener: Callable[[ProbeRun], None],
    ) -> None:
        """units: of the prober's job, in their order."""
        self._prober = prober
        self._units = tuple(units)
        self._journal = journal
        self._options = options
        self._listener = listener
        self._results: dict[Units, list[ProbeResult]] = {}
        self._order: list[Probe] = []
        self._running: dict[Future[ProbeResult], tuple[Probe, Event]] = {}
        self._ran = 0
        place = {unit.id: number for number, unit in enumerate(self._units)}
        for entry in journal.entries:
            if place.keys() >= set(entry.units):
                self._note(Probe(frozenset(place[each] for each in entry.units), entry.time), entry.result)

    def carry_out(self) -> Found | NotFound | None:
        """Run probes until there is a result; None: a limit was hit before.

        Raises: FlakesyncError (`interrupted`); CacheError: the journal cannot be written.
        """
        until = time.monotonic() + self._options.limit_s if self._options.limit_s is not None else None
        with ThreadPoolExecutor(max_workers=self._options.jobs) as pool:
            try:
                return self._until_found(pool, until)
            except BaseException:
                with stopping():
                    wait(self._running)
                raise
            finally:
                self._end_needless(())
                wait(self._running)

    @property
    def probes(self) -> tuple[ProbeRun, ...]:
        """The probes that have a result, in the order in which these came."""
        return tuple(self._probe_run(probe) for probe in self._order)

    @property
    def ran(self) -> int:
        """How many checks this process has run to their end."""
        return self._ran

    def _until_found(self, pool: ThreadPoolExecutor, until: float | None) -> Found | NotFound | None:
        while True:
            step = self._next_step()
            if not isinstance(step, Probes):
                return step
            self._end_needless(step.probes)
            busy = {probe for probe, cancelled in self._running.values() if not cancelled.is_set()}
            for probe in step.probes:
                if probe not in busy and self._may_begin():
                    self._begin(pool, probe)
            left = until - time.monotonic() if until is not None else None
            if not self._running or (left is not None and left <= 0):
                return None
            for future in wait(self._running, timeout=left, return_when=FIRST_COMPLETED).done:
                self._finish(future)

    def _next_step(self) -> Probes | Found | NotFound:
        known = {units: [self._verdict(each) for each in results] for units, results in self._results.items()}
        running = [probe for probe, cancelled in self._running.values() if not cancelled.is_set()]
        return next_step(len(self._units), known, width=self._options.jobs, running=running)

    def _may_begin(self) -> bool:
        most = self._options.max_checks
        return most is None or self._ran + len(self._running) < most

    def _begin(self, pool: ThreadPoolExecutor, probe: Probe) -> None:
        cancelled = Event()
        units = [self._units[number] for number in sorted(probe.units)]
        future = pool.submit(self._prober.run, units, again=probe.time > 0, give_up=cancelled.is_set)
        self._running[future] = probe, cancelled

    def _end_needless(self, wanted: Sequence[Probe]) -> None:
        for probe, cancelled in self._running.values():
            if probe not in wanted:
                cancelled.set()

    def _finish(self, future: Future[ProbeResult]) -> None:
        probe, cancelled = self._running.pop(future)
        try:
            result = future.result()
        except FlakesyncError:
            if not cancelled.is_set():
                raise
            return
        if len(self._results.get(probe.units, ())) != probe.time:
            return  # it was cancelled and is needed after all, and both have ended
        ids = tuple(self._units[number].id for number in sorted(probe.units))
        self._journal.append(JournalEntry(ids, probe.time, result))
        self._ran += result.source == "ran"
        self._note(probe, result)

    def _note(self, probe: Probe, result: ProbeResult) -> None:
        results = self._results.setdefault(probe.units, [])
        if len(results) == probe.time:
            results.append(result)
            self._order.append(probe)
            self._listener(self._probe_run(probe))

    def _probe_run(self, probe: Probe) -> ProbeRun:
        result = self._results[probe.units][probe.time]
        return ProbeRun(probe.units, probe.time, self._verdict(result), result)

    def _verdict(self, result: ProbeResult) -> Verdict:
        whole = self._results.get(frozenset(range(len(self._units))), ())
        return judge(result, whole[0] if whole else result, self._options.match)
