"""What all of Forgejo's API has in common: its routes, its errors, its pages, who may ask what."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from flakesync.demo.forge.door import Door
from flakesync.demo.forge.model import Account, Project, Pull, Site
from flakesync.demo.forge.web.messages import Answer, AnswerError, Json, Request
from flakesync.demo.forge.web.paging import page_of
from flakesync.demo.forge.web.routing import Parts, Router

Item = TypeVar("Item")

api: Router[Site] = Router()
pages: Router[Site] = Router()

REPO = "/repos/{owner}/{repo}"
PULL = f"{REPO}/pulls/{{number}}"


def error(site: Site, status: int, words: str) -> Answer:
    """Return an error as Forgejo writes it."""
    return Answer(status, {"message": words, "url": f"https://{site.host}/api/swagger"})


def not_found(site: Site) -> Answer:
    """Return what Forgejo says of all that is not there, or not for you."""
    document = {"errors": [], "message": "The target couldn't be found.", "url": f"https://{site.host}/api/swagger"}
    return Answer(404, document)


def require(site: Site, account: Account | None, scope: str) -> None:
    """Refuse what a token has no scope for. Raises AnswerError."""
    if account is not None and scope in account.lacks:
        words = f"token does not have at least one of required scope(s): [{scope}]"
        raise AnswerError(error(site, 403, words))


def _may_read(site: Site, project: Project | None, account: Account | None, about: str) -> Project:
    require(site, account, f"read:{about or 'repository'}")
    if project is None:
        raise AnswerError(not_found(site))
    return project


def _may_write(site: Site, project: Project | None, account: Account | None, about: str) -> tuple[Project, Account]:
    if account is None:
        raise AnswerError(error(site, 401, "token is required"))
    require(site, account, f"write:{about or 'repository'}")
    if project is None:
        raise AnswerError(not_found(site))
    if account.right != "write":
        raise AnswerError(error(site, 403, "user should have a permission to write to a repo"))
    if project.archived:
        raise AnswerError(error(site, 423, f"{project.path} is archived"))
    return project, account


_door = Door(api, lambda site, _: site, _may_read, _may_write)
reads, writes = _door.reads, _door.writes


def page(request: Request, items: Sequence[Item], show: Callable[[Item], Json]) -> Answer:
    """Return a page of a list, with its length."""
    shown, headers, numbers = page_of(request, items, show, size="limit", default=30, most=50)
    return Answer(200, shown, (*headers, ("X-Total-Count", str(numbers["total"]))))


def counted(request: Request, items: Sequence[Item], show: Callable[[Item], Json]) -> Answer:
    """Return a page of a list whose length alone is told, as Gitea and Forgejo do with some."""
    shown = page(request, items, show)
    return Answer(shown.status, shown.body, tuple(each for each in shown.headers if each[0] != "Link"))


def pull_of(site: Site, project: Project, parts: Parts) -> Pull:
    """Return the pull request that a path names. Raises AnswerError."""
    pull = project.pull(int(parts["number"])) if parts["number"].isdigit() else None
    if pull is None:
        raise AnswerError(not_found(site))
    return pull
