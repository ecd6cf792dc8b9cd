"""The documents that GitLab answers with."""

from flakesync.demo.forge import pipelines, pulls, rules
from flakesync.demo.forge.model import Account, Check, Pipeline, Project, Pull, Site
from flakesync.demo.forge.storage import MergeMethod
from flakesync.demo.forge.times import maybe, time
from flakesync.demo.forge.web.messages import Json, Request

STATES = {"open": "opened", "closed": "closed", "merged": "merged"}
"""What GitLab calls the states of a merge request."""

METHODS: dict[str, tuple[MergeMethod, str]] = {
    "merge": ("merge", "merge"),
    "rebase-merge": ("merge", "rebase_merge"),
    "fast-forward": ("fast-forward", "ff"),
}
"""A project's merge method → how it is carried out, and what GitLab calls it."""


def user(site: Site, account: Account) -> Json:
    """Return an `API_Entities_UserBasic`."""
    return {
        "id": account.id, "username": account.login, "name": account.login, "state": "active", "locked": False,
        "public_email": None, "avatar_url": None, "web_url": f"https://{site.host}/{account.login}",
    }  # fmt: skip


def basic_document(site: Site, project: Project, request: Request) -> Json:
    """Return an `API_Entities_BasicProjectDetails`, which is all that those without a token are told."""
    web = f"https://{request.authority}/{project.path}"
    return {
        "id": project.id, "name": project.name, "path": project.name, "path_with_namespace": project.path,
        "name_with_namespace": project.path.replace("/", " / "), "description": None,
        "default_branch": project.storage.default_branch, "web_url": web, "http_url_to_repo": f"{web}.git",
        "ssh_url_to_repo": f"git@{site.host}:{project.path}.git", "created_at": time(project.created),
        "last_activity_at": time(project.created), "topics": [], "forks_count": 0, "star_count": 0,
        "namespace": {"id": 1, "kind": "group", **dict.fromkeys(("name", "path", "full_path"), project.owner)},
    }  # fmt: skip


def project_document(site: Site, project: Project, request: Request) -> Json:
    """Return an `API_Entities_Project`."""
    return {
        **basic_document(site, project, request), "archived": project.archived,
        "visibility": "private" if project.private else "public", "merge_method": METHODS[way(project)][1],
        "squash_option": squash_option(project),
        "merge_requests_enabled": True, "remove_source_branch_after_merge": False,
        "only_allow_merge_if_pipeline_succeeds": ci_is_required(project),
        "allow_merge_on_skipped_pipeline": project.allow_merge_on_skipped_pipeline,
        "merge_trains_enabled": project.trains, "merge_pipelines_enabled": project.merged_results or project.trains,
    }  # fmt: skip


def way(project: Project) -> str:
    """Return what every merge of a project does."""
    return next(method for method in project.methods if method in METHODS)


def squash_option(project: Project) -> str:
    """Return whether a project's merges are squashed: `never`, `always`, or as each asks for."""
    return project.squash_option or ("default_off" if "squash" in project.methods else "never")


def ci_is_required(project: Project) -> bool:
    """Tell whether merge requests wait for their pipelines."""
    if project.only_allow_merge_if_pipeline_succeeds is not None:
        return project.only_allow_merge_if_pipeline_succeeds
    return any(each.checks for each in project.rules.values())


def pipeline_document(site: Site, project: Project, pipeline: Pipeline) -> Json:
    """Return an `API_Entities_Ci_PipelineBasic`."""
    is_mr = pipeline.ref.startswith("refs/merge-requests/")
    return {
        "id": pipeline.id, "iid": project.pipelines.index(pipeline) + 1, "project_id": project.id,
        "sha": pipeline.sha, "ref": pipeline.ref, "status": pipelines.status(pipeline),
        "source": "merge_request_event" if is_mr else "push", "created_at": time(pipeline.at),
        "updated_at": time(pipeline.at), "web_url": f"https://{site.host}/{project.path}/-/pipelines/{pipeline.id}",
    }  # fmt: skip


def job_status(pipeline: Pipeline, check: Check, by: Json) -> Json:
    """Return an `API_Entities_CommitStatus`: a job, or what somebody else reported."""
    done = check.state not in ("created", "manual", *pipelines.ACTIVE)
    return {
        "id": check.id, "sha": pipeline.sha, "ref": pipeline.ref, "status": check.state, "name": check.name,
        "target_url": check.url or None, "description": check.description or None, "created_at": time(check.at),
        "started_at": time(check.at) if done else None, "finished_at": time(check.at) if done else None,
        "allow_failure": check.allow_failure, "coverage": None, "pipeline_id": pipeline.id, "author": by,
    }  # fmt: skip


