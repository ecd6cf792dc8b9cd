"""What all of GitLab's API has in common: its routes, its errors, its pages, who may ask what."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from flakesync.demo.forge import pulls
from flakesync.demo.forge.door import Door
from flakesync.demo.forge.model import Account, Project, Pull, Site
from flakesync.demo.forge.web.messages import Answer, AnswerError, Json, Request
from flakesync.demo.forge.web.paging import page_of
from flakesync.demo.forge.web.routing import Parts, Router

Item = TypeVar("Item")

api: Router[Site] = Router()

PROJECT = "/projects/{project}"
MERGE = f"{PROJECT}/merge_requests/{{number}}"


def message(status: int, words: object) -> Answer:
    """Return an error as GitLab writes most of them."""
    return Answer(status, {"message": words})


def bad(words: str) -> Answer:
    """Return what GitLab says of a parameter."""
    return Answer(400, {"error": words})


def _require(account: Account | None, scope: str) -> None:
    """Refuse what a token has no scope for: to read, either of the two is enough. Raises AnswerError."""
    if account is None or scope not in account.lacks:
        return
    words = "The request requires higher privileges than provided by the access token."
    scopes = "api" if scope == "api" else "api read_api"
    told = {"error": "insufficient_scope", "error_description": words, "scope": scopes}
    raise AnswerError(Answer(403, told))


def _may_read(site: Site, project: Project | None, account: Account | None, about: str) -> Project:
    _require(account, "read_api")
    if project is None:
        raise AnswerError(message(404, "404 Project Not Found"))
    return project


def _may_write(site: Site, project: Project | None, account: Account | None, about: str) -> tuple[Project, Account]:
    if account is None:
        raise AnswerError(message(401, "401 Unauthorized"))
    _require(account, "api")
    if project is None:
        raise AnswerError(message(404, "404 Project Not Found"))
    if account.right != "write" or project.archived:
        raise AnswerError(message(403, "403 Forbidden"))
    return project, account


_door = Door(api, lambda site, _: site, _may_read, _may_write)
reads, writes = _door.reads, _door.writes


def page(request: Request, items: Sequence[Item], show: Callable[[Item], Json]) -> Answer:
    """Return a page of a list, with GitLab's headers."""
    shown, headers, numbers = page_of(request, items, show, default=20)
    told = {
        "X-Page": numbers["page"], "X-Per-Page": numbers["size"], "X-Total": numbers["total"],
        "X-Total-Pages": numbers["last"], "X-Next-Page": numbers["next"], "X-Prev-Page": numbers["previous"],
    }  # fmt: skip
    counted = tuple((name, "" if value is None else str(value)) for name, value in told.items())
    return Answer(200, shown, (*headers, *counted))


def pull_of(project: Project, parts: Parts) -> Pull:
    """Return the merge request that a path names. Raises AnswerError."""
    pull = project.pull(int(parts["number"])) if parts["number"].isdigit() else None
    if pull is None:
        raise AnswerError(no_merge_request())
    return pull


def no_merge_request() -> Answer:
    return message(404, "404 Not found")


def require_sha(site: Site, project: Project, pull: Pull, fields: Json) -> None:
    """Raise AnswerError where the `sha` of a request is not the head's, or none was sent and one is demanded."""
    if not fields.get("sha"):
        if project.require_sha:
            raise AnswerError(message(400, "SHA must be provided when merging"))
    elif fields["sha"] != pull.head_rev:
        shown = pull.head_rev
        pulls.looked(site, project, pull)
        raise AnswerError(message(409, f"SHA does not match HEAD of source branch: {shown}"))


def flag(fields: Json, *names: str) -> bool:
    """Tell whether one of these fields is set, whatever it is called."""
    return any(fields.get(name) in (True, "true") for name in names)
