"""GitLab: HOST/api/v4; a project is named by its encoded path, and a pull request is a merge request."""

import re
from urllib.parse import unquote

# Each registers its routes.
from flakesync.demo.forge.gitlab import ci, events, merge_requests, merging, repository, trains  # noqa: F401
from flakesync.demo.forge.gitlab.api import api
from flakesync.demo.forge.model import Site
from flakesync.demo.forge.web.messages import Answer, Request, moved

_PREFIX = "/api/v4"
_PROJECT = re.compile(r"/projects/(?P<path>[^/]+)(?P<rest>/.*)?")


def answer(site: Site, request: Request) -> Answer:
    """Return the answer of a GitLab."""
    if not request.path.startswith(f"{_PREFIX}/"):
        return Answer(404, b"<!DOCTYPE html><title>Not Found</title>", (), "text/html")
    if request.secret is not None and site.account(request) is None:
        return Answer(401, {"message": "401 Unauthorized"})
    path = request.path.removeprefix(_PREFIX)
    return (
        _redirected(site, request, path) or api.answer(site, request, path) or Answer(404, {"error": "404 Not Found"})
    )


def _redirected(site: Site, request: Request, path: str) -> Answer | None:
    """Send on what reads a project by the path that it had before: to its number; refuse to write by it."""
    found = _PROJECT.fullmatch(path)
    project = site.find_moved(unquote(found["path"]), site.account(request)) if found is not None else None
    if found is None or project is None:
        return None
    if request.method not in ("GET", "HEAD"):
        return Answer(405, {"message": "Non GET methods are not allowed for moved projects"})
    url = f"https://{request.authority}{_PREFIX}/projects/{project.id}{found['rest'] or ''}"
    told = moved(url, request, body=f"This resource has been moved permanently to {url}".encode())
    return Answer(told.status, told.body, told.headers, "text/plain")
