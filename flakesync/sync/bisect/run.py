"""Carries a bisection out: as many probes at once as may be, each result in the journal, needless ones ended."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from flakesync.errors import FlakesyncError
from flakesync.sync.bisect.commits import (
    CommitProbe,
    CommitRow,
    CommitStretch,
    at_commit,
    next_commits,
    stretch_of,
)
from flakesync.sync.bisect.halving import Stretch, Verdict
from flakesync.sync.bisect.journal import Journal, JournalEntry
from flakesync.sync.bisect.probe import Prober
from flakesync.sync.bisect.rounds import Budget, Rounds
from flakesync.sync.bisect.search import Found, NotFound, Probe, Probes, Units, next_step
from flakesync.sync.bisect.units import Unit
from flakesync.sync.bisect.verdicts import ProbeResult, judge
from flakesync.system import cause_in
from flakesync.terms import RepoName, Rev

_MOST_REFUSED = 2
"""How many checks the machine may refuse something before the bisection is broken off: the next ones fare no better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BisectOptions:
    """What a person wishes of a bisection.

    jobs: probes at once. max_checks: how many probes are run at most, limit_s: how many seconds it may take; None: no
    limit. match: what the output of a failure has to have, to be the one that is looked for. fresh: whether nothing of
    what is known is used. commits: whether the commits of guilty units are searched too: of pins and external sources
    those that are known to have been tips of their branch, or with every_commit all that the branch has had.
    """

    jobs: int = 1
    max_checks: int | None = None
    limit_s: float | None = None
    match: re.Pattern[str] | None = None
    fresh: bool = False
    commits: bool = False
    every_commit: bool = False


class ProbeRun(msgspec.Struct, frozen=True):
    """One probe that has a result. units: by their place among the bisection's. time: how often it had run before.

    at: a unit that is at another commit of its repo than its move leads to, and that commit.
    """

    units: Units
    time: int
    verdict: Verdict
    result: ProbeResult
    at: tuple[int, Rev] | None = None


