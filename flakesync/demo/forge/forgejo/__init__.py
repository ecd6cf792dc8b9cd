"""Forgejo and Gitea: HOST/api/v1, and the archives on the site itself."""

# Each registers its routes.
from flakesync.demo.forge.forgejo import dependencies, merging, pull_requests, repository, statuses  # noqa: F401
from flakesync.demo.forge.forgejo.api import api, error, not_found, pages
from flakesync.demo.forge.forgejo.documents import PREFIX
from flakesync.demo.forge.messages import Answer, Request
from flakesync.demo.forge.model import Site


def answer(site: Site, request: Request) -> Answer:
    """Return the answer of a Forgejo."""
    if not request.path.startswith(f"{PREFIX}/"):
        return pages.answer(site, request, request.path) or Answer(404, b"Not found.", (), "text/plain")
    if request.secret is not None and site.account(request) is None:
        return error(site, 401, "user does not exist [uid: 0, name: ]")
    return api.answer(site, request, request.path.removeprefix(PREFIX)) or not_found(site)
