"""GitLab: merging a merge request, rebasing it, and what it waits for."""

from flakesync.demo.forge import pulls
from flakesync.demo.forge.gitlab import auto_merge
from flakesync.demo.forge.gitlab.api import (
    MERGE,
    message,
    no_merge_request,
    pull_of,
    writes,
)
from flakesync.demo.forge.gitlab.documents import (
    full,
    merge_status,
)
from flakesync.demo.forge.messages import Answer, Json, Request
from flakesync.demo.forge.model import Account, Project, Pull, Site, Wish
from flakesync.demo.forge.storage import MergeConflictError


@writes("PUT", f"{MERGE}/merge")
def merge_merge_request(
    site: Site, project: Project, account: Account, request: Request, parts: dict[str, str]
) -> Answer:
    pull, fields = pull_of(project, parts), request.fields()
    if pull is None:
        return no_merge_request()
    if refused := sha_refused(site, project, pull, fields):
        return refused
    status = merge_status(site, project, pull)
    if _flag(fields, "auto_merge", "merge_when_pipeline_succeeds") and auto_merge.can_wait(project, pull, status):
        pull.auto_merge = Wish(account, fields)
        return Answer(200, full(site, project, pull, request))
    if status != "mergeable":
        return message(405, "405 Method Not Allowed")
    if pulls.base_was_modified(project):
        return message(422, "Branch cannot be merged")
    if not auto_merge.carry_out(site, project, pull, account, fields):
        return message(422, "Branch cannot be merged")
    return Answer(200, full(site, project, pull, request))


def sha_refused(site: Site, project: Project, pull: Pull, fields: Json) -> Answer | None:
    """Return why the `sha` of a request is not the head's; None: it is, or none was sent and none is demanded."""
    if not fields.get("sha"):
        return message(400, "SHA must be provided when merging") if project.require_sha else None
    if fields["sha"] == pull.head_rev:
        return None
    shown = pull.head_rev
    pulls.looked(site, project, pull)
    return message(409, f"SHA does not match HEAD of source branch: {shown}")


def _flag(fields: Json, *names: str) -> bool:
    return any(fields.get(name) in (True, "true") for name in names)


@writes("PUT", f"{MERGE}/rebase")
def rebase_merge_request(
    site: Site, project: Project, account: Account, request: Request, parts: dict[str, str]
) -> Answer:
    pull = pull_of(project, parts)
    if pull is None:
        return no_merge_request()
    try:
        new = project.storage.merge(pull.base_rev, pull.head_rev, "rebase", "")
    except MergeConflictError:
        return message(409, "Rebase failed: conflict")
    project.storage.set_branch(pull.head, new, pull.head_rev)
    pulls.after_push(site, project)
    return Answer(202, {"rebase_in_progress": True})


@writes("POST", f"{MERGE}/blocks")
def add_block(site: Site, project: Project, account: Account, request: Request, parts: dict[str, str]) -> Answer:
    pull = pull_of(project, parts)
    if pull is None:
        return no_merge_request()
    if not site.premium:
        return message(403, "403 Forbidden")
    wanted = {**request.query, **request.fields()}.get("blocking_merge_request_id")
    blocking = next((p for each in site.projects.values() for p in each.pulls if str(p.id) == str(wanted)), None)
    if blocking is None:
        return no_merge_request()
    if blocking in pull.blocked_by:
        return message(409, "Block already exists")
    pull.blocked_by.append(blocking)
    return Answer(201, {
        "id": next(site.ids), "project_id": project.id,
        "blocking_merge_request": {"id": blocking.id, "iid": blocking.number},
        "blocked_merge_request": {"id": pull.id, "iid": pull.number},
    })  # fmt: skip
