"""Many repos of one host that is down: what is said of 60 repos is no better than said once."""

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from flakesync.documents.publish import PublishOutcome
from flakesync.documents.sync import Outcome
from flakesync.report.text import few

AnyOutcome = TypeVar("AnyOutcome", Outcome, PublishOutcome)


def unreachable_together(outcomes: Iterable[AnyOutcome]) -> list[AnyOutcome]:
    """Return the outcomes, those that failed for the same reason to reach a server as one, of all their repos."""
    found: dict[str, tuple[AnyOutcome, list[str]]] = {}
    for outcome in outcomes:
        error = outcome.error
        alike = error.message if error is not None and error.code == "unreachable" else f" {outcome.repo}"
        found.setdefault(alike, (outcome, []))[1].append(outcome.repo)
    return [msgspec.structs.replace(outcome, repo=few(names)) for outcome, names in found.values()]
