"""GitLab: the REST API v4. A pull request is a merge request there, and its number the `iid`.

Whether a merge makes a merge commit or moves the branch forward is a setting of the project; only squashing is chosen
with each merge.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

import msgspec

from flakesync.forge.adapter import Adapter
from flakesync.forge.addresses import repository, segment
from flakesync.forge.http import Client
from flakesync.forge.model import (
    Checks,
    ForgeError,
    ForgeKind,
    MergeMethod,
    NewPull,
    Project,
    Pull,
    PullState,
    Standing,
)
from flakesync.forge.refusal import Refused
from flakesync.terms import Rev

PAGE = 100
DRAFT = "Draft: "

_STATES: dict[str, PullState] = {"opened": "open", "locked": "open", "merged": "merged", "closed": "closed"}
_THINKING = frozenset({"", "checking", "unchecked", "preparing", "approvals_syncing", "cannot_be_merged_recheck"})
_CONFLICTS = frozenset({"conflict", "broken_status", "need_rebase", "cannot_be_merged", "commits_status"})
_READY = frozenset({"mergeable", "can_be_merged"})
_CHECKS: dict[str, Checks] = {"success": "passed", "failed": "failed", "canceled": "failed", "skipped": "none"}


def headers(token: str) -> dict[str, str]:
    """Return the headers of every call; personal, project, group and OAuth tokens all go this way."""
    return {"Authorization": f"Bearer {token}", "Accept": "application/json"}


class _Pipeline(msgspec.Struct, frozen=True):
    status: str


class _Pull(msgspec.Struct, frozen=True):
    id: int
    iid: int
    web_url: str
    state: str
    title: str
    source_branch: str
    target_branch: str
    # None: the source branch is gone.
    sha: str | None = None
    description: str | None = None
    draft: bool = False
    labels: tuple[str, ...] = ()
    source_project_id: int | None = None
    target_project_id: int | None = None
    merge_commit_sha: str | None = None
    squash_commit_sha: str | None = None
    merge_status: str = ""
    detailed_merge_status: str = ""
    head_pipeline: _Pipeline | None = None

    @property
    def status(self) -> str:
        """What GitLab thinks of a merge; `detailed_merge_status` is there since 15.6."""
        return self.detailed_merge_status or self.merge_status

    def value(self) -> Pull:
        state = _STATES.get(self.state, "closed")
        # A merge that moves the branch forward makes neither of the commits.
        merged = self.merge_commit_sha or self.squash_commit_sha or self.sha
        return Pull(
            number=self.iid,
            url=self.web_url,
            state=state,
            title=self.title.removeprefix(DRAFT) if self.draft else self.title,
            body=self.description or "",
            head=Rev(self.sha or ""),
            head_branch=self.source_branch,
            base_branch=self.target_branch,
            draft=self.draft,
            labels=self.labels,
            merged_rev=Rev(merged) if state == "merged" and merged else None,
            mergeable=None if self.status in _THINKING else self.status not in _CONFLICTS,
        )


class _Project(msgspec.Struct, frozen=True):
    archived: bool = False


class _User(msgspec.Struct, frozen=True):
    id: int
    username: str = ""


class _Approvals(msgspec.Struct, frozen=True):
    approved_by: tuple[msgspec.Raw, ...] = ()


class GitLab(Adapter):
    """One GitLab."""

    kind: ForgeKind = "gitlab"

    def __init__(self, client: Client) -> None:
        """client: calls to the API, with `headers`."""
        super().__init__(client)
        self._users: dict[str, int] = {}
        # Dependencies are told by an id that is none of the pull request's, and comes with every answer about it.
        self._ids: dict[tuple[Project, int], int] = {}
        self._status: dict[str, str] = {}

    def find(self, project: Project, *, head: str, base: str) -> Pull | None:
        """Return the newest merge request from `head` into `base`: an open one if there is one."""
        query: dict[str, str | int] = {
            "state": "all",
            "source_branch": head,
            "target_branch": base,
            "order_by": "created_at",
            "sort": "desc",
            "per_page": PAGE,
        }
        path = f"{_at(project)}/merge_requests"
        seen = list(islice(self._client.each(path, _Pull, query=query), PAGE))
        mine = [pull for pull in seen if _is_from(pull, head, base)]
        found = next((pull for pull in mine if _STATES.get(pull.state) == "open"), None)
        if found is None and len(seen) == PAGE:
            again = self._client.each(path, _Pull, query={**query, "state": "opened"})
            found = next((pull for pull in again if _is_from(pull, head, base)), None)
        found = found or next(iter(mine), None)
        return self._seen(project, found) if found is not None else None

    def get(self, project: Project, number: int) -> Pull:
        """Return one merge request as it is now."""
        return self._seen(project, self._get(project, number))

    def update(self, project: Project, pull: Pull, *, title: str, body: str) -> Pull:
        """Set title and body; a draft stays one."""
        return self._edit(project, pull, {"title": _titled(title, draft=pull.draft), "description": body})

    def reopen(self, project: Project, pull: Pull) -> Pull:
        """Open a closed merge request again."""
        return self._edit(project, pull, {"state_event": "reopen"})

    def close(self, project: Project, pull: Pull, *, body: str | None = None) -> Pull:
        """Close an open merge request without merging it. body: its new text; None: it stays."""
        more = {} if body is None else {"description": body}
        return self._edit(project, pull, {"state_event": "close", **more})

    def dress(self, project: Project, pull: Pull, *, labels: Sequence[str], reviewers: Sequence[str]) -> Pull:
        """Add the labels that it has not; those of a new one, and its reviewers, have been told when it was opened."""
        missing = [label for label in labels if label not in pull.labels]
        return self._edit(project, pull, {"add_labels": missing}) if missing else pull

    def standing(self, project: Project, pull: Pull) -> Standing:
        """Return the state of its newest pipeline, and of its reviews."""
        now = self._get(project, pull.number)
        checks = _CHECKS.get(now.head_pipeline.status, "pending") if now.head_pipeline is not None else "none"
        if now.status == "requested_changes":
            return Standing(checks, "changes-requested")
        path = f"{_at(project)}/merge_requests/{pull.number}/approvals"
        approvals = self._client.call("GET", path, _Approvals)
        return Standing(checks, "approved" if approvals.approved_by else "none")

    def depend(self, project: Project, pull: Pull, on: Sequence[tuple[Project, Pull]]) -> None:
        """Let it be blocked by others on this server, where the licence has that; a dependency that is there stays."""
        path = f"{_at(project)}/merge_requests/{pull.number}/blocks"
        for other, upstream in on:
            if other.host != project.host:
                continue
            known = self._ids.get((other, upstream.number))
            blocking = known if known is not None else self._get(other, upstream.number).id
            try:
                self._client.tell("POST", path, query={"blocking_merge_request_id": blocking}, again=True)
            except Refused as refusal:
                if refusal.status in (403, 404):
                    return
                if refusal.status not in (400, 409, 422):
                    raise

    def compare_url(self, project: Project, old: Rev, new: Rev) -> str:
        """Return the page that shows what lies between two commits."""
        return f"https://{project.host}/{repository(project.path)}/-/compare/{old}...{new}"

    def _get(self, project: Project, number: int) -> _Pull:
        return self._client.call("GET", f"{_at(project)}/merge_requests/{number}", _Pull)

    def _seen(self, project: Project, pull: _Pull) -> Pull:
        self._ids[project, pull.iid] = pull.id
        self._status[pull.web_url] = pull.status
        return pull.value()

    def _edit(self, project: Project, pull: Pull, body: dict[str, object]) -> Pull:
        return self._write(project, "PUT", f"{_at(project)}/merge_requests/{pull.number}", body)

    def _write(self, project: Project, method: str, path: str, body: dict[str, object]) -> Pull:
        try:
            return self._seen(project, self._client.call(method, path, _Pull, body=body))
        except Refused as refusal:
            # "403 Forbidden" is all it says, of missing rights and of an archive.
            if refusal.status == 403 and self._client.call("GET", _at(project), _Project).archived:
                words = f"{self._client.host}: {project.path} is archived: nothing can be changed there"
                raise ForgeError("forge-archived", words) from None
            raise

    def _open(self, project: Project, new: NewPull) -> Pull:
        body: dict[str, object] = {
            "title": _titled(new.title, draft=new.draft),
            "description": new.body,
            "source_branch": new.head_branch,
            "target_branch": new.base_branch,
        }
        if new.labels:
            body["labels"] = list(new.labels)
        if new.reviewers:
            body["reviewer_ids"] = [self._user(name) for name in new.reviewers]
        return self._write(project, "POST", f"{_at(project)}/merge_requests", body)

    def _user(self, name: str) -> int:
        """Return the number of a person, asked once per host."""
        if name not in self._users:
            found = self._client.call("GET", "/users", list[_User], query={"username": name})
            if not found:
                raise ForgeError("forge", f"{self._client.host}: there is no user `{name}` to review")
            self._users[name] = found[0].id
        return self._users[name]

    def _is_double(self, refusal: Refused) -> bool:
        return refusal.status == 409

    def _merge(self, project: Project, pull: Pull, head: Rev, method: MergeMethod) -> Pull:
        body: dict[str, object] = {"sha": head}
        if method != "default":
            body["squash"] = method == "squash"
        path = f"{_at(project)}/merge_requests/{pull.number}/merge"
        try:
            merged = self._write(project, "PUT", path, body)
        except Refused as refusal:
            if refusal.status == 401:
                # It knows the token, or it would not have shown the merge request.
                raise ForgeError("forge-rights", f"{pull.url}: the token may not merge it") from None
            raise
        if merged.state != "merged":
            raise ForgeError("forge", f"{merged.url}: GitLab has taken the merge, and not carried it out yet")
        return replace(merged, head=head)

    def _not_yet(self, refusal: Refused, now: Pull) -> bool:
        return now.mergeable is None

    def _why_not(self, refusal: ForgeError, now: Pull) -> ForgeError:
        status = self._status.get(now.url, "")
        if now.state != "open" or status in _READY | _THINKING:
            return super()._why_not(refusal, now)
        words = f"{now.url} cannot be merged: {status.replace('_', ' ')}"
        if status in _CONFLICTS:
            return ForgeError("forge-conflict", words, hint="`flakesync sync` makes the branch anew from its base")
        return ForgeError("forge-protected", words)


def _at(project: Project) -> str:
    return f"/projects/{segment(project.path)}"


def _is_from(pull: _Pull, head: str, base: str) -> bool:
    """Tell whether it is between these branches of one project; forks come with the same branches."""
    return (pull.source_branch, pull.target_branch) == (head, base) and pull.source_project_id == pull.target_project_id


def _titled(title: str, *, draft: bool) -> str:
    return f"{DRAFT}{title}" if draft else title
