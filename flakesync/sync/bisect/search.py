"""Which probe of a bisection is next, from the verdicts that are known: a pure function, so that any run can go on.

Probes are sets of units, numbered in an order in which each beginning is a state that somebody may have had. What is
looked for is not the smallest set that fails but the largest that passes, so the order is halved: the shortest
beginning that fails ends with a guilty unit. It is taken out, and the rest is run as a whole.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from flakesync.sync.bisect.halving import Stretch, Verdict, halve

Units = frozenset[int]
MAX_HELD = 5
"""After as many guilty units everything is held: then the update as a whole is what is wrong."""

FAILURES, PASSES = 4, 2
"""How often what guilt rests on has to have failed, and passed, in all: of the checks that fail one time in three, more
than 95 in a hundred pass in one of these runs, or fail in one. A second failure tells more than a second pass."""


class Probe(NamedTuple):
    """A set of units to be run. time: 0 for the first time; a set is run again to see whether its check is flaky."""

    units: Units
    time: int = 0


class Probes(NamedTuple):
    """The probes that are wanted now, the most useful first; one that runs and is not among them is needless."""

    probes: tuple[Probe, ...]


class Guilty(NamedTuple):
    """A unit that the rest does not pass with.

    only_with: units that it fails together with and not without; empty: it fails alone, as far as known. proven: False
    where the check could not be run with it.
    """

    unit: int
    only_with: tuple[int, ...] = ()
    proven: bool = True


class Found(NamedTuple):
    """The end of a search: `passing` was run as a whole and passes; the guilty units are all others."""

    passing: Units
    guilty: tuple[Guilty, ...]


class NotFound(NamedTuple):
    """The end of a search that finds nothing to hold.

    broken-before: the check fails without the update. not-failing: it passes with all of it. flaky: it passes and fails
    with the same. too-many: more units are guilty than are held.
    """

    reason: Literal["broken-before", "not-failing", "flaky", "too-many"]


Known = Mapping[Units, Sequence[Verdict]]
"""The verdicts of each set that was run, in the order of the runs."""


class _Wanted(Exception):  # noqa: N818 - no error: the search has come to where something is not known
    def __init__(self, probes: tuple[Probe, ...]) -> None:
        self.probes = probes


def next_step(
    count: int, known: Known, *, width: int = 1, running: Collection[Probe] = (), suspects: Units = frozenset()
) -> Probes | Found | NotFound:
    """Return what to run next, at most `width` probes at once, or the result.

    count: of the units. running: probes that run now; those that are of use are among the wanted ones. suspects: what
    is guilty elsewhere: first the rest without them is run.
    """
    try:
        return _Search(count, known, width, running, suspects).carry_out()
    except _Wanted as wanted:
        return Probes(wanted.probes)


def checks_about(count: int) -> int:
    """Return how many probes a search with one guilty unit takes at most, where nothing and all are known."""
    return (count - 1).bit_length() + 2


class _Flaky(Exception):  # noqa: N818 - no error: one set has passed and failed
    pass


class _Search:
    """The search, begun anew each time: it goes through what is known and ends where it does not know on."""

    def __init__(
        self, count: int, known: Known, width: int, running: Collection[Probe], suspects: Units = frozenset()
    ) -> None:
        self.all = frozenset(range(count))
        self.elsewhere = self.all & suspects
        self.known = known
        self.width = width
        self.running = running

    def carry_out(self) -> Found | NotFound:
        """Return the result. Raises: _Wanted: something is not known yet."""
        try:
            return self.search()
        except _Flaky:
            return NotFound("flaky")

    def search(self) -> Found | NotFound:
        """Return the result. Raises: _Wanted; _Flaky."""
        fits = bool(self.elsewhere) and self.ask(self.all - self.elsewhere) == "pass"
        if not fits and self.ask(frozenset(), along=[Probe(self.all), *self.beside(sorted(self.all), 2)]) != "pass":
            self.fails(frozenset(), FAILURES)
            return NotFound("broken-before")
        along = self.beside(sorted(self.all))
        if self.ask(self.all, along=along) == self.ask(self.all, time=1, along=along) == "pass":
            return NotFound("not-failing")
        # Before anything is searched: a check that only fails now and then most often shows it here. Where several run
        # at once the third time is not waited for: it runs beside the last ones.
        self.fails(self.all, FAILURES - 1 if self.width == 1 or fits else FAILURES - 2)
        if fits:
            return self.conclude(self.all - self.elsewhere, sorted(self.elsewhere))
        rest, suspects = sorted(self.all), list[int]()
        for _ in range(MAX_HELD):
            low, high = self.halve(frozenset(), rest)
            found, rest = rest[low:high], rest[:low] + rest[high:]
            # What is run next if the rest passes does not wait for it.
            alone = [Probe(frozenset(found))] if not suspects and len(found) == 1 else []
            confirm = [*alone, Probe(self.all, FAILURES - 2)]
            suspects += found
            if self.ask(frozenset(rest), along=confirm) == "pass":
                break
            # Several guilty units are rare, and a check that fails now and then looks like that.
            self.fails(self.all, FAILURES)
        else:
            return NotFound("too-many")
        return self.conclude(frozenset(rest), sorted(suspects))

    def conclude(self, rest: Units, suspects: Sequence[int]) -> Found:
        """Return the result, now that a rest is known to pass. Raises: _Wanted; _Flaky."""
        passing, held = self.give_back(rest, suspects)
        self.passes(passing, PASSES if not passing else PASSES - 1)
        if len(held) == 1:
            return Found(passing, (self.confirm(passing, held[0]),))
        self.fails(self.all, FAILURES)
        return Found(passing, tuple(self.judge(passing, unit) for unit in held))

    def fails(self, units: Units, times: int) -> None:
        """Require that a set has not passed in so many runs. Raises: _Wanted; _Flaky."""
        for time in range(times):
            if self.ask(units, time=time, along=self.beside(sorted(self.all)) if units else ()) == "pass":
                raise _Flaky

    def passes(self, units: Units, times: int) -> None:
        """Require that a set has passed in each of so many runs. Raises: _Wanted; _Flaky."""
        if any(self.ask(units, time=time) != "pass" for time in range(times)):
            raise _Flaky

    def ask(self, units: Units, *, time: int = 0, along: Iterable[Probe] = ()) -> Verdict:
        """Return the verdict of a set. along: what may be run at the same time."""
        verdicts = self.known.get(units, ())
        if len(verdicts) > time:
            return verdicts[time]
        beside = (each for each in along if len(self.known.get(each.units, ())) == each.time and each.units != units)
        raise _Wanted((Probe(units, time), *beside)[: self.width])

    def beside(self, order: Sequence[int], others: int = 1) -> tuple[Probe, ...]:
        """Return the probes that halving begins with, where some can run beside others."""
        if self.width > others:
            try:
                _Search(len(self.all), self.known, self.width - others, self.running).halve(frozenset(), order)
            except _Wanted as wanted:
                return wanted.probes
        return ()

    def halve(self, base: Units, order: Sequence[int]) -> Stretch:
        """Return where the beginnings of `order`, each on top of `base`, cease to pass; the whole of it does not."""
        beginnings = {frozenset(order[:at]): at for at in self._lengths(base, order)}
        known = {
            beginnings[each - base]: self.known[each][0]
            for each in self.known
            if base <= each and each - base in beginnings
        }
        running = {
            beginnings[each.units - base]: each
            for each in self.running
            if base <= each.units and each.units - base in beginnings
        }
        found = halve(len(order), known, width=self.width, running=tuple(running))
        if isinstance(found, Stretch):
            return found
        raise _Wanted(tuple(running.get(at, Probe(base.union(order[:at]))) for at in found))

    def _lengths(self, base: Units, order: Sequence[int]) -> set[int]:
        """Return how long the beginnings are that are known or run: a row of a thousand has as many."""
        sizes = {len(each) - len(base) for each in (*self.known, *(probe.units for probe in self.running))}
        return {size for size in sizes if 0 <= size <= len(order)}

    def give_back(self, passing: Units, suspects: Sequence[int]) -> tuple[Units, list[int]]:
        """Return what passes when all is added again that the check passes with, and what stays out.

        Each unit that stays out was run on top of what passes by then. Where one came in after that, the others have
        another chance: they may have needed it.
        """
        held = list(suspects)
        for _ in range(2):
            before = len(held)
            passing, held = self._add(passing, held)
            if len(held) in (0, before):
                break
        return passing, held

    def _add(self, passing: Units, units: list[int]) -> tuple[Units, list[int]]:
        if not units or self.ask(passing.union(units)) == "pass":
            return passing.union(units), []
        if len(units) == 1:
            return passing, units
        half = len(units) // 2
        passing, left = self._add(passing, units[:half])
        passing, right = self._add(passing, units[half:])
        return passing, left + right

    def judge(self, passing: Units, unit: int) -> Guilty:
        return Guilty(unit, proven=self.ask(passing | {unit}) == "fail")

    def confirm(self, passing: Units, unit: int) -> Guilty:
        """Run the only guilty unit alone: it fails, or needs others. `passing` with it is all, which is known to fail.

        Raises: _Wanted; _Flaky.
        """
        alone = self.ask(frozenset({unit}), along=[Probe(self.all, FAILURES - 2)])
        others = sorted(passing)
        # Where one failure is that of the unit alone all has to fail the less often; where it passes, once more.
        self.fails(self.all, FAILURES + {"fail": -1 if others else 0, "pass": 1, "unknown": 0}[alone])
        guilty = self.judge(passing, unit)
        if alone != "pass":
            return guilty
        low, high = self.halve(frozenset({unit}), others)
        return guilty._replace(only_with=tuple(others[low:high]))