def merge_status(site: Site, project: Project, pull: Pull) -> str:
    """Return `detailed_merge_status`: the first of GitLab's checks that fails, and CI is the last."""
    if pull.state != "open":
        return "not_open"
    mergeable = pulls.can_be_merged(site, project, pull)
    if mergeable is None:
        return "checking"
    if pull.draft:
        return "draft_status"
    if project.storage.branch(pull.head) is None:
        return "commits_status"
    demanded = project.rules.get(pull.base)
    if demanded and len(rules.approvals(project, pull)) < demanded.approvals:
        return "not_approved"
    if any(other.state != "merged" for other in pull.blocked_by):
        return "merge_request_blocked"
    if not mergeable:
        return "conflict"
    if way(project) != "merge" and not project.storage.is_ancestor(pull.base_rev, pull.head_rev):
        return "need_rebase"
    return _ci_status(project, pull)


def _ci_status(project: Project, pull: Pull) -> str:
    if not ci_is_required(project):
        return "mergeable"
    pipeline = pipelines.of_head(project, pull)
    found = pipelines.status(pipeline) if pipeline is not None else "missing"
    if found in pipelines.ACTIVE:
        return "ci_still_running"
    passed = found == "success" or (found == "skipped" and project.allow_merge_on_skipped_pipeline)
    return "mergeable" if passed else "ci_must_pass"


def basic(site: Site, project: Project, pull: Pull, request: Request) -> Json:
    """Return an `API_Entities_MergeRequestBasic`, as lists have it."""
    status, sha = merge_status(site, project, pull), pull.head_rev
    pulls.looked(site, project, pull)
    old = {"mergeable": "can_be_merged", "checking": "checking", "conflict": "cannot_be_merged"}
    number = f"!{pull.number}"
    merged_by = user(site, pull.merged_by) if pull.merged_by else None
    reviewers = [user(site, person) for person in pull.reviewers]
    branch = project.storage.branch(pull.head)
    return {
        "id": pull.id, "iid": pull.number, "project_id": project.id, "title": pull.title,
        "description": pull.body or None, "state": STATES[pull.state], "created_at": time(pull.created),
        "updated_at": time(pull.updated), "merged_by": merged_by, "merge_user": merged_by,
        "merged_at": maybe(pull.merged), "closed_by": None,
        "closed_at": maybe(pull.closed) if pull.state == "closed" else None, "target_branch": pull.base,
        "source_branch": pull.head, "user_notes_count": len(pull.comments), "upvotes": 0, "downvotes": 0,
        "author": user(site, pull.by), "assignees": [], "assignee": None, "reviewers": reviewers,
        "source_project_id": project.id, "target_project_id": project.id,
        "labels": sorted(label.name for label in pull.labels), "draft": pull.draft, "work_in_progress": pull.draft,
        "milestone": None, "merge_when_pipeline_succeeds": pull.auto_merge is not None or pull in project.queue,
        "merge_status": old.get(status, "can_be_merged" if pull.state != "open" else "unchecked"),
        "detailed_merge_status": status, "merge_after": None,
        "sha": sha if branch or pull.state == "merged" else None, "merge_commit_sha": pull.merge_commit,
        "squash_commit_sha": pull.squash_commit, "discussion_locked": None, "should_remove_source_branch": None,
        "force_remove_source_branch": False, "prepared_at": time(pull.created), "reference": number,
        "references": {"short": number, "relative": number, "full": f"{project.path}{number}"},
        "web_url": f"https://{request.authority}/{project.path}/-/merge_requests/{pull.number}",
        "time_stats": {
            "time_estimate": 0, "total_time_spent": 0, "human_time_estimate": None, "human_total_time_spent": None,
        },
        "squash": False, "squash_on_merge": False, "task_completion_status": {"count": 0, "completed_count": 0},
        "has_conflicts": status == "conflict", "blocking_discussions_resolved": True, "imported": False,
        "imported_from": "none", "approvals_before_merge": None,
    }  # fmt: skip


def full(site: Site, project: Project, pull: Pull, request: Request) -> Json:
    """Return an `API_Entities_MergeRequest`."""
    pipeline = pipelines.associated(project, pull)
    head = pipeline_document(site, project, pipeline) if pipeline is not None else None
    account = site.account(request)
    can_merge = account is not None and account.right == "write" and "merge" not in account.lacks
    return {
        **basic(site, project, pull, request), "subscribed": True, "changes_count": "1",
        "head_pipeline": head, "pipeline": head, "rebase_in_progress": False, "merge_error": pull.merge_error,
        "diff_refs": {"base_sha": pull.base_rev, "head_sha": pull.head_rev, "start_sha": pull.base_rev},
        "user": {"can_merge": can_merge}, "first_contribution": False, "diverged_commits_count": 0,
    }  # fmt: skip
