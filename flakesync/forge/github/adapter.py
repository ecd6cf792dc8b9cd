"""GitHub, and GitHub Enterprise Server: the REST API of version 2022-11-28, GraphQL where REST does not tell."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import msgspec

from flakesync.forge.adapter import authorization, find_newest
from flakesync.forge.answers import Meaning
from flakesync.forge.client import Client, Query
from flakesync.forge.github.activity import Activity
from flakesync.forge.github.answers import ANSWERS
from flakesync.forge.github.commit_checks import read_runs, read_statuses
from flakesync.forge.github.graphql import GraphQL
from flakesync.forge.github.many import Many
from flakesync.forge.github.merging import Merging
from flakesync.forge.limits.budget import Made
from flakesync.forge.model import (
    Check,
    ForgeError,
    MergeMethod,
    MergeStatus,
    NewPull,
    Project,
    Pull,
    PullQuestion,
    Push,
    Waiting,
)
from flakesync.forge.pushes import newest_pushes
from flakesync.forge.refusals import Refused
from flakesync.forge.repos_adapter import ReposAdapter
from flakesync.terms import Rev

PAGE = 100

_MADE = {60.0: 80, 3600.0: 500}
"""How much content may be made, in seconds: docs.github.com, rate limits for the REST API, secondary rate limits.