class Bisection(msgspec.Struct, frozen=True):
    """A bisection and its end. result: None: a limit was hit before. ran: how many of the probes ran this time.

    commits: where the checks begin to fail in the commits of guilty units, by unit. unwalked: why that is not known of
    others. limited: whether a limit was hit while commits were searched.
    """

    repo: RepoName
    base: Rev
    checks: tuple[str, ...]
    units: tuple[Unit, ...]
    probes: tuple[ProbeRun, ...]
    result: Found | NotFound | None
    ran: int
    commits: Mapping[int, CommitStretch] = {}
    unwalked: Mapping[int, str] = {}
    limited: bool = False


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
        self._budget = Budget(options.max_checks, options.limit_s)
        self._results: dict[Probe, ProbeResult] = {}
        self._refused = 0
        self._at: dict[tuple[Units, int, Rev, int], ProbeResult] = {}
        self.limited = False
        """Whether a limit was hit before the commits of a guilty unit were searched to the end."""
        self.probes: list[ProbeRun] = []
        """The probes that have a result, in the order in which these came."""
        place = {unit.id: number for number, unit in enumerate(self._units)}
        for entry in journal.entries:
            if place.keys() >= {*entry.units, *([entry.at[0]] if entry.at else [])}:
                probe = Probe(frozenset(place[each] for each in entry.units), entry.time)
                at = (place[entry.at[0]], Rev(entry.at[1])) if entry.at is not None else None
                self._note(probe, at, entry.result)

    @property
    def ran(self) -> int:
        """How many checks this process has run to their end."""
        return self._budget.ran

    def search(self, suspects: Units = frozenset()) -> Found | NotFound | None:
        """Run probes until it is known which units are guilty; None: a limit was hit before.

        suspects: units that are guilty elsewhere; they are looked at first.

        Raises: FlakesyncError (`interrupted`); CacheError: the journal cannot be written.
        """
        end: list[Found | NotFound] = []

        def wanted(running: Collection[Probe]) -> tuple[Probe, ...]:
            width = self._options.jobs
            step = next_step(len(self._units), self._known(), width=width, running=running, suspects=suspects)
            if isinstance(step, Probes):
                return step.probes
            end.append(step)
            return ()

        def work(probe: Probe, give_up: Callable[[], bool]) -> ProbeResult:
            return self._prober.run(self._chosen(probe.units), again=probe.time > 0, give_up=give_up)

        def finished(probe: Probe, result: ProbeResult) -> None:
            self._keep(probe, None, result)

        Rounds(self._options.jobs, self._budget, wanted, work, finished).carry_out()
        return end[0] if end else None

    def search_commits(self, row: CommitRow, number: int, passing: Units) -> CommitStretch | None:
        """Run probes until it is known which commit of a guilty unit breaks the checks, on top of what passes.

        row: of the unit. None: its checks fail now and then, or a limit was hit before (`limited`).

        Raises: as `search`.
        """
        units = passing | {number}
        end: list[Stretch | None] = []

        def rev(probe: CommitProbe) -> Rev:
            return row.revs[probe[0] - 1]

        def wanted(running: Collection[CommitProbe]) -> tuple[CommitProbe, ...]:
            known = {place: self._verdicts_at(units, number, rev((place, 0))) for place in range(1, len(row.revs))}
            known = {place: verdicts for place, verdicts in known.items() if verdicts}
            step = next_commits(row, known, width=self._options.jobs, running=running)
            if isinstance(step, tuple) and not isinstance(step, Stretch):
                return step
            end.append(step)
            return ()

        def work(probe: CommitProbe, give_up: Callable[[], bool]) -> ProbeResult:
            job = at_commit(self._prober.job, self._units[number], rev(probe))
            return self._prober.run(self._chosen(units), again=probe[1] > 0, give_up=give_up, job=job)

        def finished(probe: CommitProbe, result: ProbeResult) -> None:
            self._keep(Probe(units, probe[1]), (number, rev(probe)), result)

        if not Rounds(self._options.jobs, self._budget, wanted, work, finished).carry_out():
            self.limited = True
        found = end[0] if end else None
        return stretch_of(row, found) if found is not None else None

    def _chosen(self, units: Units) -> list[Unit]:
        return [self._units[number] for number in sorted(units)]

    def _known(self) -> dict[Units, list[Verdict]]:
        known: dict[Units, list[Verdict]] = {}
        for probe, result in self._results.items():  # in the order of their runs: `_note` sees to it
            known.setdefault(probe.units, []).append(self._verdict(result))
        return known

    def _verdicts_at(self, units: Units, number: int, rev: Rev) -> list[Verdict]:
        found: list[Verdict] = []
        while (result := self._at.get((units, number, rev, len(found)))) is not None:
            found.append(self._verdict(result))
        return found

    def _keep(self, probe: Probe, at: tuple[int, Rev] | None, result: ProbeResult) -> None:
        refused = cause_in(result.output) if result.error is not None else None
        if refused is not None:
            # Not written down: once there is room again, it is another result.
            self._refused += 1
            if self._refused >= _MOST_REFUSED:
                raise FlakesyncError(refused.code, f"the checks cannot be run: {refused.message}", hint=refused.hint)
            self._note(probe, at, result)
            return
        ids = tuple(unit.id for unit in self._chosen(probe.units))
        self._journal.append(
            JournalEntry(ids, probe.time, result, (self._units[at[0]].id, at[1]) if at is not None else None)
        )
        self._note(probe, at, result)

    def _note(self, probe: Probe, at: tuple[int, Rev] | None, result: ProbeResult) -> None:
        if at is not None:
            key = (probe.units, *at, probe.time)
            if key in self._at or (probe.time > 0 and (*key[:3], probe.time - 1) not in self._at):
                return
            self._at[key] = result
        else:
            # One that was cancelled and is needed after all may end twice.
            if probe in self._results or (probe.time > 0 and Probe(probe.units, probe.time - 1) not in self._results):
                return
            self._results[probe] = result
        self.probes.append(ProbeRun(probe.units, probe.time, self._verdict(result), result, at))
        self._listener(self.probes[-1])

    def _verdict(self, result: ProbeResult) -> Verdict:
        whole = self._results.get(Probe(frozenset(range(len(self._units)))))
        return judge(result, whole if whole is not None else result, self._options.match)
