"""The pipelines of a GitLab project: what belongs to a merge request, and what it makes of its jobs."""

import re

from flakesync.demo.forge.model import Account, Check, Head, Pipeline, Project, Pull, Site
from flakesync.demo.forge.storage import MergeConflictError

ACTIVE = ("waiting_for_resource", "preparing", "waiting_for_callback", "pending", "running")
"""What GitLab counts as under way; `created` is none of them."""

_WORDS = {"failure": "failed", "error": "failed", "cancelled": "canceled", "neutral": "success"}
_MERGE_REQUEST = re.compile(r"refs/merge-requests/(\d+)/(head|merge|train)")


def word(state: str) -> str:
    """Return GitLab's word for a state of a check."""
    return _WORDS.get(state, state)


def status(pipeline: Pipeline) -> str:
    """Return the status of a pipeline: its own, or what its jobs make of it."""
    if pipeline.status is not None:
        return pipeline.status
    # A job that may fail counts as passed when it did, and a manual one that may be left counts as skipped.
    lenient = {"failed": "success", "canceled": "success", "manual": "skipped"}
    states = {lenient.get(job.state, job.state) if job.allow_failure else job.state for job in pipeline.jobs}
    if len(states) == 1:
        return states.pop()
    if not states:
        return "created"
    if states & {*ACTIVE, "created"}:
        return "pending" if states <= {"pending", "created", "skipped"} else "running"
    return next((found for found in ("manual", "failed", "canceled") if found in states), "success")


def start(site: Site, project: Project, head: Head) -> Pipeline:
    """Begin a pipeline for a head: on the commit that merges it into its base where that is wanted, and possible."""
    if not project.merged_results:
        return add(site, project, head.rev, head.branch)
    ref = f"refs/merge-requests/{head.number}"
    made = merge_commit(project, head.rev, head.base, f"{ref}/merge")
    if made is None:
        return add(site, project, head.rev, f"{ref}/head")
    return add(site, project, made, f"{ref}/merge", source=head.rev)


def merge_commit(project: Project, head: str, base: str, ref: str) -> str | None:
    """Make the internal commit of both branches, and let `ref` have it; None: they do not go together."""
    tip = project.storage.branch(base)
    if tip is None:
        return None
    try:
        made = project.storage.merge(tip, head, "merge", f"Merge {head} into {tip}")
    except MergeConflictError:
        return None
    project.storage.git("update-ref", ref, made)
    return made


def add(site: Site, project: Project, sha: str, ref: str, *, source: str | None = None) -> Pipeline:
    """Add a pipeline without jobs."""
    pipeline = Pipeline(next(site.ids), sha, ref, source_sha=source, at=site.time())
    project.pipelines.append(pipeline)
    return pipeline


def add_status(site: Site, project: Project, rev: str, name: str, state: str, by: Account, ref: str | None) -> Check:
    """Add what somebody else found of a commit to its newest pipeline, or to one of its own."""
    pipeline = next((found for found in reversed(project.pipelines) if found.sha == rev), None)
    if pipeline is None:
        branches = {tip: branch for branch, tip in project.storage.branches().items()}
        pipeline = add(site, project, rev, ref or branches.get(rev, project.storage.default_branch))
    check = Check(next(site.ids), name, word(state), "", "", by, site.time())
    pipeline.jobs = [*(job for job in pipeline.jobs if job.name != name), check]
    return check


def of_pull(project: Project, pull: Pull) -> list[Pipeline]:
    """Return the pipelines that belong to a merge request by their refs, newest first, whatever their commits."""
    mine = {pull.head} | {f"refs/merge-requests/{pull.number}/{kind}" for kind in ("head", "merge")}
    return [pipeline for pipeline in reversed(project.pipelines) if pipeline.ref.removeprefix("refs/heads/") in mine]


def associated(project: Project, pull: Pull) -> Pipeline | None:
    """Return `head_pipeline`, which after a push is still the old commit's until a new one begins; None: none yet."""
    return next(iter(of_pull(project, pull)), None)


def of_head(project: Project, pull: Pull) -> Pipeline | None:
    """Return the pipeline of a merge request if it is about the head that it has now."""
    found = associated(project, pull)
    return found if found is not None and _is_about(project, found, pull.head_rev) else None


def _is_about(project: Project, pipeline: Pipeline, rev: str) -> bool:
    if rev in (pipeline.sha, pipeline.source_sha):
        return True
    internal = _MERGE_REQUEST.fullmatch(pipeline.ref)
    known = internal is not None and project.storage.rev(pipeline.sha) is not None
    return known and rev in project.storage.parents(pipeline.sha)
