"""GitHub: api.github.com (and HOST/api/v3 of an Enterprise server), and the archives on the site itself."""

from tests.support.forge.messages import Answer, Request
from tests.support.forge.model import Project, Site
from tests.support.forge.routing import Router

api: Router[Site] = Router()
pages: Router[Site] = Router()

_DOCS = "https://docs.github.com/rest"


def answer(site: Site, request: Request) -> Answer:
    """Return the answer of a GitHub."""
    prefix = "/api/v3"
    if request.path.startswith(f"{prefix}/"):
        found = api.answer(site, request, request.path.removeprefix(prefix))
    elif request.host == site.host:
        found = pages.answer(site, request, request.path)
    else:
        found = api.answer(site, request, request.path)
    return found or not_found()


def not_found() -> Answer:
    """Return what GitHub says of all that is not there, or not for you."""
    return Answer(404, {"message": "Not Found", "documentation_url": _DOCS, "status": "404"})


def project_of(site: Site, request: Request, parts: dict[str, str]) -> Project | None:
    """Return the repository that a path names; None: there is none for whoever asks."""
    project = site.find(f"{parts['owner']}/{parts['repo']}")
    return project if project is not None and site.may_read(project, site.account(request)) else None


@api.on("GET", "/repos/{owner}/{repo}/commits/{ref*}")
def get_commit(site: Site, request: Request, parts: dict[str, str]) -> Answer:
    project = project_of(site, request, parts)
    if project is None or parts["ref"].endswith(("/status", "/statuses", "/check-runs")):
        return not_found()
    rev = project.storage.rev(parts["ref"])
    if rev is None:
        message = f"No commit found for SHA: {parts['ref']}"
        return Answer(422, {"message": message, "documentation_url": _DOCS, "status": "422"})
    if "vnd.github.sha" in request.headers.get("accept", ""):
        return Answer(200, rev.encode(), content_type="application/vnd.github.sha; charset=utf-8")
    return Answer(200, {"sha": rev, "commit": {"tree": {"sha": project.storage.tree(rev)}}})


@api.on("GET", "/repos/{owner}/{repo}/tarball/{ref*}")
def get_tarball(site: Site, request: Request, parts: dict[str, str]) -> Answer:
    project = project_of(site, request, parts)
    rev = project.storage.rev(parts["ref"]) if project is not None else None
    if project is None or rev is None:
        return not_found()
    return archive(project, rev, f"{project.owner}-{project.name}-{rev[:7]}")


@pages.on("GET", "/{owner}/{repo}/archive/{ref*}.tar.gz")
def get_archive(site: Site, request: Request, parts: dict[str, str]) -> Answer:
    project = project_of(site, request, parts)
    ref = parts["ref"].removeprefix("refs/heads/").removeprefix("refs/tags/")
    rev = project.storage.rev(ref) if project is not None else None
    if project is None or rev is None:
        return Answer(404, b"Not Found", (), "text/plain")
    return archive(project, rev, f"{project.name}-{rev}")


def archive(project: Project, rev: str, folder: str) -> Answer:
    """Return a commit as a .tar.gz."""
    data = project.storage.archive(rev, folder)
    disposition = f"attachment; filename={folder}.tar.gz"
    return Answer(200, data, (("ETag", f'W/"{rev}"'), ("Content-Disposition", disposition)), "application/x-gzip")
