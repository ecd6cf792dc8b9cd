"""GitLab: pipelines, their jobs, and the statuses of a commit."""

from flakesync.demo.forge import pipelines
from flakesync.demo.forge.gitlab.api import MERGE, PROJECT, bad, message, no_merge_request, page, pull_of, reads, writes
from flakesync.demo.forge.gitlab.documents import job_status, pipeline_document, user
from flakesync.demo.forge.model import Account, Check, Pipeline, Project, Site
from flakesync.demo.forge.web.messages import Answer, Json, Request

_STATES = ("pending", "running", "success", "failed", "canceled", "skipped")


@writes("POST", f"{PROJECT}/statuses/{{sha}}")
def add_status(site: Site, project: Project, account: Account, request: Request, parts: dict[str, str]) -> Answer:
    fields, rev = {**request.query, **request.fields()}, project.storage.rev(parts["sha"])
    if rev is None or fields.get("state") not in _STATES:
        return bad("state does not have a valid value")
    name = str(fields.get("name") or fields.get("context") or "default")
    ref = str(fields["ref"]) if fields.get("ref") else None
    check = pipelines.add_status(site, project, rev, name, str(fields["state"]), account, ref)
    pipeline = next(found for found in project.pipelines if check in found.jobs)
    return Answer(201, job_status(pipeline, check, user(site, account)))


@reads("GET", f"{PROJECT}/repository/commits/{{sha}}/statuses")
def list_statuses(site: Site, project: Project, request: Request, parts: dict[str, str]) -> Answer:
    rev = project.storage.rev(parts["sha"])
    if rev is None:
        return message(404, "404 Commit Not Found")
    mine = [pipeline for pipeline in project.pipelines if pipeline.sha == rev]
    found = [(pipeline, job) for pipeline in mine for job in pipeline.jobs]
    return page(request, found, lambda each: job_status(each[0], each[1], user(site, each[1].by)))


@reads("GET", f"{PROJECT}/pipelines")
def list_pipelines(site: Site, project: Project, request: Request, parts: dict[str, str]) -> Answer:
    query = request.query
    found = [
        pipeline
        for pipeline in reversed(project.pipelines)
        if query.get("sha", pipeline.sha) == pipeline.sha and query.get("ref", pipeline.ref) == pipeline.ref
    ]
    return page(request, found, lambda pipeline: pipeline_document(site, project, pipeline))


@reads("GET", f"{MERGE}/pipelines")
def list_of_merge_request(site: Site, project: Project, request: Request, parts: dict[str, str]) -> Answer:
    pull = pull_of(project, parts)
    if pull is None:
        return no_merge_request()
    return page(request, pipelines.of_pull(project, pull), lambda found: pipeline_document(site, project, found))


def _pipeline_of(project: Project, parts: dict[str, str]) -> Pipeline | None:
    return next((pipeline for pipeline in project.pipelines if str(pipeline.id) == parts["id"]), None)


@reads("GET", f"{PROJECT}/pipelines/{{id}}")
def get_pipeline(site: Site, project: Project, request: Request, parts: dict[str, str]) -> Answer:
    pipeline = _pipeline_of(project, parts)
    if pipeline is None:
        return message(404, "404 Not found")
    return Answer(200, pipeline_document(site, project, pipeline))


@reads("GET", f"{PROJECT}/pipelines/{{id}}/jobs")
def list_jobs(site: Site, project: Project, request: Request, parts: dict[str, str]) -> Answer:
    pipeline = _pipeline_of(project, parts)
    if pipeline is None:
        return message(404, "404 Not found")
    return page(request, pipeline.jobs, lambda job: _job(site, project, pipeline, job))


def _job(site: Site, project: Project, pipeline: Pipeline, job: Check) -> Json:
    """Return an `API_Entities_Ci_Job`, without what it ran on."""
    shared = job_status(pipeline, job, {})
    kept = {name: shared[name] for name in ("id", "name", "status", "ref", "allow_failure", "created_at", "started_at",
                                            "finished_at", "coverage")}  # fmt: skip
    return {
        **kept, "stage": "test", "tag": False, "web_url": f"https://{site.host}/{project.path}/-/jobs/{job.id}",
        "user": user(site, job.by), "commit": {"id": pipeline.sha, "short_id": pipeline.sha[:8]},
        "pipeline": pipeline_document(site, project, pipeline),
    }  # fmt: skip
