"""GitLab: merge trains (Premium)."""

from flakesync.demo.forge import meanwhile, pipelines, queue
from flakesync.demo.forge.gitlab import auto_merge
from flakesync.demo.forge.gitlab.api import PROJECT, flag, message, pull_of, reads, require_sha, writes
from flakesync.demo.forge.gitlab.documents import merge_status, pipeline_document, user
from flakesync.demo.forge.model import Account, Entry, Project, Pull, Site, Wish
from flakesync.demo.forge.times import maybe, time
from flakesync.demo.forge.web.messages import Answer, Json, Request
from flakesync.demo.forge.web.routing import Parts

_CAR = f"{PROJECT}/merge_trains/merge_requests/{{number}}"


@reads("GET", _CAR)
def get_car(site: Site, project: Project, request: Request, parts: Parts) -> Answer:
    pull = pull_of(project, parts)
    if not project.trains:
        return message(403, "403 Forbidden")
    if pull.entry is None:  # one that was dropped is as if it had never been on it
        return message(404, "404 Not found")
    told = _car(site, project, pull, pull.entry)
    if pull.entry.state == "idle":
        pull.entry.state = "fresh"
    return Answer(200, told)


@writes("POST", _CAR)
def join_train(site: Site, project: Project, account: Account, request: Request, parts: Parts) -> Answer:
    pull, fields = pull_of(project, parts), {**request.query, **request.fields()}
    if not project.trains:
        return message(403, "403 Forbidden")
    if "merge" in account.lacks:
        return message(401, "401 Unauthorized")
    require_sha(site, project, pull, fields)
    if pull in project.queue:
        return message(400, "400 Bad request - Merge request is already on the train")
    status = merge_status(site, project, pull)
    if status == "mergeable":
        board(site, project, pull, account, fields)
        on_it = [(each, each.entry) for each in project.queue if each.entry is not None]
        return Answer(201, [_car(site, project, *each) for each in on_it])
    if flag(fields, "auto_merge", "when_pipeline_succeeds") and auto_merge.can_wait(project, pull, status):
        pull.auto_merge = Wish(account, fields)
        return Answer(202, [])
    if status == "checking":  # GitLab does not say so, but nothing has been done
        return Answer(201, [])
    return message(400, "400 Bad request - Failed to create merge train entry")


def board(site: Site, project: Project, pull: Pull, by: Account, fields: Json) -> None:
    """Put a merge request on the train, with a pipeline on the commit that it would make of its base."""
    entry = queue.join(site, project, pull, by, fields)
    ref = f"refs/merge-requests/{pull.number}/train"
    made = pipelines.merge_commit(project, pull.head_rev, pull.base, ref)
    if made is not None:
        entry.pipeline = pipelines.add(site, project, made, ref, source=pull.head_rev)
        entry.pipeline.status = "running"


def _car(site: Site, project: Project, pull: Pull, entry: Entry) -> Json:
    """Return an `EE_API_Entities_MergeTrains_Car`."""
    merged = pull.merged if entry.state == "merged" else None
    return {
        "id": pull.id, "status": entry.state, "target_branch": pull.base, "user": user(site, entry.by),
        "merge_request": {
            "id": pull.id, "iid": pull.number, "project_id": project.id, "title": pull.title,
            "description": pull.body, "state": "merged" if pull.state == "merged" else "opened",
            "created_at": time(pull.created), "updated_at": time(pull.updated),
            "web_url": f"https://{site.host}/{project.path}/-/merge_requests/{pull.number}",
        },
        "pipeline": pipeline_document(site, project, entry.pipeline) if entry.pipeline is not None else None,
        "created_at": time(entry.at), "updated_at": time(entry.at), "merged_at": maybe(merged),
        "duration": int(merged - entry.at) if merged is not None else None,
    }  # fmt: skip


@meanwhile.merges("gitlab")
def catch_up(site: Site, project: Project) -> None:
    """Board what has waited for its pipeline, and merge what the train is done with."""
    auto_merge.catch_up(site, project, lambda pull, wish: board(site, project, pull, wish.by, wish.fields))
    if project.queue:
        queue.advance(site, project, lambda pull, entry: _land(site, project, pull, entry))


def _land(site: Site, project: Project, pull: Pull, entry: Entry) -> str | None:
    if entry.pipeline is not None:
        entry.pipeline.status = "success"
    return None if auto_merge.carry_out(site, project, pull, entry.by, entry.fields) else str(pull.merge_error)
