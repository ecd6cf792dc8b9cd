"""GitHub: api.github.com (and HOST/api/v3 of an Enterprise server), and the archives on the site itself."""

# Each registers its routes.
from flakesync.demo.forge.github import checks, graphql, merging, pull_requests, repository  # noqa: F401
from flakesync.demo.forge.github.api import api, not_found, pages, refusal
from flakesync.demo.forge.messages import Answer, Request
from flakesync.demo.forge.model import Site


def answer(site: Site, request: Request) -> Answer:
    """Return the answer of a GitHub."""
    if request.path in ("/graphql", "/api/graphql") and request.method == "POST":
        return graphql.answer(site, request)
    prefix = "/api/v3"
    if request.path.startswith(f"{prefix}/"):
        return _api(site, request, request.path.removeprefix(prefix))
    found = pages.answer(site, request, request.path) if not request.host.startswith("api.") else None
    return found or _api(site, request, request.path)


def _api(site: Site, request: Request, path: str) -> Answer:
    if request.secret is not None and site.account(request) is None:
        return refusal(401, "Bad credentials")
    found = api.answer(site, request, path) or not_found()
    number = next(site.ids)
    return found.plus(
        ("X-GitHub-Media-Type", "github.v3; format=json"),
        ("X-GitHub-Request-Id", f"{number:08X}"),
        ("X-RateLimit-Limit", "5000"),
        ("X-RateLimit-Remaining", "4999"),
        ("X-RateLimit-Reset", "1900000000"),
        ("X-RateLimit-Used", "1"),
        ("X-RateLimit-Resource", "core"),
    )
