"""GitLab: merging a merge request, rebasing it, and what it waits for."""

from flakesync.demo.forge import pulls, queue
from flakesync.demo.forge.gitlab import auto_merge, trains
from flakesync.demo.forge.gitlab.api import MERGE, flag, message, no_merge_request, pull_of, require_sha, writes
from flakesync.demo.forge.gitlab.documents import full, merge_status
from flakesync.demo.forge.model import Account, Project, Site, Wish
from flakesync.demo.forge.web.messages import Answer, Request
from flakesync.demo.forge.web.routing import Parts


@writes("PUT", f"{MERGE}/merge")
def merge_merge_request(site: Site, project: Project, account: Account, request: Request, parts: Parts) -> Answer:
    pull, fields = pull_of(project, parts), request.fields()
    if "merge" in account.lacks:
        return message(401, "401 Unauthorized")
    require_sha(site, project, pull, fields)
    status = merge_status(site, project, pull)
    asked = flag(fields, "auto_merge", "merge_when_pipeline_succeeds")
    if asked and auto_merge.can_wait(project, pull, status):
        pull.auto_merge = Wish(account, fields)
        return Answer(200, full(site, project, pull, request))
    if asked and project.trains and status == "mergeable":
        trains.board(site, project, pull, account, fields)
        return Answer(200, full(site, project, pull, request))
    if status != "mergeable":
        return message(405, "405 Method Not Allowed")
    if pulls.base_was_modified(project):
        return message(422, "Branch cannot be merged")
    if not auto_merge.carry_out(site, project, pull, account, fields):
        return message(422, "Branch cannot be merged")
    return Answer(200, full(site, project, pull, request))


@writes("POST", f"{MERGE}/cancel_merge_when_pipeline_succeeds")
def cancel(site: Site, project: Project, account: Account, request: Request, parts: Parts) -> Answer:
    pull = pull_of(project, parts)
    if pull.auto_merge is None and pull not in project.queue:
        return message(406, "406 Not Acceptable")
    pull.auto_merge = None
    queue.leave(project, pull, "it was cancelled")
    return Answer(201, full(site, project, pull, request))


@writes("POST", f"{MERGE}/blocks")
def add_block(site: Site, project: Project, account: Account, request: Request, parts: Parts) -> Answer:
    pull = pull_of(project, parts)
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
