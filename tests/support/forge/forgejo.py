"""Forgejo and Gitea: HOST/api/v1, and the archives on the site itself."""

from tests.support.forge.messages import Answer, Request
from tests.support.forge.model import Project, Site
from tests.support.forge.routing import Router

api: Router[Site] = Router()
pages: Router[Site] = Router()

_PREFIX = "/api/v1"


def answer(site: Site, request: Request) -> Answer:
    """Return the answer of a Forgejo."""
    if request.path.startswith(f"{_PREFIX}/"):
        return api.answer(site, request, request.path.removeprefix(_PREFIX)) or not_found(site)
    return pages.answer(site, request, request.path) or Answer(404, b"Not found.", (), "text/plain")


def not_found(site: Site) -> Answer:
    """Return what Forgejo says of all that is not there, or not for you."""
    document = {"errors": [], "message": "The target couldn't be found.", "url": f"https://{site.host}/api/swagger"}
    return Answer(404, document)


def project_of(site: Site, request: Request, parts: dict[str, str]) -> Project | None:
    """Return the repository that a path names; None: there is none for whoever asks."""
    project = site.find(f"{parts['owner']}/{parts['repo']}")
    return project if project is not None and site.may_read(project, site.account(request)) else None


@pages.on("GET", "/{owner}/{repo}/archive/{ref*}.tar.gz")
@api.on("GET", "/repos/{owner}/{repo}/archive/{ref*}.tar.gz")
def get_archive(site: Site, request: Request, parts: dict[str, str]) -> Answer:
    project = project_of(site, request, parts)
    rev = project.storage.rev(parts["ref"]) if project is not None else None
    if project is None or rev is None:
        return not_found(site)
    return Answer(200, project.storage.archive(rev, project.name), (("ETag", f'"{rev}"'),), "application/gzip")
