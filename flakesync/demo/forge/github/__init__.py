"""GitHub: api.github.com (and HOST/api/v3 of an Enterprise server), and the archives on the site itself."""

import re
from urllib.parse import unquote

# Each registers its routes.
from flakesync.demo.forge.github import activity, checks, graphql, merging, pull_requests, repository  # noqa: F401
from flakesync.demo.forge.github.api import api, not_found, pages, refusal
from flakesync.demo.forge.model import Site
from flakesync.demo.forge.web.messages import Answer, Request, moved

_REPOSITORY = re.compile(r"/repos/(?P<path>[^/]+/[^/]+)(?P<rest>/.*)?")
_NUMBERED = re.compile(r"/repositories/(?P<id>\d+)(?P<rest>/.*)?")
_PAGE = re.compile(r"/(?P<path>[^/]+/[^/]+)(?P<rest>/archive/.+)")


def answer(site: Site, request: Request) -> Answer:
    """Return the answer of a GitHub."""
    if request.path in ("/graphql", "/api/graphql") and request.method == "POST":
        return graphql.answer(site, request)
    prefix = "/api/v3"
    if request.path.startswith(f"{prefix}/"):
        return _api(site, request, request.path.removeprefix(prefix), prefix)
    page = _PAGE.fullmatch(request.path)
    if page is not None and (there := site.find_moved(unquote(page["path"]), site.account(request))) is not None:
        return moved(f"https://{request.authority}/{there.path}{page['rest']}", request)
    found = pages.answer(site, request, request.path) if not request.host.startswith("api.") else None
    return found or _api(site, request, request.path, "")


def _api(site: Site, request: Request, path: str, prefix: str) -> Answer:
    if request.secret is not None and site.account(request) is None:
        return refusal(401, "Bad credentials")
    found = _redirected(site, request, path, prefix) or api.answer(site, request, _named(site, path)) or not_found()
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


def _redirected(site: Site, request: Request, path: str, prefix: str) -> Answer | None:
    """Send on what asks for a repository by the path that it had before: to its number."""
    found = _REPOSITORY.fullmatch(path)
    project = site.find_moved(unquote(found["path"]), site.account(request)) if found is not None else None
    if found is None or project is None:
        return None
    url = f"https://{request.authority}{prefix}/repositories/{project.id}{found['rest'] or ''}"
    guide = "https://docs.github.com/rest/guides/best-practices-for-using-the-rest-api#follow-redirects"
    status = 301 if request.method in ("GET", "HEAD") else 307
    body = {"message": "Moved Permanently", "url": url, "documentation_url": guide}
    return moved(url, request, status=status, body=body)


def _named(site: Site, path: str) -> str:
    """Return the path of a repository that is asked for by its number."""
    found = _NUMBERED.fullmatch(path)
    project = site.find_by_id(int(found["id"])) if found is not None else None
    return f"/repos/{project.path}{found['rest'] or ''}" if found is not None and project is not None else path
