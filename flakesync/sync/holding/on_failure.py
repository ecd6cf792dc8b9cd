"""What sync does about a repo whose checks fail, where the manifest wants it: it finds what to hold, within limits."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from flakesync.errors import SyncError, plain
from flakesync.secrets import hide_secrets
from flakesync.survey.held.check_holds import CheckHold, last_lines
from flakesync.sync.bisect.commits import CommitRow, CommitStretch, commit_row
from flakesync.sync.bisect.journal import open_journal
from flakesync.sync.bisect.probe import Prober
from flakesync.sync.bisect.run import BisectOptions, BisectRun, ProbeRun
from flakesync.sync.bisect.search import Found, NotFound
from flakesync.sync.bisect.units import Unit
from flakesync.sync.checks import ChecksFailedError
from flakesync.sync.events import Step
from flakesync.sync.job import BumpJob
from flakesync.sync.tools import Tools
from flakesync.terms import Rev
from flakesync.workspace.settings.on_failure import OnFailure

_WHY: Mapping[str, str] = {
    "broken-before": "they fail without the update too",
    "not-failing": "they pass when they are run again",
    "flaky": "they pass and fail with the same locks",
    "too-many": "too many inputs are guilty one after the other",
}


class Rest(msgspec.Struct, frozen=True):
    """What an update can be without what breaks the checks. tested: the trees on which these have passed."""

    holds: tuple[CheckHold, ...]
    tested: frozenset[str]


def find_rest(
    job: BumpJob,
    units: Sequence[Unit],
    limits: OnFailure,
    failed: ChecksFailedError,
    tools: Tools,
    *,
    place: Path,
    day: str,
    guilty: Collection[Rev],
) -> Rest:
    """Return what to hold, so that the checks pass with the rest, which was checked as a whole.

    job: the whole update, in a throw-away repository. failed: how its checks ended. place: of the journal. day:
    today's, UTC. guilty: commits with which the checks of other repos fail: what goes there is looked at first.

    Raises: FlakesyncError: nothing can be held, and why.
    """
    prober = Prober(job, tools)
    job = prober.job
    moving = {*(each.key for each in job.moves), *((each.flake, each.input) for each in job.rewrites)}
    units = [each for each in units if not moving.isdisjoint(each.moves)]
    wishes = BisectOptions(max_checks=limits.max_checks, limit_s=limits.limit_s, commits=True)
    with open_journal(place, (job.base_rev, prober.tree(), units, job.checks)) as journal:
        run = BisectRun(prober, units, journal, wishes, _listener(job, tools, units))
        found = run.search(_suspects(job, units, guilty))
        if not isinstance(found, Found):
            if found is not None:
                journal.forget()  # the next run tests these commits again
            raise SyncError("nothing-held", _nothing(found, run, units))
        if not found.passing:
            journal.forget()
            raise SyncError("nothing-held", f"nothing else would move without {_named(units, found)}")
        stretches = dict(_stretches(run, job, units, found))
        journal.forget()
    holds = tuple(_holds(job, units, found, stretches, run.probes, failed, day))
    return Rest(holds, frozenset(prober.passed))


def _suspects(job: BumpJob, units: Sequence[Unit], guilty: Collection[Rev]) -> frozenset[int]:
    """Return the units that go to a commit with which the checks of another repo fail."""
    suspected = {each.key for each in job.moves if each.rev in guilty}
    return frozenset(number for number, unit in enumerate(units) if not suspected.isdisjoint(unit.moves))


def _holds(
    job: BumpJob,
    units: Sequence[Unit],
    found: Found,
    stretches: Mapping[int, CommitStretch],
    probes: Sequence[ProbeRun],
    failed: ChecksFailedError,
    day: str,
) -> Iterator[CheckHold]:
    revs: dict[object, Rev | None] = {each.key: each.rev for each in job.moves}
    revs |= {(each.flake, each.input): None for each in job.rewrites}
    for each in found.guilty:
        stretch = stretches.get(each.unit)
        first_bad = stretch.bad if stretch is not None and stretch.exact else None
        output = hide_secrets(plain(last_lines(_output(each.unit, found, probes) or failed.results[-1].output)))
        for flake, path in units[each.unit].moves:
            if (flake, path) in revs:
                yield CheckHold(
                    flake=flake,
                    input=path,
                    rev=revs[flake, path],
                    check=failed.results[-1].command,
                    since=day,
                    first_bad=first_bad,
                    output=output,
                    proven=each.proven,
                )


def _stretches(
    run: BisectRun, job: BumpJob, units: Sequence[Unit], found: Found
) -> Iterator[tuple[int, CommitStretch]]:
    """Yield where the checks begin to fail in the repos of guilty units, as far as the limits allow."""
    for each in found.guilty:
        row = commit_row(job, units[each.unit]) if each.proven else None
        stretch = run.search_commits(row, each.unit, found.passing) if isinstance(row, CommitRow) else None
        if stretch is not None:
            yield each.unit, stretch


def _output(unit: int, found: Found, probes: Sequence[ProbeRun]) -> str | None:
    """Return what the check wrote where this unit was the only guilty one; None: that was not run."""
    for units in (found.passing | {unit}, frozenset({unit})):
        for probe in probes:
            if probe.units == units and probe.at is None and probe.verdict == "fail":
                return probe.result.output
    return None


def _nothing(found: NotFound | None, run: BisectRun, units: Sequence[Unit]) -> str:
    if found is not None:
        return _WHY[found.reason]
    known = [probe for probe in run.probes if probe.verdict == "pass" and probe.units]
    best = max(known, key=lambda probe: len(probe.units), default=None)
    passes = f"; they pass with {', '.join(units[each].id for each in sorted(best.units))}" if best is not None else ""
    return f"what breaks them was not found within the limits (max-checks, bisect-limit), the next run goes on{passes}"


def _named(units: Sequence[Unit], found: Found) -> str:
    return ", ".join(units[each.unit].id for each in found.guilty)


def _listener(job: BumpJob, tools: Tools, units: Sequence[Unit]) -> Callable[[ProbeRun], None]:
    def listen(probe: ProbeRun) -> None:
        names = "all" if len(probe.units) == len(units) else " ".join(units[each].id for each in sorted(probe.units))
        tools.listener(Step(job.repo, "bisecting", f"{probe.verdict}: {names or 'nothing moved'}"))

    return listen