Counted is what notifies people, as Octokit's plugin-throttling does: to open, to merge, to ask for a review.
"""


class _Repo(msgspec.Struct, frozen=True):
    id: int = 0


class _Branch(msgspec.Struct, frozen=True):
    ref: str
    sha: str
    # None: the fork has been deleted.
    repo: _Repo | msgspec.UnsetType | None = msgspec.UNSET


class _Label(msgspec.Struct, frozen=True):
    name: str


class _Pull(msgspec.Struct, frozen=True):
    number: int
    html_url: str
    state: str
    title: str
    head: _Branch
    base: _Branch
    node_id: str = ""
    body: str | None = None
    draft: bool = False
    labels: tuple[_Label, ...] = ()
    merged_at: str | None = None
    # Of an open pull request it is a trial merge, of a merged one the commit on the base.
    merge_commit_sha: str | None = None
    mergeable: bool | None = None

    def value(self) -> Pull:
        merged = self.merged_at is not None
        return Pull(
            number=self.number,
            url=self.html_url,
            state="merged" if merged else "open" if self.state == "open" else "closed",
            title=self.title,
            body=self.body or "",
            head=Rev(self.head.sha),
            head_branch=self.head.ref,
            base_branch=self.base.ref,
            draft=self.draft,
            labels=tuple(label.name for label in self.labels),
            merged_rev=Rev(self.merge_commit_sha) if merged and self.merge_commit_sha else None,
            mergeable=self.mergeable,
            key=self.node_id,
        )


class _Merged(msgspec.Struct, frozen=True):
    sha: str


class _Project(msgspec.Struct, frozen=True):
    # Left out for those who may not push.
    allow_merge_commit: bool = True
    allow_squash_merge: bool = True
    allow_rebase_merge: bool = True


class GitHub(ReposAdapter):
    """One GitHub."""

    kind = "github"
    answers = ANSWERS

    def __init__(self, client: Client) -> None:
        """client: calls to the API, with `headers`."""
        super().__init__(client)
        if client.host == "github.com" or client.host.endswith(".ghe.com"):  # an Enterprise Server has none by itself
            client.limits.made = Made(_MADE)
        graphql = GraphQL(client)
        self._merging = Merging(self._at, graphql)
        self._many = Many(graphql)

    @staticmethod
    def headers(token: str) -> dict[str, str]:
        """Return the headers of every call."""
        return {
            **authorization("Bearer", token),
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        }

    def find(self, project: Project, *, head: str, base: str) -> Pull | None:
        """Return the newest pull request from `head` into `base`: an open one if there is one."""
        return find_newest(lambda only_open: self._list(project, head, base, "open" if only_open else "all"), PAGE)

    @property
    def at_once(self) -> int:
        """How many pull requests GraphQL is asked for by one call."""
        return self._many.at_once

    def find_many(self, questions: Sequence[PullQuestion]) -> Mapping[PullQuestion, Pull | None]:
        """Look many pull requests up by one call, where GraphQL answers."""
        return self._many.find(questions)

    def find_statuses(
        self, pulls: Sequence[tuple[Project, Pull]]
    ) -> Mapping[tuple[Project, int], tuple[Pull, MergeStatus]]:
        """Return what `get` and `merge_status` tell of open pull requests, fifty by one call where GraphQL answers."""
        found: dict[tuple[Project, int], tuple[Pull, MergeStatus]] = {}
        for project, pull, state in self._many.states(pulls):
            now = replace(pull, mergeable=state.can_be_merged)
            with suppress(ForgeError):  # what REST was to tell of it: it is asked for alone
                found[project, pull.number] = now, self._merging.by_state(project, now, state)
        return found

    def get(self, project: Project, number: int) -> Pull:
        """Return one pull request as it is now."""
        return self._at.call(project, "GET", f"/pulls/{number}", _Pull).value()

    def update(self, project: Project, pull: Pull, *, title: str, body: str) -> Pull:
        """Set title and body."""
        return self._edit(project, pull, {"title": title, "body": body})

    def merge_status(self, project: Project, pull: Pull) -> MergeStatus:
        """Return the state of its checks (statuses and check runs) and reviews, and whether it is in a queue."""
        return self._merging.merge_status(project, pull)

    def pushes(self, project: Project, branch: str, *, since: int) -> Sequence[Push]:
        """Return how a branch was moved: by pushes, forced or not, by merges of pull requests and of merge queues."""
        # Of types only one could be asked for, so all come, and this branch's deletions with them.
        query: Query = {"ref": f"refs/heads/{branch}", "per_page": PAGE}
        listed = self._at.each(project, "/activity", Activity, lambda _: query)
        return newest_pushes((each.event(branch) for each in listed), PAGE, since=since)

    def commit_checks(self, project: Project, rev: Rev) -> Sequence[Check]:
        """Return the newest status of each context, and the newest check run of each name."""
        return [*read_statuses(self._at, project, rev), *read_runs(self._at, project, rev)]

    def depend(self, project: Project, pull: Pull, on: Sequence[tuple[Project, Pull]]) -> None:
        """Do nothing: GitHub knows no order among pull requests."""

    def _list(self, project: Project, head: str, base: str, state: str) -> Iterator[Pull | None]:
        def query(home: Project) -> Query:
            # Without its owner the head would not be looked at.
            owner = home.path.partition("/")[0]
            return {
                "state": state,
                "head": f"{owner}:{head}",
                "base": base,
                "sort": "created",
                "direction": "desc",
                "per_page": PAGE,
            }

        listed = self._at.each(project, "/pulls", _Pull, query)
        return (pull.value() if _is_from(pull, head, base) else None for pull in listed)

    def _edit(self, project: Project, pull: Pull, body: dict[str, object]) -> Pull:
        return self._at.call(project, "PATCH", f"/pulls/{pull.number}", _Pull, body=body).value()

    def _label_keys(self, project: Project, names: Sequence[str]) -> Sequence[str | int]:
        return names

    def _open(self, project: Project, new: NewPull) -> Pull:
        body = {
            "title": new.title,
            "body": new.body,
            "head": new.head_branch,
            "base": new.base_branch,
            "draft": new.draft,
        }
        return self._at.call(project, "POST", "/pulls", _Pull, body=body, makes=True).value()

    def _is_double(self, refusal: Refused) -> bool:
        return refusal.status == 422 and "already exists" in refusal.words.lower()

    def _ways(self, project: Project, method: MergeMethod) -> Sequence[str]:
        if method == "fast-forward":
            message = f"{self._client.host}: pull requests cannot be merged by {method}"
            raise ForgeError("forge-method", message, hint="merge-method: `merge`, `squash`, `rebase` or `default`")
        if method != "default":
            return [method]
        found = self._at.call(project, "GET", "", _Project)
        ways = {
            "merge": found.allow_merge_commit, "squash": found.allow_squash_merge, "rebase": found.allow_rebase_merge,
        }  # fmt: skip
        return [way for way, is_allowed in ways.items() if is_allowed] or ["merge"]

    def _merge(self, project: Project, pull: Pull, head: Rev, way: str) -> Pull | Waiting:
        if self._merging.has_queue(project, pull.base_branch):
            return self._merging.join_queue(replace(pull, head=head), "its base has a merge queue")
        body = {"sha": head, "merge_method": way}
        merged = self._at.call(project, "PUT", f"/pulls/{pull.number}/merge", _Merged, body=body, makes=True)
        return replace(pull, state="merged", head=head, merged_rev=Rev(merged.sha))

    def _settle(self, project: Project, now: Pull, refusal: Refused) -> Meaning:
        if now.mergeable and not now.draft and self._merging.is_behind(project, now):
            return "behind"
        return super()._settle(project, now, refusal)

    def _detail(self, project: Project, now: Pull, means: Meaning, words: str) -> str:
        return self._merging.detail(project, now, means, words)

    def _queue(self, project: Project, now: Pull, words: str) -> Waiting:
        return self._merging.join_queue(now, words)


def _is_from(pull: _Pull, head: str, base: str) -> bool:
    """Tell whether it is between these branches of one repository: the owner may have a fork with the same branches."""
    return (pull.head.ref, pull.base.ref) == (head, base) and pull.head.repo == pull.base.repo
