"""Results of tasks → their documents."""

import msgspec

from flakesync.documents.change.task import TaskDocument
from flakesync.documents.sync import Outcome
from flakesync.errors import plain
from flakesync.pipeline.elsewhere import TaskResult
from flakesync.sync.documents import sync_document
from flakesync.sync.outcome import Skipped, SyncResult


def task_document(run: str, result: TaskResult) -> TaskDocument:
    """Return the JSON form of one task. run: of the plan."""
    whole = sync_document(
        SyncResult(run=run, locker=result.locker, dry_run=False, repos=(result.outcome,), untouched=())
    )
    return TaskDocument(
        run=run,
        locker=result.locker,
        outcome=_outcome(result, whole.repos[0]),
        pushed=result.pushed,
        left=whole.left,
        notes=[plain(note) for note in result.notes],
    )


def _outcome(result: TaskResult, outcome: Outcome) -> Outcome:
    """Return the outcome of a task: here nobody knows whether its upstream failed, or has not ended yet."""
    if not isinstance(result.outcome, Skipped) or outcome.error is None:
        return outcome
    upstream = result.outcome.upstream
    began = f", as {upstream.because} has none" if upstream.because != upstream.name else ""
    message = f"{upstream.name} has no update of this plan{began}"
    return msgspec.structs.replace(outcome, error=msgspec.structs.replace(outcome.error, message=message))
