"""Values → the document of `publish`, and the parts of it that the documents of other commands have too."""

from collections.abc import Iterable

from flakesync.documents.pulls.publish import PublishDocument, PublishOutcome, PullDocument
from flakesync.forge.model import Pull
from flakesync.publish.work import Published
from flakesync.sync.documents import error_document


def publish_document(results: Iterable[Published], branch: str) -> PublishDocument:
    """Return the JSON form of a run of publish. branch: the name of the update branches."""
    return PublishDocument(branch=branch, repos=list(map(published_document, results)))


def published_document(result: Published) -> PublishOutcome:
    """Return the JSON form of what was done with one repo."""
    update, pull, error = result.update, result.pull, result.error
    return PublishOutcome(
        repo=result.repo,
        status=result.status,
        reason=result.reason,
        branch=result.branch,
        commit=update.commit if update is not None else None,
        pushed=result.pushed,
        pull=pull_document(pull) if pull is not None else None,
        notes=list(result.notes),
        error=error_document(error) if error is not None else None,
    )


def pull_document(pull: Pull) -> PullDocument:
    """Return the JSON form of a pull request."""
    return PullDocument(url=pull.url, number=pull.number, state=pull.state)
