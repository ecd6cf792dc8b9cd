"""GitLab: the REST API v4. A pull request is a merge request there, and its number the `iid`.

Whether a merge makes a merge commit or moves the branch forward is a setting of the project; only squashing is chosen
with each merge.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import msgspec

from flakesync.forge.adapter import Adapter, authorization, find_newest
from flakesync.forge.answers import Meaning
from flakesync.forge.client import Client, Query
from flakesync.forge.gitlab.answers import ANSWERS, STATUSES
from flakesync.forge.gitlab.events import ProjectEvent
from flakesync.forge.gitlab.merging import UNREADABLE, Merging, Pipeline
from flakesync.forge.model import (
    Check,
    ForgeError,
    Home,
    MergeMethod,
    MergeStatus,
    NewPull,
    Project,
    Pull,
    PullState,
    Push,
    Waiting,
)
from flakesync.forge.pushes import newest_pushes
from flakesync.forge.refusals import Refused, refused_with
from flakesync.forge.urls import repository, segment
from flakesync.terms import Rev

PAGE = 100
DRAFT = "Draft: "

_BAD_REQUEST = 400
_STATES: dict[str, PullState] = {"opened": "open", "locked": "open", "merged": "merged", "closed": "closed"}
_SAYS = {
    "ci_must_pass": "no pipeline has passed for this commit yet",
    "ci_still_running": "its pipeline has not ended yet",
    "status_checks_must_pass": "external status checks have not passed yet",
    "not_approved": "an approval is missing",
    "code_owners_approval": "an approval of a code owner is missing",
    "merge_request_blocked": "another merge request has to be merged first",
    "requested_changes": "a reviewer asks for changes",
    "merge_time": "it is not to be merged before the time that is set in it",
    "discussions_not_resolved": "a discussion has to be resolved",
    "commits_status": "its source branch is gone, or has no commits",
}
"""What is said of some values of `detailed_merge_status`; the others speak for themselves."""


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
    head_pipeline: Pipeline | None = None
    merge_error: str | None = None
    # Its new name since 17.11 is auto_merge in requests, and still this in answers.
    merge_when_pipeline_succeeds: bool = False

    @property
    def status(self) -> str:
        """What GitLab thinks of a merge, in lower case; `detailed_merge_status` is there since 15.6."""
        return (self.detailed_merge_status or self.merge_status).lower()

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
            mergeable=_mergeable(STATUSES.get(self.status, "person")),
            key=str(self.id),
            merge_state=self.status,
            merge_error=self.merge_error or "",
        )


class _Project(msgspec.Struct, frozen=True):
    path_with_namespace: str
    archived: bool | None = None


class _User(msgspec.Struct, frozen=True):
    id: int
    username: str = ""


class _Approvals(msgspec.Struct, frozen=True):
    approved_by: tuple[msgspec.Raw, ...] = ()


class GitLab(Adapter):
    """One GitLab."""

    kind = "gitlab"
    answers = ANSWERS

    def __init__(self, client: Client) -> None:
        """client: calls to the API, with `headers`."""
        super().__init__(client)
        self._users: dict[str, int] = {}
        self._merging = Merging(self._at)

    @staticmethod
    def headers(token: str) -> dict[str, str]:
        """Return the headers of every call; personal, project, group and OAuth tokens all go this way."""
        return {**authorization("Bearer", token), "Accept": "application/json"}

    def find(self, project: Project, *, head: str, base: str) -> Pull | None:
        """Return the newest merge request from `head` into `base`: an open one if there is one."""
        return find_newest(lambda only_open: self._list(project, head, base, "opened" if only_open else "all"), PAGE)

    def get(self, project: Project, number: int) -> Pull:
        """Return one merge request as it is now."""
        return self._get(project, number).value()

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

    def add_labels(self, project: Project, pull: Pull, *, labels: Sequence[str], reviewers: Sequence[str]) -> Pull:
        """Add the labels that it has not; those of a new one, and its reviewers, have been told when it was opened."""
        missing = [label for label in labels if label not in pull.labels]
        return self._edit(project, pull, {"add_labels": missing}) if missing else pull

    def merge_status(self, project: Project, pull: Pull) -> MergeStatus:
        """Return the state of the pipeline of exactly this commit, of its reviews, and whether it is on a train."""
        now = self._get(project, pull.number)
        merge_status = self._merging.pipeline(project, pull, now.head_pipeline)
        if now.merge_when_pipeline_succeeds:
            waiting = Waiting("queue", "auto-merge is on: GitLab merges it when its pipeline succeeds")
            merge_status = replace(merge_status, waiting=waiting)
        elif merge_status.waiting is None:
            merge_status = replace(merge_status, waiting=self._merging.on_train(project, pull))
        if now.status == "requested_changes":
            return replace(merge_status, reviews="changes-requested")
        return replace(merge_status, reviews="approved" if self._is_approved(project, pull) else "none")

    def pushes(self, project: Project, branch: str, *, since: int) -> Sequence[Push]:
        """Return how a branch was moved, as the events of the project tell it; those of other branches come along."""
        query: Query = {"action": "pushed", "per_page": PAGE}
        listed = self._at.each(project, "/events", ProjectEvent, lambda _: query)
        return newest_pushes((each.event(branch) for each in listed), PAGE, since=since)

    def commit_checks(self, project: Project, rev: Rev) -> Sequence[Check]:
        """Return the newest result of each job and external status, and that of the newest pipeline, as `pipeline`."""
        return self._merging.commit_checks(project, rev)

    def depend(self, project: Project, pull: Pull, on: Sequence[tuple[Project, Pull]]) -> None:
        """Let it be blocked by others on this server, where the licence has that; a dependency that is there stays."""
        for other, upstream in on:
            if other.host != project.host:
                continue
            # The other is told by an id that is unique on the server.
            query: Query = {"blocking_merge_request_id": int(upstream.key or self._get(other, upstream.number).id)}
            try:
                self._at.tell(project, "POST", f"/merge_requests/{pull.number}/blocks", query=query, again=True)
            except Refused as refusal:
                if refusal.status in (403, 404):
                    return
                if refusal.status not in (400, 409, 422):
                    raise

    def compare_url(self, project: Project, old: Rev, new: Rev) -> str:
        """Return the page that shows what lies between two commits."""
        return f"https://{project.host}/{repository(project.path)}/-/compare/{old}...{new}"

    @staticmethod
    def _root(project: Project) -> str:
        return f"/projects/{segment(project.path)}"

    @staticmethod
    def _find_home(client: Client, project: Project) -> Home:
        found = client.call("GET", GitLab._root(project), _Project)
        return Home(replace(project, path=found.path_with_namespace), found.archived)

    def _list(self, project: Project, head: str, base: str, state: str) -> Iterator[Pull | None]:
        query: Query = {
            "state": state,
            "source_branch": head,
            "target_branch": base,
            "order_by": "created_at",
            "sort": "desc",
            "per_page": PAGE,
        }
        listed = self._at.each(project, "/merge_requests", _Pull, lambda _: query)
        return (pull.value() if _is_from(pull, head, base) else None for pull in listed)

    def _get(self, project: Project, number: int) -> _Pull:
        return self._at.call(project, "GET", f"/merge_requests/{number}", _Pull)

    def _edit(self, project: Project, pull: Pull, body: dict[str, object]) -> Pull:
        return self._write(project, "PUT", f"/merge_requests/{pull.number}", body)

    def _write(self, project: Project, method: str, rest: str, body: dict[str, object]) -> Pull:
        try:
            return self._at.call(project, method, rest, _Pull, body=body).value()
        except Refused as refusal:
            # "403 Forbidden" is all it says, of missing rights and of an archive.
            if refusal.status == 403 and self._at.call(project, "GET", "", _Project).archived:
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
        return self._write(project, "POST", "/merge_requests", body)

    def _is_approved(self, project: Project, pull: Pull) -> bool:
        """Tell whether somebody approves of it; how many have to is known to the paid tiers alone."""
        with refused_with(*UNREADABLE):
            found = self._at.call(project, "GET", f"/merge_requests/{pull.number}/approvals", _Approvals)
            return bool(found.approved_by)
        return False

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

    def _ways(self, project: Project, method: MergeMethod) -> Sequence[str]:
        # What a merge makes is a setting of the project; whether it squashes is all that can be chosen.
        return [method]

    def _merge(self, project: Project, pull: Pull, head: Rev, way: str) -> Pull | Waiting:
        body: dict[str, object] = {"sha": head}
        if way != "default":
            body["squash"] = way == "squash"
        if self._merging.has_train(project):
            return self._merging.join_train(project, pull, body)
        merged = self._write(project, "PUT", f"/merge_requests/{pull.number}/merge", body)
        return replace(merged, head=head)

    def _settle(self, project: Project, now: Pull, refusal: Refused) -> Meaning:
        if now.merge_state == "ci_must_pass" and self.merge_status(project, now).checks == "failed":
            return "checks-failed"
        means = STATUSES.get(now.merge_state, "person")
        if means != "state":
            return means
        # Nothing is against it, and yet it was not merged: what it was refused for has gone, unless GitLab says more.
        return "person" if now.merge_error or refusal.status == _BAD_REQUEST else "computing"

    def _detail(self, project: Project, now: Pull, means: Meaning, words: str) -> str:
        status, error = now.merge_state, now.merge_error
        if STATUSES.get(status) == "state":
            return error or words
        return _SAYS.get(status, error or status.replace("_", " ") or words)


def _mergeable(means: Meaning) -> bool | None:
    return None if means == "computing" else means not in ("conflict", "behind")


def _is_from(pull: _Pull, head: str, base: str) -> bool:
    """Tell whether it is between these branches of one project; forks come with the same branches."""
    return (pull.source_branch, pull.target_branch) == (head, base) and pull.source_project_id == pull.target_project_id


def _titled(title: str, *, draft: bool) -> str:
    return f"{DRAFT}{title}" if draft else title
