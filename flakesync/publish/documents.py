"""Values → the parts that the documents of publish, status, land and abandon have in common."""

from flakesync.documents.publish import PullDocument
from flakesync.documents.sync import ErrorDocument
from flakesync.errors import FlakesyncError
from flakesync.forge.hosts import Servers
from flakesync.forge.model import Pull


def pull_document(pull: Pull) -> PullDocument:
    """Return the JSON form of a pull request."""
    return PullDocument(url=pull.url, number=pull.number, state=pull.state)


def error_document(error: FlakesyncError, servers: Servers) -> ErrorDocument:
    """Return the JSON form of an error, in which no server has repeated a token to us."""
    hint = servers.clean(error.hint) if error.hint is not None else None
    return ErrorDocument(code=error.code, message=servers.clean(error.message), hint=hint)
