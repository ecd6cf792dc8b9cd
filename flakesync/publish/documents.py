"""Values → entries of documents, and the parts that the documents of several commands have in common."""

from flakesync.documents.publish import PublishOutcome, PullDocument
from flakesync.documents.sync import ErrorDocument
from flakesync.errors import FlakesyncError
from flakesync.forge.hosts import Servers
from flakesync.forge.model import Pull
from flakesync.publish.work import Published


def pull_document(pull: Pull) -> PullDocument:
    """Return the JSON form of a pull request."""
    return PullDocument(url=pull.url, number=pull.number, state=pull.state)


def error_document(error: FlakesyncError, servers: Servers) -> ErrorDocument:
    """Return the JSON form of an error, in which no server has repeated a token to us."""
    hint = servers.clean(error.hint) if error.hint is not None else None
    return ErrorDocument(code=error.code, message=servers.clean(error.message), hint=hint)


def publish_outcome(result: Published, branch: str, servers: Servers) -> PublishOutcome:
    """Return the JSON form of what was done with one repo. branch: the name of the update branches."""
    update, pull, error = result.update, result.pull, result.error
    return PublishOutcome(
        repo=result.repo,
        status=result.status,
        reason=result.reason,
        branch=branch if update is not None else None,
        commit=update.commit if update is not None else None,
        pushed=result.pushed,
        pull=pull_document(pull) if pull is not None else None,
        notes=list(result.notes),
        error=error_document(error, servers) if error is not None else None,
    )
