"""What all of Forgejo's API has in common: its routes, its errors, its pages, who may ask what."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from flakesync.demo.forge import meanwhile
from flakesync.demo.forge.model import Account, Project, Pull, Site
from flakesync.demo.forge.web.messages import Answer, Json, Request
from flakesync.demo.forge.web.paging import page_of
from flakesync.demo.forge.web.routing import Router

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


def project_of(site: Site, request: Request, parts: dict[str, str]) -> Project | None:
    """Return the repository that a path names; None: there is none for whoever asks."""
    project = site.find(f"{parts['owner']}/{parts['repo']}")
    if project is None or not site.may_read(project, site.account(request)):
        return None
    with site.lock:
        meanwhile.catch_up(site, project)
    return project


Reading = Callable[[Site, Project, Request, dict[str, str]], Answer]
Writing = Callable[[Site, Project, Account, Request, dict[str, str]], Answer]


def lacks(site: Site, account: Account | None, scope: str) -> Answer | None:
    """Refuse what a token has no scope for."""
    if account is None or scope not in account.lacks:
        return None
    return error(site, 403, f"token does not have at least one of required scope(s): [{scope}]")


def reads(methods: str, pattern: str, about: str = "repository") -> Callable[[Reading], Reading]:
    """Register a function for repositories that the asker may see. about: what a token's scope has to be for."""

    def register(function: Reading) -> Reading:
        @api.on(methods, pattern)
        def route(site: Site, request: Request, parts: dict[str, str]) -> Answer:
            project = project_of(site, request, parts)
            if refused := lacks(site, site.account(request), f"read:{about}"):
                return refused
            if project is None:
                return not_found(site)
            with site.lock:
                return function(site, project, request, parts)

        return function

    return register


def writes(methods: str, pattern: str, about: str = "repository") -> Callable[[Writing], Writing]:
    """Register a function for those who may change a repository. about: what a token's scope has to be for."""

    def register(function: Writing) -> Writing:
        @api.on(methods, pattern)
        def route(site: Site, request: Request, parts: dict[str, str]) -> Answer:
            project, account = project_of(site, request, parts), site.account(request)
            if account is None:
                return error(site, 401, "token is required")
            if refused := lacks(site, account, f"write:{about}"):
                return refused
            if project is None:
                return not_found(site)
            if account.right != "write":
                return error(site, 403, "user should have a permission to write to a repo")
            if project.archived:
                return error(site, 423, f"{project.path} is archived")
            with site.lock:
                return function(site, project, account, request, parts)

        return function

    return register


def page(request: Request, items: Sequence[Item], show: Callable[[Item], Json]) -> Answer:
    """Return a page of a list, with its length."""
    shown, headers, numbers = page_of(request, items, show, size="limit", default=30, most=50)
    return Answer(200, shown, (*headers, ("X-Total-Count", str(numbers["total"]))))


def counted(request: Request, items: Sequence[Item], show: Callable[[Item], Json]) -> Answer:
    """Return a page of a list whose length alone is told, as Gitea and Forgejo do with some."""
    shown = page(request, items, show)
    return Answer(shown.status, shown.body, tuple(each for each in shown.headers if each[0] != "Link"))


def pull_of(project: Project, parts: dict[str, str]) -> Pull | None:
    return project.pull(int(parts["number"])) if parts["number"].isdigit() else None
