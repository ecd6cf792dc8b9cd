"""What all of GitLab's API has in common: its routes, its errors, its pages, who may ask what."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from flakesync.demo.forge import meanwhile, pulls
from flakesync.demo.forge.model import Account, Project, Pull, Site
from flakesync.demo.forge.web.messages import Answer, Json, Request
from flakesync.demo.forge.web.paging import page_of
from flakesync.demo.forge.web.routing import Router

Item = TypeVar("Item")

api: Router[Site] = Router()

PROJECT = "/projects/{project}"
MERGE = f"{PROJECT}/merge_requests/{{number}}"


def project_of(site: Site, request: Request, parts: dict[str, str]) -> Project | None:
    """Return the project that a path names, by its number too; None: there is none for whoever asks."""
    name = parts["project"]
    project = site.find_by_id(int(name)) if name.isdigit() else site.find(name)
    if project is None or not site.may_read(project, site.account(request)):
        return None
    with site.lock:
        meanwhile.catch_up(site, project)
    return project


def message(status: int, words: object) -> Answer:
    """Return an error as GitLab writes most of them."""
    return Answer(status, {"message": words})


def bad(words: str) -> Answer:
    """Return what GitLab says of a parameter."""
    return Answer(400, {"error": words})


Reading = Callable[[Site, Project, Request, dict[str, str]], Answer]
Writing = Callable[[Site, Project, Account, Request, dict[str, str]], Answer]


def _lacks(account: Account | None, scope: str) -> Answer | None:
    """Refuse what a token has no scope for: to read, either of the two is enough."""
    if account is None or scope not in account.lacks:
        return None
    words = "The request requires higher privileges than provided by the access token."
    scopes = "api" if scope == "api" else "api read_api"
    return Answer(403, {"error": "insufficient_scope", "error_description": words, "scope": scopes})


def reads(methods: str, pattern: str) -> Callable[[Reading], Reading]:
    """Register a function for projects that the asker may see."""

    def register(function: Reading) -> Reading:
        @api.on(methods, pattern)
        def route(site: Site, request: Request, parts: dict[str, str]) -> Answer:
            project = project_of(site, request, parts)
            if refused := _lacks(site.account(request), "read_api"):
                return refused
            if project is None:
                return message(404, "404 Project Not Found")
            with site.lock:
                return function(site, project, request, parts)

        return function

    return register


def writes(methods: str, pattern: str) -> Callable[[Writing], Writing]:
    """Register a function for those who may change a project."""

    def register(function: Writing) -> Writing:
        @api.on(methods, pattern)
        def route(site: Site, request: Request, parts: dict[str, str]) -> Answer:
            project, account = project_of(site, request, parts), site.account(request)
            if account is None:
                return message(401, "401 Unauthorized")
            if refused := _lacks(account, "api"):
                return refused
            if project is None:
                return message(404, "404 Project Not Found")
            if account.right != "write" or project.archived:
                return message(403, "403 Forbidden")
            with site.lock:
                return function(site, project, account, request, parts)

        return function

    return register


def page(request: Request, items: Sequence[Item], show: Callable[[Item], Json]) -> Answer:
    """Return a page of a list, with GitLab's headers."""
    shown, headers, numbers = page_of(request, items, show, default=20)
    told = {
        "X-Page": numbers["page"], "X-Per-Page": numbers["size"], "X-Total": numbers["total"],
        "X-Total-Pages": numbers["last"], "X-Next-Page": numbers["next"], "X-Prev-Page": numbers["previous"],
    }  # fmt: skip
    counted = tuple((name, "" if value is None else str(value)) for name, value in told.items())
    return Answer(200, shown, (*headers, *counted))


def pull_of(project: Project, parts: dict[str, str]) -> Pull | None:
    return project.pull(int(parts["number"])) if parts["number"].isdigit() else None


def no_merge_request() -> Answer:
    return message(404, "404 Not found")


def sha_refused(site: Site, project: Project, pull: Pull, fields: Json) -> Answer | None:
    """Return why the `sha` of a request is not the head's; None: it is, or none was sent and none is demanded."""
    if not fields.get("sha"):
        return message(400, "SHA must be provided when merging") if project.require_sha else None
    if fields["sha"] == pull.head_rev:
        return None
    shown = pull.head_rev
    pulls.looked(site, project, pull)
    return message(409, f"SHA does not match HEAD of source branch: {shown}")


def flag(fields: Json, *names: str) -> bool:
    """Tell whether one of these fields is set, whatever it is called."""
    return any(fields.get(name) in (True, "true") for name in names)
