"""The documents that GitHub answers with, complete enough for its own description of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from flakesync.demo.forge import pulls, rules
from flakesync.demo.forge.model import Account, Check, Label, Project, Pull, Review, Site
from flakesync.demo.forge.storage import Storage
from flakesync.demo.forge.times import maybe, time
from flakesync.demo.forge.web.messages import Json, Request
from flakesync.git.values import Signature

_USER_LINKS = (
    "followers", "following", "gists", "starred", "subscriptions", "organizations", "repos", "events",
    "received_events",
)  # fmt: skip
_REPO_LINKS = {
    "archive_url": "/{archive_format}{/ref}", "assignees_url": "/assignees{/user}", "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}", "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}", "commits_url": "/commits{/sha}", "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}", "contributors_url": "/contributors", "deployments_url": "/deployments",
    "downloads_url": "/downloads", "events_url": "/events", "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}", "git_refs_url": "/git/refs{/sha}", "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks", "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}", "issues_url": "/issues{/number}", "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}", "languages_url": "/languages", "merges_url": "/merges",
    "milestones_url": "/milestones{/number}", "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}", "releases_url": "/releases{/id}", "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}", "subscribers_url": "/subscribers", "subscription_url": "/subscription",
    "tags_url": "/tags", "teams_url": "/teams", "trees_url": "/git/trees{/sha}",
}  # fmt: skip
CONCLUSIONS = ("neutral", "skipped", "cancelled", "timed_out", "action_required", "stale")
_COUNTS = ("forks", "forks_count", "open_issues", "open_issues_count", "size", "stargazers_count", "watchers")
_MORE_COUNTS = ("watchers_count", "network_count", "subscribers_count")


@dataclass(frozen=True, slots=True)
class Documents:
    """Makes documents whose links lead back to where the request came from. api, web: without a final slash."""

    site: Site
    api: str
    web: str

    @classmethod
    def of(cls, site: Site, request: Request) -> "Documents":
        """Return the maker for one request: links use the name and port that it was sent to."""
        here = f"https://{request.authority}"
        if request.path.startswith("/api/v3/"):
            return cls(site, f"{here}/api/v3", here)
        return cls(site, here, here.replace("https://api.", "https://", 1))

    def user(self, account: Account) -> Json:
        """Return a `simple-user`."""
        url = f"{self.api}/users/{account.login}"
        return {
            "login": account.login, "id": account.id, "node_id": f"U_{account.id}", "gravatar_id": "",
            "avatar_url": f"{self.web}/avatars/{account.id}", "url": url, "html_url": f"{self.web}/{account.login}",
            **{f"{name}_url": f"{url}/{name}" for name in _USER_LINKS}, "type": "User", "site_admin": False,
        }  # fmt: skip

    def owner(self, project: Project) -> Json:
        """Return the organisation that owns a repository."""
        return {**self.user(Account(1, project.owner, "none")), "type": "Organization"}

    def repository(self, project: Project, account: Account | None) -> Json:
        """Return a `full-repository` as `account` sees it."""
        url, web = f"{self.api}/repos/{project.path}", f"{self.web}/{project.path}"
        at = time(project.created)
        pushes = account is not None and account.right == "write"
        document: Json = {
            "id": project.id, "node_id": f"R_{project.id}", "name": project.name, "full_name": project.path,
            "owner": self.owner(project), "private": project.private, "html_url": web, "description": None,
            "fork": False, "url": url, **{key: f"{url}{path}" for key, path in _REPO_LINKS.items()},
            "clone_url": f"{web}.git", "git_url": f"git://{self.site.host}/{project.path}.git", "svn_url": web,
            "ssh_url": f"git@{self.site.host}:{project.path}.git", "mirror_url": None, "homepage": None,
            "default_branch": project.storage.default_branch, "archived": project.archived, "disabled": False,
            "has_issues": True, "has_projects": True, "has_wiki": False, "has_pages": False, "has_discussions": False,
            "has_downloads": False,
            "language": "Nix", "license": None, "visibility": "private" if project.private else "public",
            "pushed_at": at, "created_at": at, "updated_at": at, **dict.fromkeys((*_COUNTS, *_MORE_COUNTS), 0),
            "permissions": {"admin": False, "maintain": False, "push": pushes, "triage": pushes, "pull": True},
        }  # fmt: skip
        if pushes:  # others are not told
            document |= {
                "allow_merge_commit": "merge" in project.methods, "allow_squash_merge": "squash" in project.methods,
                "allow_rebase_merge": "rebase" in project.methods, "allow_auto_merge": project.allow_auto_merge,
                "delete_branch_on_merge": False,
            }  # fmt: skip
        return document

    def label(self, project: Project, label: Label) -> Json:
        """Return a `label`."""
        url = f"{self.api}/repos/{project.path}/labels/{label.name}"
        return {
            "id": label.id, "node_id": f"LA_{label.id}", "url": url, "name": label.name, "color": label.color,
            "default": False, "description": "",
        }  # fmt: skip

    def simple_pull(self, project: Project, pull: Pull) -> Json:
        """Return a `pull-request-simple`, as lists have it."""
        url, web = f"{self.api}/repos/{project.path}", f"{self.web}/{project.path}"
        mine, issue = f"{url}/pulls/{pull.number}", f"{url}/issues/{pull.number}"
        statuses = f"{url}/statuses/{pull.head_rev}"
        links = {
            "self": mine, "html": f"{web}/pull/{pull.number}", "issue": issue, "comments": f"{issue}/comments",
            "review_comments": f"{mine}/comments", "review_comment": f"{url}/pulls/comments{{/number}}",
            "commits": f"{mine}/commits", "statuses": statuses,
        }  # fmt: skip
        # Of an open pull request it is a trial merge, which no branch has.
        trial = pull.head_rev if pull.state == "open" and pull.looks >= self.site.thinks_for else None
        return {
            "url": mine, "id": pull.id, "node_id": f"PR_{pull.id}", "html_url": links["html"],
            "diff_url": f"{links['html']}.diff", "patch_url": f"{links['html']}.patch", "issue_url": issue,
            "commits_url": links["commits"], "review_comments_url": links["review_comments"],
            "review_comment_url": links["review_comment"], "comments_url": links["comments"],
            "statuses_url": statuses, "number": pull.number, "state": "open" if pull.state == "open" else "closed",
            "locked": False, "title": pull.title, "user": self.user(pull.by), "body": pull.body or None,
            "labels": [self.label(project, label) for label in pull.labels], "milestone": None,
            "active_lock_reason": None, "created_at": time(pull.created), "updated_at": time(pull.updated),
            "closed_at": maybe(pull.closed), "merged_at": maybe(pull.merged),
            "merge_commit_sha": pull.merged_rev or trial, "assignee": None, "assignees": [],
            "requested_reviewers": [self.user(person) for person in pull.reviewers], "requested_teams": [],
            "head": self._branch(project, pull.head, pull.head_rev),
            "base": self._branch(project, pull.base, pull.base_rev),
            "_links": {name: {"href": link} for name, link in links.items()}, "author_association": "MEMBER",
            "auto_merge": self._auto_merge(pull), "draft": pull.draft,
        }  # fmt: skip

    def pull(self, project: Project, pull: Pull) -> Json:
        """Return a `pull-request`; asking for it is what makes GitHub think about whether it can be merged."""
        mergeable = pulls.can_be_merged(self.site, project, pull)
        added, deleted, files = _size(project.storage, pull)
        return {
            **self.simple_pull(project, pull), "merged": pull.state == "merged", "mergeable": mergeable,
            "rebaseable": mergeable, "mergeable_state": mergeable_state(self.site, project, pull, mergeable),
            "merged_by": self.user(pull.merged_by) if pull.merged_by else None, "comments": len(pull.comments),
            "review_comments": 0, "maintainer_can_modify": False,
            "commits": len(project.storage.commits(pull.base_rev, pull.head_rev)), "additions": added,
            "deletions": deleted, "changed_files": files,
        }  # fmt: skip

    def _auto_merge(self, pull: Pull) -> Json | None:
        wish = pull.auto_merge
        if wish is None:
            return None
        method = str(wish.fields.get("mergeMethod") or "MERGE").lower()
        return {
            "enabled_by": self.user(wish.by), "merge_method": method, "commit_title": None, "commit_message": None,
        }  # fmt: skip

    def review(self, project: Project, pull: Pull, review: Review) -> Json:
        """Return a `pull-request-review`."""
        url, web = f"{self.api}/repos/{project.path}/pulls/{pull.number}", f"{self.web}/{project.path}"
        page = f"{web}/pull/{pull.number}#pullrequestreview-{review.id}"
        dismissed = project.dismiss_stale and review.rev != pull.head_rev
        states = {"approved": "APPROVED", "changes-requested": "CHANGES_REQUESTED", "commented": "COMMENTED"}
        return {
            "id": review.id, "node_id": f"PRR_{review.id}", "user": self.user(review.by), "body": review.body,
            "state": "DISMISSED" if dismissed else states[review.opinion], "html_url": page,
            "pull_request_url": url, "commit_id": review.rev,
            "submitted_at": time(review.at), "author_association": "MEMBER",
            "_links": {"html": {"href": page}, "pull_request": {"href": url}},
        }  # fmt: skip

    def status(self, project: Project, rev: str, check: Check) -> Json:
        """Return a `simple-commit-status`."""
        return {
            "url": f"{self.api}/repos/{project.path}/statuses/{rev}", "id": check.id, "node_id": f"SC_{check.id}",
            "avatar_url": f"{self.web}/avatars/{check.by.id}", "state": check.state,
            "description": check.description or None, "target_url": check.url or None, "context": check.name,
            "created_at": time(check.at), "updated_at": time(check.at),
        }  # fmt: skip

    def check_run(self, project: Project, rev: str, check: Check) -> Json:
        """Return a `check-run`."""
        url = f"{self.api}/repos/{project.path}/check-runs/{check.id}"
        done = check.state not in ("pending", "queued")
        own = check.state in ("success", *CONCLUSIONS)
        output = {
            **dict.fromkeys(("title", "summary", "text")), "annotations_count": 0,
            "annotations_url": f"{url}/annotations",
        }  # fmt: skip
        return {
            "id": check.id, "node_id": f"CR_{check.id}", "head_sha": rev, "external_id": None, "url": url,
            "html_url": f"{self.web}/{project.path}/runs/{check.id}", "details_url": check.url or None,
            "status": "completed" if done else "queued" if check.state == "queued" else "in_progress",
            "conclusion": (check.state if own else "failure") if done else None,
            "started_at": time(check.at), "completed_at": time(check.at) if done else None, "output": output,
            "name": check.name, "check_suite": {"id": check.id}, "app": None, "pull_requests": [],
        }  # fmt: skip

    def combined_status(self, project: Project, rev: str, checks: Sequence[Check], shown: object) -> Json:
        """Return a `combined-commit-status`; checks: the newest of each context. shown: a page of their documents."""
        url = f"{self.api}/repos/{project.path}/commits/{rev}"
        states = {check.state for check in checks}
        worst = "failure" if states & {"failure", "error"} else "success" if states == {"success"} else "pending"
        return {
            "state": worst, "statuses": shown, "sha": rev,
            "total_count": len(checks), "repository": self.repository(project, None), "commit_url": url,
            "url": f"{url}/status",
        }  # fmt: skip

    def commit(self, project: Project, rev: str) -> Json:
        """Return a `commit`."""
        commit, url = project.storage.commit(rev), f"{self.api}/repos/{project.path}"
        page = f"{self.web}/{project.path}/commit"
        return {
            "url": f"{url}/commits/{rev}", "sha": rev, "node_id": f"C_{rev[:12]}", "html_url": f"{page}/{rev}",
            "comments_url": f"{url}/commits/{rev}/comments", "author": {}, "committer": {},
            "commit": {
                "url": f"{url}/git/commits/{rev}", "message": commit.message.strip(), "comment_count": 0,
                "author": _person(commit.author), "committer": _person(commit.committer),
                "tree": {"sha": commit.tree, "url": f"{url}/git/trees/{commit.tree}"},
            },
            "parents": [
                {"sha": parent, "url": f"{url}/commits/{parent}", "html_url": f"{page}/{parent}"}
                for parent in commit.parents
            ],
        }  # fmt: skip

    def branch(self, project: Project, name: str, rev: str) -> Json:
        """Return a `branch-with-protection`; of rulesets it says only that there are any."""
        url = f"{self.api}/repos/{project.path}/branches/{name}"
        rules = project.rules.get(name)
        classic = rules if not project.ruleset else None
        checks = classic.checks if classic is not None else ()
        return {
            "name": name, "commit": self.commit(project, rev), "protected": rules is not None,
            "_links": {"self": url, "html": f"{self.web}/{project.path}/tree/{name}"},
            "protection": {
                "enabled": classic is not None,
                "required_status_checks": {
                    "enforcement_level": "everyone" if checks else "off", "contexts": [*checks],
                    "checks": [{"context": check, "app_id": None} for check in checks],
                },
            },
            "protection_url": f"{url}/protection",
        }  # fmt: skip

    def _branch(self, project: Project, name: str, rev: str) -> Json:
        return {
            "label": f"{project.owner}:{name}", "ref": name, "sha": rev, "user": self.owner(project),
            "repo": self.repository(project, None),
        }  # fmt: skip


def _person(who: Signature) -> Json:
    return {"name": who.name, "email": who.email, "date": time(who.time)}


def mergeable_state(site: Site, project: Project, pull: Pull, mergeable: bool | None) -> str:
    """Return `mergeable_state`. mergeable: None while GitHub thinks about it."""
    if mergeable is None:
        return "unknown"
    if not mergeable:
        return "dirty"
    if pull.draft:
        return "draft"
    lacking = rules.unmet(site, project, pull)
    if lacking:
        return "behind" if lacking == [rules.Behind()] else "blocked"
    results = project.results(pull.head_rev).values()
    return "clean" if all(rules.passed(site, check) for check in results) else "unstable"


def _size(storage: Storage, pull: Pull) -> tuple[int, int, int]:
    """Return lines added, lines deleted, and files changed."""
    lines = storage.changed_lines(pull.base_rev, pull.head_rev).splitlines()
    counts = [line.split("\t") for line in lines]
    numbers = [(int(added), int(deleted)) for added, deleted, _ in counts if added != "-"]
    return sum(added for added, _ in numbers), sum(deleted for _, deleted in numbers), len(counts)
