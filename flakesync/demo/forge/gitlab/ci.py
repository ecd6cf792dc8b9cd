"""GitLab: pipelines, their jobs, and the statuses of a commit."""

from flakesync.demo.forge import pipelines
from flakesync.demo.forge.gitlab.api import PROJECT, bad, message, page, reads, writes
from flakesync.demo.forge.gitlab.documents import job_status, pipeline_document, user
from flakesync.demo.forge.model import Account, Check, Pipeline, Project, Site
from flakesync.demo.forge.web.messages import Answer, AnswerError, Json, Request
from flakesync.demo.forge.web.routing import Parts

_STATES = ("pending", "running", "success", "failed", "canceled", "skipped")


@writes("POST", f"{PROJECT}/statuses/{{sha}}")
def add_status(site: Site, project: Project, account: Account, request: Request, parts: Parts) -> Answer:
    fields, rev = {**request.query, **request.fields()}, project.storage.rev(parts["sha"])
    if rev is None or fields.get("state") not in _STATES:
        return bad("state does not have a valid value")
    name = str(fields.get("name") or fields.get("context") or "default")
    ref = str(fields["ref"]) if fields.get("ref") else None
    check = pipelines.add_status(site, project, rev, name, str(fields["state"]), account, ref)
    pipeline = next(found for found in project.pipelines if check in found.jobs)
    return Answer(201, job_status(pipeline, check, user(site, account)))


@reads("GET", f"{PROJECT}/repository/commits/{{sha}}/statuses")
def list_statuses(site: Site, project: Project, request: Request, parts: Parts) -> Answer:
    rev = project.storage.rev(parts["sha"])
    if rev is None:
        return message(404, "404 Commit Not Found")
    mine = [pipeline for pipeline in project.pipelines if pipeline.sha == rev]
    found = [(pipeline, job) for pipeline in mine for job in pipeline.jobs]
    return page(request, found, lambda each: job_status(each[0], each[1], user(site, each[1].by)))


def _pipeline_of(project: Project, parts: Parts) -> Pipeline:
    pipeline = next((found for found in project.pipelines if str(found.id) == parts["id"]), None)
    if pipeline is None:
        raise AnswerError(message(404, "404 Not found"))
    return pipeline


@reads("GET", f"{PROJECT}/pipelines/{{id}}")
def get_pipeline(site: Site, project: Project, request: Request, parts: Parts) -> Answer:
    return Answer(200, pipeline_document(site, project, _pipeline_of(project, parts)))


@reads("GET", f"{PROJECT}/pipelines/{{id}}/jobs")
def list_jobs(site: Site, project: Project, request: Request, parts: Parts) -> Answer:
    pipeline = _pipeline_of(project, parts)
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
