"""What all of GitHub's API has in common: its routes, its errors, who may ask what."""

from collections.abc import Callable

from flakesync.demo.forge import meanwhile
from flakesync.demo.forge.github.documents import Documents
from flakesync.demo.forge.model import Account, Project, Pull, Site
from flakesync.demo.forge.web.messages import Answer, Json, Request
from flakesync.demo.forge.web.routing import Router

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


def project_of(site: Site, request: Request, parts: dict[str, str]) -> Project | None:
    """Return the repository that a path names; None: there is none for whoever asks."""
    project = site.find(f"{parts['owner']}/{parts['repo']}")
    if project is None or not site.may_read(project, site.account(request)):
        return None
    with site.lock:
        meanwhile.catch_up(site, project)
    return project


Reading = Callable[[Documents, Project, Request, dict[str, str]], Answer]
Writing = Callable[[Documents, Project, Account, Request, dict[str, str]], Answer]


def lacks(account: Account | None, needs: str) -> Answer | None:
    """Refuse what a token has no permission for. needs: such as `checks=read`."""
    permission, _, kind = needs.partition("=")
    whole = permission in ("checks", "statuses") or kind == "write"
    if account is None or (permission if whole else f"{permission}:read") not in account.lacks:
        return None
    told = refusal(403, "Resource not accessible by personal access token")
    return told.plus(("X-Accepted-GitHub-Permissions", needs))


def reads(methods: str, pattern: str, needs: str = "") -> Callable[[Reading], Reading]:
    """Register a function for repositories that the asker may see. needs: the permission that a token must have."""

    def register(function: Reading) -> Reading:
        @api.on(methods, pattern)
        def route(site: Site, request: Request, parts: dict[str, str]) -> Answer:
            project = project_of(site, request, parts)
            if project is None:
                return not_found()
            if refused := lacks(site.account(request), needs):
                return refused
            with site.lock:
                return function(Documents.of(site, request), project, request, parts)

        return function

    return register


def writes(methods: str, pattern: str, needs: str) -> Callable[[Writing], Writing]:
    """Register a function for those who may change a repository. needs: the permission that a token must have."""

    def register(function: Writing) -> Writing:
        @api.on(methods, pattern)
        def route(site: Site, request: Request, parts: dict[str, str]) -> Answer:
            project, account = project_of(site, request, parts), site.account(request)
            if account is None:
                return refusal(401, "Requires authentication") if project is not None else not_found()
            if project is None:
                return not_found()
            if account.right != "write":
                return refusal(403, "Resource not accessible by personal access token")
            if refused := lacks(account, needs):
                return refused
            if project.archived:
                return refusal(403, "Repository was archived so is read-only.")
            with site.lock:
                return function(Documents.of(site, request), project, account, request, parts)

        return function

    return register


def pull_of(project: Project, parts: dict[str, str]) -> Pull | None:
    return project.pull(int(parts["number"])) if parts["number"].isdigit() else None
