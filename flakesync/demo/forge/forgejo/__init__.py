"""Forgejo and Gitea: HOST/api/v1, and the archives on the site itself."""

import re
from urllib.parse import unquote

# Each registers its routes.
from flakesync.demo.forge.forgejo import dependencies, feed, merging, pull_requests, repository, statuses  # noqa: F401
from flakesync.demo.forge.forgejo.api import api, error, not_found, pages
from flakesync.demo.forge.forgejo.documents import PREFIX
from flakesync.demo.forge.model import Site
from flakesync.demo.forge.web.messages import Answer, Request, moved

_REPOSITORY = re.compile(r"(?P<above>/api/v1/repos/|/)(?P<path>[^/]+/[^/]+)(?P<rest>/.*)?")


def answer(site: Site, request: Request) -> Answer:
    """Return the answer of a Forgejo."""
    if (elsewhere := _redirected(site, request)) is not None:
        return elsewhere
    if not request.path.startswith(f"{PREFIX}/"):
        return pages.answer(site, request, request.path) or Answer(404, b"Not found.", (), "text/plain")
    if request.secret is not None and site.account(request) is None:
        return error(site, 401, "user does not exist [uid: 0, name: ]")
    return api.answer(site, request, request.path.removeprefix(PREFIX)) or not_found(site)


def _redirected(site: Site, request: Request) -> Answer | None:
    """Send on whatever asks for a repository by the path that it had before, writing too: to the path that it has."""
    found = _REPOSITORY.fullmatch(request.path)
    project = site.find_moved(unquote(found["path"]), site.account(request)) if found is not None else None
    if found is None or project is None:
        return None
    return moved(f"https://{request.authority}{found['above']}{project.path}{found['rest'] or ''}", request)
