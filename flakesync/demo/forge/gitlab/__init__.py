"""GitLab: HOST/api/v4; a project is named by its encoded path, and a pull request is a merge request."""

# Each registers its routes.
from flakesync.demo.forge.gitlab import ci, merge_requests, merging, repository, trains  # noqa: F401
from flakesync.demo.forge.gitlab.api import api
from flakesync.demo.forge.messages import Answer, Request
from flakesync.demo.forge.model import Site

_PREFIX = "/api/v4"


def answer(site: Site, request: Request) -> Answer:
    """Return the answer of a GitLab."""
    if not request.path.startswith(f"{_PREFIX}/"):
        return Answer(404, b"<!DOCTYPE html><title>Not Found</title>", (), "text/html")
    if request.secret is not None and site.account(request) is None:
        return Answer(401, {"message": "401 Unauthorized"})
    return api.answer(site, request, request.path.removeprefix(_PREFIX)) or Answer(404, {"error": "404 Not Found"})
