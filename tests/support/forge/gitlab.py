"""GitLab: HOST/api/v4; a project is named by its encoded path."""

from tests.support.forge.messages import Answer, Request
from tests.support.forge.model import Project, Site
from tests.support.forge.routing import Router

api: Router[Site] = Router()

_PREFIX = "/api/v4"


def answer(site: Site, request: Request) -> Answer:
    """Return the answer of a GitLab."""
    if not request.path.startswith(f"{_PREFIX}/"):
        return Answer(404, b"<!DOCTYPE html><title>Not Found</title>", (), "text/html")
    return api.answer(site, request, request.path.removeprefix(_PREFIX)) or Answer(404, {"error": "404 Not Found"})


def project_of(site: Site, request: Request, parts: dict[str, str]) -> Project | None:
    """Return the project that a path names, by its number too; None: there is none for whoever asks."""
    name = parts["project"]
    if name.isdigit():
        project = next((each for each in site.projects.values() if each.id == int(name)), None)
    else:
        project = site.find(name)
    return project if project is not None and site.may_read(project, site.account(request)) else None


def no_project() -> Answer:
    """Return what GitLab says of a project that is not there, or not for you."""
    return Answer(404, {"message": "404 Project Not Found"})


@api.on("GET", "/projects/{project}/repository/commits")
def list_commits(site: Site, request: Request, parts: dict[str, str]) -> Answer:
    project = project_of(site, request, parts)
    if project is None:
        return no_project()
    rev = project.storage.rev(request.query.get("ref_name", "HEAD"))
    if rev is None:
        return Answer(404, {"message": "404 Commit Not Found"})
    return Answer(200, [{"id": rev, "short_id": rev[:8], "title": project.storage.show(rev, "%s")}])


@api.on("GET", "/projects/{project}/repository/archive.tar.gz")
def get_archive(site: Site, request: Request, parts: dict[str, str]) -> Answer:
    project = project_of(site, request, parts)
    if project is None:
        return no_project()
    asked = request.query.get("sha", "HEAD")
    rev = project.storage.rev(asked)
    if rev is None:
        return Answer(404, {"message": "404 File Not Found"})
    data = project.storage.archive(rev, f"{project.name}-{asked}-{rev}")
    return Answer(200, data, (("ETag", f'W/"{rev}"'),), "application/octet-stream")
