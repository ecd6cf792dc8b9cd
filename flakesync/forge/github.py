"""GitHub, and GitHub Enterprise Server: the REST API of version 2022-11-28."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice

import msgspec

from flakesync.forge.adapter import Adapter, no_method, reviewers_body
from flakesync.forge.addresses import repository
from flakesync.forge.http import Query
from flakesync.forge.model import Checks, ForgeKind, MergeMethod, NewPull, Project, Pull, Reviews, Standing
from flakesync.forge.refusal import Refused
from flakesync.terms import Rev

PAGE = 100
_RUN_PAGES = 50
_STATUSES: dict[str, Checks] = {"success": "passed", "pending": "pending"}
_GOOD = frozenset({"success", "neutral", "skipped"})


def headers(token: str) -> dict[str, str]:
    """Return the headers of every call."""
    return {
        "Authorization": f"Bearer {token}",
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
    }


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
        )


class _Merged(msgspec.Struct, frozen=True):
    sha: str


class _Methods(msgspec.Struct, frozen=True):
    # Left out for those who may not push.
    allow_merge_commit: bool = True
    allow_squash_merge: bool = True
    allow_rebase_merge: bool = True


class _Status(msgspec.Struct, frozen=True):
    state: str
    total_count: int = 0


class _Run(msgspec.Struct, frozen=True):
    status: str
    conclusion: str | None = None


class _Runs(msgspec.Struct, frozen=True):
    check_runs: tuple[_Run, ...] = ()


class _User(msgspec.Struct, frozen=True):
    login: str


class _Review(msgspec.Struct, frozen=True):
    state: str
    user: _User | None = None


class GitHub(Adapter):
    """One GitHub."""

    kind: ForgeKind = "github"

    def find(self, project: Project, *, head: str, base: str) -> Pull | None:
        """Return the newest pull request from `head` into `base`: an open one if there is one."""
        owner = project.path.partition("/")[0]
        query: dict[str, str | int] = {
            "state": "all",
            "head": f"{owner}:{head}",
            "base": base,
            "sort": "created",
            "direction": "desc",
            "per_page": PAGE,
        }
        seen = list(islice(self._client.each(f"{_at(project)}/pulls", _Pull, query=query), PAGE))
        mine = [pull for pull in seen if _is_from(pull, head, base)]
        found = next((pull for pull in mine if pull.state == "open"), None)
        if found is None and len(seen) == PAGE:
            # An old one that was opened again may lie far behind the ones of a hundred nights.
            again = self._client.each(f"{_at(project)}/pulls", _Pull, query={**query, "state": "open"})
            found = next((pull for pull in again if _is_from(pull, head, base)), None)
        found = found or next(iter(mine), None)
        return found.value() if found is not None else None

    def get(self, project: Project, number: int) -> Pull:
        """Return one pull request as it is now."""
        return self._client.call("GET", f"{_at(project)}/pulls/{number}", _Pull).value()

    def update(self, project: Project, pull: Pull, *, title: str, body: str) -> Pull:
        """Set title and body."""
        return self._edit(project, pull, {"title": title, "body": body})

    def reopen(self, project: Project, pull: Pull) -> Pull:
        """Open a closed pull request again."""
        return self._edit(project, pull, {"state": "open"})

    def close(self, project: Project, pull: Pull, *, body: str | None = None) -> Pull:
        """Close an open pull request without merging it. body: its new text; None: it stays."""
        more = {} if body is None else {"body": body}
        return self._edit(project, pull, {"state": "closed", **more})

    def dress(self, project: Project, pull: Pull, *, labels: Sequence[str], reviewers: Sequence[str]) -> Pull:
        """Add the labels that it has not (new ones are made), and ask reviewers: `name`, or a team, `org/team`."""
        missing = [label for label in labels if label not in pull.labels]
        if missing:
            path = f"{_at(project)}/issues/{pull.number}/labels"
            self._client.tell("POST", path, body={"labels": missing}, again=True)
            pull = replace(pull, labels=(*pull.labels, *missing))
        if reviewers:
            path = f"{_at(project)}/pulls/{pull.number}/requested_reviewers"
            self._client.tell("POST", path, body=reviewers_body(reviewers), again=True)
        return pull

    def standing(self, project: Project, pull: Pull) -> Standing:
        """Return the state of its checks (statuses and check runs) and reviews."""
        commit = f"{_at(project)}/commits/{pull.head}"
        status = self._client.call("GET", f"{commit}/status", _Status, query={"per_page": 1})
        told: list[Checks] = [_of_run(run) for run in self._runs(f"{commit}/check-runs")]
        if status.total_count:
            told.append(_STATUSES.get(status.state, "failed"))
        path = f"{_at(project)}/pulls/{pull.number}/reviews"
        reviews = self._client.each(path, _Review, query={"per_page": PAGE})
        return Standing(worst(told), _opinion(reviews))

    def depend(self, project: Project, pull: Pull, on: Sequence[tuple[Project, Pull]]) -> None:
        """Do nothing: GitHub knows no order among pull requests."""

    def compare_url(self, project: Project, old: Rev, new: Rev) -> str:
        """Return the page that shows what lies between two commits."""
        return f"https://{project.host}/{repository(project.path)}/compare/{old}...{new}"

    def _edit(self, project: Project, pull: Pull, body: dict[str, object]) -> Pull:
        return self._client.call("PATCH", f"{_at(project)}/pulls/{pull.number}", _Pull, body=body).value()

    def _runs(self, path: str) -> list[_Run]:
        found: list[_Run] = []
        for number in range(1, _RUN_PAGES + 1):
            query: Query = {"filter": "latest", "per_page": PAGE, "page": number}
            page = self._client.call("GET", path, _Runs, query=query).check_runs
            found += page
            if len(page) < PAGE:
                break
        return found

    def _open(self, project: Project, new: NewPull) -> Pull:
        body = {
            "title": new.title,
            "body": new.body,
            "head": new.head_branch,
            "base": new.base_branch,
            "draft": new.draft,
        }
        return self._client.call("POST", f"{_at(project)}/pulls", _Pull, body=body).value()

    def _is_double(self, refusal: Refused) -> bool:
        return refusal.status == 422 and "already exists" in refusal.words

    def _merge(self, project: Project, pull: Pull, head: Rev, method: MergeMethod) -> Pull:
        way = self._default_method(project) if method == "default" else method
        if way == "fast-forward":
            raise no_method(self._client.host, "fast-forward", "`merge`, `squash`, `rebase` or `default`")
        path = f"{_at(project)}/pulls/{pull.number}/merge"
        merged = self._client.call("PUT", path, _Merged, body={"sha": head, "merge_method": way})
        return replace(pull, state="merged", head=head, merged_rev=Rev(merged.sha))

    def _default_method(self, project: Project) -> MergeMethod:
        allowed = self._client.call("GET", _at(project), _Methods)
        if allowed.allow_merge_commit:
            return "merge"
        return "squash" if allowed.allow_squash_merge else "rebase"

    def _not_yet(self, refusal: Refused, now: Pull) -> bool:
        # "Base branch was modified. Review and try the merge again.": another merge has just gone in.
        return now.mergeable is None or "try the merge again" in refusal.words


def _at(project: Project) -> str:
    return f"/repos/{repository(project.path)}"


def _is_from(pull: _Pull, head: str, base: str) -> bool:
    """Tell whether it is between these branches of one repository: the owner may have a fork with the same branches."""
    return (pull.head.ref, pull.base.ref) == (head, base) and pull.head.repo == pull.base.repo


def _of_run(run: _Run) -> Checks:
    if run.status != "completed":
        return "pending"
    return "passed" if run.conclusion in _GOOD else "failed"


def worst(told: Sequence[Checks]) -> Checks:
    """Return what several checks come to: one that failed outweighs one that runs, and that one those that passed."""
    for state in ("failed", "pending", "passed"):
        if state in told:
            return state
    return "none"


def _opinion(reviews: Iterable[_Review]) -> Reviews:
    """Return what the reviews come to: of each person the last that was more than a comment."""
    last: dict[str, str] = {}
    for review in reviews:
        who = review.user.login if review.user is not None else ""
        if review.state in ("APPROVED", "CHANGES_REQUESTED", "DISMISSED"):
            last[who] = review.state
    if "CHANGES_REQUESTED" in last.values():
        return "changes-requested"
    return "approved" if "APPROVED" in last.values() else "none"
