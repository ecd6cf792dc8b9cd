"""Forgejo: statuses of a commit."""

from flakesync.demo.forge import pulls
from flakesync.demo.forge.forgejo.api import (
    REPO,
    not_found,
    reads,
    writes,
)
from flakesync.demo.forge.forgejo.documents import (
    PREFIX,
    repository,
    status,
)
from flakesync.demo.forge.messages import Answer, Request
from flakesync.demo.forge.model import Account, Project, Site


@writes("POST", f"{REPO}/statuses/{{sha}}")
def add_status(site: Site, project: Project, account: Account, request: Request, parts: dict[str, str]) -> Answer:
    fields, rev = request.fields(), project.storage.rev(parts["sha"])
    if rev is None:
        return not_found(site)
    name, state = str(fields.get("context") or "default"), str(fields.get("state") or "pending")
    check = pulls.add_check(
        site, project, rev, name, state, account,
        description=str(fields.get("description") or ""), url=str(fields.get("target_url") or ""),
    )  # fmt: skip
    return Answer(201, status(site, project, rev, check))


@reads("GET", f"{REPO}/commits/{{ref}}/status")
def get_combined_status(site: Site, project: Project, request: Request, parts: dict[str, str]) -> Answer:
    rev = project.storage.rev(parts["ref"])
    if rev is None:
        return not_found(site)
    checks = list(project.results(rev).values())
    order = ("error", "failure", "pending", "success")
    worst = min((check.state for check in checks), key=order.index, default="")
    url = f"https://{request.authority}{PREFIX}/repos/{project.path}/commits/{rev}"
    return Answer(200, {
        "state": worst, "sha": rev, "total_count": len(checks), "commit_url": url, "url": f"{url}/status",
        "statuses": [status(site, project, rev, check) for check in checks] or None,
        "repository": repository(site, project, request, None),
    })  # fmt: skip
