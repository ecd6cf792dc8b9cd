"""The documents that Forgejo answers with."""

from flakesync.demo.forge import pulls
from flakesync.demo.forge.model import Account, Check, Label, Project, Pull, Review, Site
from flakesync.demo.forge.times import maybe, time
from flakesync.demo.forge.web.messages import Json, Request

PREFIX = "/api/v1"
"""Where the API is."""


def user(site: Site, account: Account) -> Json:
    """Return a `User`."""
    web = f"https://{site.host}/{account.login}"
    return {
        "id": account.id, "login": account.login, "login_name": "", "full_name": "", "html_url": web,
        "email": f"{account.login}@noreply.{site.host}", "avatar_url": f"{web}.png", "is_admin": False, "active": True,
        "restricted": False, "visibility": "public", "language": "", "last_login": time(site.now),
        "created": time(site.now),
    }  # fmt: skip


def repository(site: Site, project: Project, request: Request, account: Account | None) -> Json:
    """Return a `Repository` as `account` sees it."""
    web = f"https://{request.authority}/{project.path}"
    pushes = account is not None and account.right == "write"
    allowed = project.methods
    default = project.default_method or allowed[0]
    style = {"fast-forward": "fast-forward-only"}.get(default, default)
    return {
        "id": project.id, "name": project.name, "full_name": project.path,
        "owner": user(site, Account(1, project.owner, "none")), "description": "", "empty": False,
        "private": project.private, "fork": False, "html_url": web, "clone_url": f"{web}.git",
        "url": f"https://{request.authority}{PREFIX}/repos/{project.path}",
        "ssh_url": f"ssh://git@{site.host}/{project.path}.git", "default_branch": project.storage.default_branch,
        "archived": project.archived, "mirror": False, "created_at": time(project.created),
        "updated_at": time(project.created), "permissions": {"admin": False, "push": pushes, "pull": True},
        "has_pull_requests": True, "allow_merge_commits": "merge" in allowed, "allow_rebase": "rebase" in allowed,
        "allow_rebase_explicit": "rebase-merge" in allowed, "allow_squash_merge": "squash" in allowed,
        "allow_fast_forward_only_merge": "fast-forward" in allowed, "default_merge_style": style,
        "default_delete_branch_after_merge": False,
    }  # fmt: skip


def labels_url(site: Site, project: Project) -> str:
    """Return where the labels of a repository are."""
    return f"https://{site.host}{PREFIX}/repos/{project.path}/labels"


def label_document(label: Label, labels: str) -> Json:
    """Return a `Label`. labels: the address of the list that it is in."""
    return {
        "id": label.id, "name": label.name, "color": label.color, "description": "", "exclusive": False,
        "is_archived": False, "url": f"{labels}/{label.id}",
    }  # fmt: skip


def _branch(site: Site, project: Project, request: Request, name: str, rev: str) -> Json:
    return {
        "label": name, "ref": name, "sha": rev, "repo_id": project.id,
        "repo": repository(site, project, request, None),
    }  # fmt: skip


def pull_document(site: Site, project: Project, request: Request, pull: Pull) -> Json:
    """Return a `PullRequest`; until Forgejo knows, it says that it cannot be merged."""
    page = f"https://{request.authority}/{project.path}/pulls/{pull.number}"
    labels = labels_url(site, project)
    asked = [*(user(site, person) for person in pull.reviewers), *[None] * pull.ghost_reviewers]
    return {
        "id": pull.id, "url": page, "number": pull.number, "user": user(site, pull.by), "title": pull.title,
        "body": pull.body, "labels": [label_document(label, labels) for label in pull.labels], "milestone": None,
        "assignee": None, "assignees": None, "state": "open" if pull.state == "open" else "closed",
        "requested_reviewers": asked or None, "draft": pull.draft,
        "requested_reviewers_teams": None, "is_locked": False, "comments": len(pull.comments), "html_url": page,
        "diff_url": f"{page}.diff", "patch_url": f"{page}.patch",
        "mergeable": bool(pulls.can_be_merged(site, project, pull)) and not pull.draft,
        "merged": pull.state == "merged", "merged_at": maybe(pull.merged), "merge_commit_sha": pull.merged_rev,
        "merged_by": user(site, pull.merged_by) if pull.merged_by else None, "allow_maintainer_edit": False,
        "base": _branch(site, project, request, pull.base, pull.base_rev),
        "head": _branch(site, project, request, pull.head, pull.head_rev),
        "merge_base": project.storage.merge_base(pull.base_rev, pull.head_rev), "due_date": None,
        "created_at": time(pull.created), "updated_at": time(pull.updated), "closed_at": maybe(pull.closed),
        "pin_order": 0, "flow": 0, "review_comments": 0, "additions": 1, "deletions": 1, "changed_files": 1,
    }  # fmt: skip


def issue_document(site: Site, project: Project, request: Request, pull: Pull) -> Json:
    """Return the `Issue` that a pull request is as well."""
    page = f"https://{request.authority}/{project.path}/pulls/{pull.number}"
    return {
        "id": pull.id, "number": pull.number, "url": page, "html_url": page, "title": pull.title, "body": pull.body,
        "state": "open" if pull.state == "open" else "closed", "user": user(site, pull.by), "labels": [],
        "created_at": time(pull.created), "updated_at": time(pull.updated), "closed_at": maybe(pull.closed),
        "pull_request": {"merged": pull.state == "merged", "merged_at": maybe(pull.merged), "html_url": page},
        "repository": {"id": project.id, "name": project.name, "owner": project.owner, "full_name": project.path},
    }  # fmt: skip


def status(site: Site, project: Project, rev: str, check: Check) -> Json:
    """Return a `CommitStatus`."""
    url = f"https://{site.host}{PREFIX}/repos/{project.path}/statuses/{rev}"
    return {
        "id": check.id, "status": check.state, "target_url": check.url, "description": check.description, "url": url,
        "context": check.name, "creator": user(site, check.by), "created_at": time(check.at),
        "updated_at": time(check.at),
    }  # fmt: skip


def review_document(site: Site, project: Project, pull: Pull, review: Review) -> Json:
    """Return a `PullReview`."""
    stale = review.rev != pull.head_rev
    states = {"approved": "APPROVED", "changes-requested": "REQUEST_CHANGES", "commented": "COMMENT"}
    return {
        "id": review.id, "user": user(site, review.by), "state": states[review.opinion], "body": review.body,
        "commit_id": review.rev, "stale": stale, "official": True, "dismissed": stale and project.dismiss_stale,
        "comments_count": 0, "submitted_at": time(review.at), "updated_at": time(review.at),
    }  # fmt: skip
