"""What all of GitHub's API has in common: its routes, its errors, who may ask what."""

from flakesync.demo.forge.door import Door
from flakesync.demo.forge.github.documents import Documents
from flakesync.demo.forge.model import Account, Project, Pull, Site
from flakesync.demo.forge.web.messages import Answer, AnswerError, Json
from flakesync.demo.forge.web.routing import Parts, Router

api: Router[Site] = Router()
pages: Router[Site] = Router()

REPO = "/repos/{owner}/{repo}"

_DOCS = "https://docs.github.com/rest"


def refusal(status: int, message: str, *errors: Json) -> Answer:
    """Return an error as GitHub writes it."""
    body: Json = {"message": message, "documentation_url": _DOCS, "status": str(status)}
    return Answer(status, body | ({"errors": list(errors)} if errors else {}))


def not_found() -> Answer:
    """Return what GitHub says of all that is not there, or not for you."""
    return refusal(404, "Not Found")


def invalid(field: str, code: str = "invalid", message: str | None = None) -> Answer:
    """Return what GitHub says of a field of a pull request."""
    error: Json = {"resource": "PullRequest", "field": field, "code": code}
    return refusal(422, "Validation Failed", error | ({"message": message} if message else {}))


def require(account: Account | None, needs: str) -> None:
    """Refuse what a token has no permission for. needs: such as `checks=read`; empty: nothing. Raises AnswerError."""
    permission, _, kind = needs.partition("=")
    whole = permission in ("checks", "statuses") or kind == "write"
    if account is not None and (permission if whole else f"{permission}:read") in account.lacks:
        told = refusal(403, "Resource not accessible by personal access token")
        raise AnswerError(told.plus(("X-Accepted-GitHub-Permissions", needs)))


def _may_read(site: Site, project: Project | None, account: Account | None, needs: str) -> Project:
    if project is None:
        raise AnswerError(not_found())
    require(account, needs)
    return project


def _may_write(site: Site, project: Project | None, account: Account | None, needs: str) -> tuple[Project, Account]:
    if project is None:
        raise AnswerError(not_found())
    if account is None:
        raise AnswerError(refusal(401, "Requires authentication"))
    if account.right != "write":
        raise AnswerError(refusal(403, "Resource not accessible by personal access token"))
    require(account, needs)
    if project.archived:
        raise AnswerError(refusal(403, "Repository was archived so is read-only."))
    return project, account


_door = Door(api, Documents.of, _may_read, _may_write)
reads, writes = _door.reads, _door.writes


def pull_of(project: Project, parts: Parts) -> Pull:
    """Return the pull request that a path names. Raises AnswerError."""
    pull = project.pull(int(parts["number"])) if parts["number"].isdigit() else None
    if pull is None:
        raise AnswerError(not_found())
    return pull
