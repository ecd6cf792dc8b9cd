"""Values → the document of `bisect`."""

from collections.abc import Sequence
from typing import assert_never

from flakesync.analysis.moves import Change, ToRev
from flakesync.documents.bisect import (
    AtDocument,
    BisectDocument,
    BisectMoveDocument,
    BisectOutcome,
    FirstBadDocument,
    GuiltyDocument,
    ProbeDocument,
    UnitDocument,
)
from flakesync.nix.program.hints import hint_in
from flakesync.sync.bisect.commits import CommitStretch
from flakesync.sync.bisect.run import Bisection, ProbeRun
from flakesync.sync.bisect.search import Found, Guilty, NotFound
from flakesync.sync.bisect.units import Unit
from flakesync.sync.bisect.verdicts import ProbeResult
from flakesync.terms import show_path


def bisect_document(found: Bisection, changes: Sequence[Change]) -> BisectDocument:
    """Return the JSON form of a bisection. changes: of the repo, as its plan has them."""
    whole = frozenset(range(len(found.units)))
    output = next(
        (each.result.output for each in found.probes if each.units == whole and not each.at and each.result.failed),
        None,
    )
    guilty, passing = (found.result.guilty, found.result.passing) if isinstance(found.result, Found) else ((), ())
    ids = [unit.id for unit in found.units]
    return BisectDocument(
        repo=found.repo,
        base=found.base,
        command=list(found.checks),
        units=[unit_document(unit, changes) for unit in found.units],
        probes=[probe_document(each, found.units) for each in found.probes],
        outcome=_outcome(found.result),
        guilty=[
            _guilty_document(each, ids, found.commits.get(each.unit), found.unwalked.get(each.unit)) for each in guilty
        ],
        passing=[ids[number] for number in sorted(passing)],
        output=output,
        complete=found.result is not None and not found.limited,
        hint=hint_in(output) if output is not None else None,
    )


def _guilty_document(
    guilty: Guilty, ids: Sequence[str], commits: CommitStretch | None, unwalked: str | None
) -> GuiltyDocument:
    first = range_ = None
    if commits is not None and commits.exact:
        first = FirstBadDocument(rev=commits.bad, subject=commits.subject, date=commits.day)
    elif commits is not None:
        range_ = list[str]([commits.good, commits.bad])
    only_with = [ids[other] for other in guilty.only_with]
    return GuiltyDocument(
        unit=ids[guilty.unit],
        only_with=only_with,
        proven=guilty.proven,
        first_bad=first,
        range=range_,
        walked=("tips" if commits.tips else "commits") if commits is not None else None,
        not_walked=unwalked,
    )


def unit_document(unit: Unit, changes: Sequence[Change]) -> UnitDocument:
    """Return the JSON form of a unit."""
    by_key = {(change.flake, change.input): change for change in changes}
    moves = [(flake, path, by_key[flake, path]) for flake, path in unit.moves]
    return UnitDocument(
        id=unit.id,
        moves=[
            BisectMoveDocument(
                flake=flake,
                input=show_path(path),
                from_=change.from_rev,
                to=change.to.rev if isinstance(change.to, ToRev) else None,
            )
            for flake, path, change in moves
        ],
    )


def probe_document(probe: ProbeRun, units: Sequence[Unit]) -> ProbeDocument:
    """Return the JSON form of a probe. units: of its bisection."""
    return ProbeDocument(
        units=[units[number].id for number in sorted(probe.units)],
        verdict=probe.verdict,
        why=_why(probe.result),
        duration_s=probe.result.duration_s,
        source=probe.result.source,
        again=probe.time > 0,
        at=AtDocument(unit=units[probe.at[0]].id, rev=probe.at[1]) if probe.at is not None else None,
    )


def _why(result: ProbeResult) -> str | None:
    if result.error is not None:
        return result.error
    if result.failed is None:
        return None
    how = "took too long" if result.exit_status is None else f"ended with exit status {result.exit_status}"
    return f"`{result.failed}` {how}"


def _outcome(result: Found | NotFound | None) -> BisectOutcome:
    match result:
        case Found():
            return "found"
        case NotFound(reason=reason):
            return reason
        case None:
            return "limit"
        case _:
            assert_never(result)
