"""Results of tasks → their documents."""

from flakesync.documents.change.task import TaskDocument
from flakesync.errors import plain
from flakesync.pipeline.elsewhere import TaskResult
from flakesync.sync.documents import sync_document
from flakesync.sync.outcome import SyncResult


def task_document(run: str, result: TaskResult) -> TaskDocument:
    """Return the JSON form of one task. run: of the plan."""
    whole = sync_document(
        SyncResult(run=run, locker=result.locker, dry_run=False, repos=(result.outcome,), untouched=())
    )
    return TaskDocument(
        run=run,
        locker=result.locker,
        outcome=whole.repos[0],
        pushed=result.pushed,
        left=whole.left,
        notes=[plain(note) for note in result.notes],
    )
