"""One run as a line of the history."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from statistics import median_low

from flakesync.documents.drift import DriftReport, PinDrift
from flakesync.documents.graph import GraphDocument
from flakesync.documents.history import MOST, HistoryLine, PinHistory, PullHistory, SyncHistory
from flakesync.documents.pulls.status import StatusDocument
from flakesync.documents.sync import SyncDocument

_DAY_S = 86_400
_RUN_DIGITS = 12


def at(time: datetime) -> str:
    """Return a time (UTC) as lines have it: ISO 8601, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def run_of(documents: Iterable[tuple[str, bytes]]) -> str:
    """Return 12 hex digits of documents, by name: the same ones for the same documents, whenever they are read."""
    digest = hashlib.sha256()
    for name, data in sorted(documents):
        digest.update(f"{name} {len(data)}\n".encode())
        digest.update(data)
    return digest.hexdigest()[:_RUN_DIGITS]


def make_line(
    graph: GraphDocument, drift: DriftReport, *, at: str, run: str, seconds: float, more: "Asked | None" = None
) -> HistoryLine:
    """Return the line of a run. seconds: what reading took. more: what else was asked for."""
    repos = {repo.name for repo in graph.repos if not repo.neighbour}
    counted = drift.counted
    status, sync = more if more is not None else (None, None)
    return HistoryLine(
        at=at,
        run=run,
        repos=len(repos),
        in_step=len(repos - {finding.repo for finding in counted}),
        findings=dict(sorted(Counter(finding.kind for finding in counted).items())),
        pins={pin.name: _pin(pin) for pin in drift.pins},
        pulls=_pulls(status) if status is not None else None,
        sync=_sync(sync) if sync is not None and not sync.dry_run else None,
        seconds=round(min(max(seconds, 0.0), MOST), 3),
    )


Asked = tuple[StatusDocument | None, SyncDocument | None]


def _pin(pin: PinDrift) -> PinHistory:
    behind: dict[str, int] = {}
    target = pin.target_last_modified
    for locked in pin.locked:
        if target is not None and locked.last_modified is not None:
            days = max(0, target - locked.last_modified) // _DAY_S
            for repo in locked.repos if days <= MOST else ():  # a lock may hold any number: that is no date
                behind[repo] = max(days, behind.get(repo, 0))
    at_target = {repo for locked in pin.locked if locked.rev == pin.target_rev for repo in locked.repos}
    return PinHistory(
        target=pin.target_rev,
        revs=len(pin.locked),
        at_target=len(at_target) if pin.target_rev is not None else 0,
        oldest_d=max(behind.values(), default=None),
        median_d=median_low(behind.values()) if behind else None,
    )


def _pulls(status: StatusDocument) -> PullHistory:
    pulls = Counter(repo.pull.state for repo in status.repos if repo.pull is not None)
    failed = sum(repo.stage == "failed" for repo in status.repos)
    return PullHistory(open=pulls["open"], merged=pulls["merged"], failed=failed)


def _sync(sync: SyncDocument) -> SyncHistory:
    counts = Counter(outcome.status for outcome in sync.repos)
    return SyncHistory(updated=counts["updated"], failed=counts["failed"], skipped=counts["skipped"])
