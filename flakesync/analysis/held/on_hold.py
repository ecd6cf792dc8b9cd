"""Which of the planned changes sync will leave out, as the checks of their repo fail with them: see `CheckHold`."""

from collections.abc import Collection, Iterable, Iterator

from flakesync.analysis.moves import Change, Held, ToRev, ToUpdate
from flakesync.documents.drift import Finding
from flakesync.survey.held.check_holds import CheckHold, find_hold
from flakesync.survey.survey import Survey
from flakesync.terms import InputPath, RepoName


def find_on_hold(survey: Survey, changes: Iterable[tuple[RepoName, tuple[Change, ...]]]) -> Iterator[Held]:
    """Yield the changes that are on hold. changes: of all repos that change.

    They stay part of what is decided: sync leaves them out where the commit is really the one that the checks fail
    with, which of an upstream's update is not known before it is made. Where nothing else would move, all is tried.
    """
    for name, moving in changes:
        if name not in survey.check_holds:
            continue
        found = [(change, hold) for change in moving if (hold := hold_of(survey, change)) is not None]
        for change, hold in found if len(found) < len(moving) else ():
            yield Held(name, change.flake, change.input, change.from_rev, words_of(hold), wished=True)


def hold_of(survey: Survey, change: Change) -> CheckHold | None:
    """Return the hold of a change; None: it has none."""
    holds = survey.check_holds.get(change.repo, ())
    if isinstance(change.to, ToUpdate):
        return next((each for each in holds if each.key == (change.flake, change.input) and each.rev is not None), None)
    return find_hold(holds, change.flake, change.input, change.to.rev if isinstance(change.to, ToRev) else None)


def why_on_hold(survey: Survey, finding: Finding, places: Collection[InputPath]) -> str | None:
    """Return why the input of a finding stays, where sync holds it; None: it does not.

    places: the paths at which it could be held. A repo of the workspace is held from the commit of its update, which is
    no commit of its base.
    """
    for hold in survey.check_holds.get(RepoName(finding.repo), ()):
        moved_on = finding.kind in ("pin", "external") and hold.rev != finding.wanted_rev
        if hold.flake == finding.flake and hold.input in places and not moved_on:
            return words_of(hold)
    return None


def words_of(hold: CheckHold) -> str:
    """Return why an input is on hold, for people."""
    return f"held since {hold.since}: {hold.reason}"
