"""Forgejo: statuses of a commit."""

from flakesync.demo.forge import pulls
from flakesync.demo.forge.forgejo.api import REPO, not_found, page, reads, writes
from flakesync.demo.forge.forgejo.documents import PREFIX, repository, status
from flakesync.demo.forge.model import Account, Project, Site
from flakesync.demo.forge.web.messages import Answer, Request
from flakesync.demo.forge.web.paging import page_of
from flakesync.demo.forge.web.routing import Parts

_WORST_FIRST = ("error", "failure", "warning", "pending", "success", "skipped")
"""In Forgejo a warning hides what is pending."""


@writes("POST", f"{REPO}/statuses/{{sha}}")
def add_status(site: Site, project: Project, account: Account, request: Request, parts: Parts) -> Answer:
    fields, rev = request.fields(), project.storage.rev(parts["sha"])
    if rev is None:
        return not_found(site)
    name, state = str(fields.get("context") or "default"), str(fields.get("state") or "pending")
    check = pulls.add_check(
        site, project, rev, name, state, account,
        description=str(fields.get("description") or ""), url=str(fields.get("target_url") or ""),
    )  # fmt: skip
    return Answer(201, status(site, project, rev, check))


@reads("GET", f"{REPO}/commits/{{ref}}/statuses")
@reads("GET", f"{REPO}/statuses/{{ref}}")
def list_statuses(site: Site, project: Project, request: Request, parts: Parts) -> Answer:
    """List all that were ever reported, the newest first: of one context there may be many."""
    rev = project.storage.rev(parts["ref"])
    if rev is None:
        return not_found(site)
    return page(request, project.checks.get(rev, [])[::-1], lambda check: status(site, project, rev, check))


@reads("GET", f"{REPO}/commits/{{ref}}/status")
def get_combined_status(site: Site, project: Project, request: Request, parts: Parts) -> Answer:
    """Combine the newest of each context: of one page of them, which nothing in the answer tells."""
    rev = project.storage.rev(parts["ref"])
    if rev is None:
        return not_found(site)
    newest = sorted(project.results(rev).values(), key=lambda check: check.id, reverse=True)
    shown, _, _ = page_of(
        request, newest, lambda check: status(site, project, rev, check), size="limit", default=30, most=50
    )  # fmt: skip
    if not shown:
        empty = {"state": "", "sha": "", "total_count": 0, "statuses": None, "repository": None}
        return Answer(200, {**empty, "commit_url": "", "url": ""})
    url = f"https://{request.authority}{PREFIX}/repos/{project.path}/commits/{rev}"
    return Answer(200, {
        "state": _combined(site, [str(each["status"]) for each in shown]), "sha": rev, "total_count": len(shown),
        "statuses": shown, "commit_url": url, "url": f"{url}/status",
        "repository": repository(site, project, request, None),
    })  # fmt: skip


def _combined(site: Site, states: list[str]) -> str:
    if site.gitea:
        worst = [{"error": "failure", "warning": "success", "skipped": "success"}.get(state, state) for state in states]
        return min(worst, key=("failure", "pending", "success").index)
    return min(states, key=_WORST_FIRST.index)
