"""Many repos of one host that is down: what is said of 60 repos is no better than said once."""

from collections.abc import Collection, Iterable, Sequence
from typing import TypeVar

import msgspec

from flakesync.documents.pulls.abandon import AbandonOutcome
from flakesync.documents.pulls.land import LandOutcome
from flakesync.documents.pulls.publish import PublishOutcome
from flakesync.documents.pulls.status import RepoStatus
from flakesync.documents.sync import Outcome
from flakesync.report.alike.capped import alike, capped, likeness
from flakesync.report.text import few

AnyOutcome = TypeVar("AnyOutcome", Outcome, PublishOutcome, RepoStatus, LandOutcome, AbandonOutcome)


def unreachable_together(outcomes: Iterable[AnyOutcome], void: Collection[str] = ("branch",)) -> list[AnyOutcome]:
    """Return the outcomes, those that failed for the same reason to reach a server as one, of all their repos.

    And of more than twenty whose errors differ in names and places alone, all after the twentieth as one.

    Only those of which nothing else is told: what was done of a repo before it failed is told of that repo. void: the
    fields that say what was to be done, which is nothing by now.
    """
    found: dict[object, list[AnyOutcome]] = {}
    for outcome in outcomes:
        alike: object = outcome.repo
        if outcome.error is not None and outcome.error.code == "unreachable":
            alike = msgspec.json.encode(_bare(outcome, void))
        found.setdefault(alike, []).append(outcome)
    merged = [
        _bare(each[0], void, few([one.repo for one in each])) if len(each) > 1 else each[0] for each in found.values()
    ]
    return [_counted(each, void) if len(each) > 1 else each[0] for each in capped(merged, lambda one: _kind(one, void))]


def _kind(outcome: AnyOutcome, void: Collection[str]) -> object:
    """Return what outcomes have in common of which the twenty-first says nothing new; of one without error, all."""
    error = outcome.error
    if error is None:
        return outcome.repo
    hint = likeness(error.hint, outcome.repo) if error.hint is not None else None
    said = msgspec.structs.replace(error, message=likeness(error.message, outcome.repo), hint=hint)
    return msgspec.json.encode(_bare(msgspec.structs.replace(outcome, error=said), void))


def _counted(outcomes: Sequence[AnyOutcome], void: Collection[str]) -> AnyOutcome:
    first = _bare(outcomes[0], void, few([one.repo for one in outcomes]))
    said = msgspec.structs.replace(first.error, message=alike(), hint=None) if first.error is not None else None
    return msgspec.structs.replace(first, error=said)


def _bare(outcome: AnyOutcome, void: Collection[str], repo: str = "") -> AnyOutcome:
    return msgspec.structs.replace(outcome, repo=repo, **dict.fromkeys(void))
