"""Forgejo and Gitea: their API v1. Labels go by number there, and a draft is a title that begins with `WIP:`."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice

import msgspec

from flakesync.forge.adapter import Adapter, reviewers_body
from flakesync.forge.addresses import repository, segment
from flakesync.forge.http import Client, Query
from flakesync.forge.model import Checks, ForgeKind, MergeMethod, NewPull, Project, Pull, Reviews, Standing
from flakesync.forge.refusal import Refused
from flakesync.terms import Rev

PAGE = 50
"""As many as a server gives at a time, unless it has been told otherwise."""
DRAFT = "WIP: "

_DRAFTS = ("WIP:", "[WIP]", "Draft:")
_LABEL_COLOUR = "#0e8a16"
_STYLES = frozenset({"merge", "rebase", "rebase-merge", "squash", "fast-forward-only"})
_DO: dict[MergeMethod, str] = {
    "merge": "merge",
    "squash": "squash",
    "rebase": "rebase",
    "fast-forward": "fast-forward-only",
}
_CHECKS: dict[str, Checks] = {
    "success": "passed",
    "warning": "passed",
    "skipped": "passed",
    "error": "failed",
    "failure": "failed",
}


def headers(token: str) -> dict[str, str]:
    """Return the headers of every call."""
    return {"Authorization": f"token {token}", "Accept": "application/json"}


class _Branch(msgspec.Struct, frozen=True):
    ref: str
    label: str = ""
    sha: str = ""
    repo_id: int = 0

    @property
    def name(self) -> str:
        # `ref` of a branch that is gone is refs/pull/N/head.
        return self.label if self.ref.startswith("refs/") else self.ref


class _Label(msgspec.Struct, frozen=True):
    id: int
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
    labels: tuple[_Label, ...] | None = None
    merged: bool = False
    merge_commit_sha: str | None = None
    mergeable: bool | None = None

    def value(self) -> Pull:
        return Pull(
            number=self.number,
            url=self.html_url,
            state="merged" if self.merged else "open" if self.state == "open" else "closed",
            title=_untitled(self.title) if self.draft else self.title,
            body=self.body or "",
            head=Rev(self.head.sha),
            head_branch=self.head.name,
            base_branch=self.base.name,
            draft=self.draft,
            labels=tuple(label.name for label in self.labels or ()),
            merged_rev=Rev(self.merge_commit_sha) if self.merged and self.merge_commit_sha else None,
            mergeable=self.mergeable,
        )


class _Repo(msgspec.Struct, frozen=True):
    default_merge_style: str = "merge"


class _Status(msgspec.Struct, frozen=True):
    state: str = ""
    total_count: int = 0


class _User(msgspec.Struct, frozen=True):
    login: str


class _Review(msgspec.Struct, frozen=True):
    state: str
    dismissed: bool = False
    user: _User | None = None


class Forgejo(Adapter):
    """One Forgejo or Gitea."""

    kind: ForgeKind = "forgejo"

    def __init__(self, client: Client) -> None:
        """client: calls to the API, with `headers`."""
        super().__init__(client)
        self._shared_labels: dict[str, dict[str, int]] = {}

    def find(self, project: Project, *, head: str, base: str) -> Pull | None:
        """Return the newest pull request from `head` into `base`: an open one if there is one.

        Forgejo filters by both. Gitea and old Forgejo pass over that and list all, newest first: there the one that
        they know by both branches, which may be the oldest, tells at least whether to go on looking.
        """
        query: Query = {"state": "all", "base": base, "head": head, "limit": PAGE}
        listed = self._client.each(f"{_at(project)}/pulls", _Pull, query=query)
        seen = list(islice(listed, PAGE))
        mine = [pull for pull in seen if _is_from(pull, head, base)]
        found = next((pull for pull in mine if pull.state == "open"), None)
        if found is None and len(seen) == PAGE:
            known = self._known(project, head, base)
            if known is not None and known.state != "open" and not mine:
                known = next((pull for pull in listed if _is_from(pull, head, base)), known)
            found = known if known is not None and (known.state == "open" or not mine) else None
        found = found or next(iter(mine), None)
        return found.value() if found is not None else None

    def get(self, project: Project, number: int) -> Pull:
        """Return one pull request as it is now."""
        return self._client.call("GET", f"{_at(project)}/pulls/{number}", _Pull).value()

    def update(self, project: Project, pull: Pull, *, title: str, body: str) -> Pull:
        """Set title and body; a draft stays one."""
        return self._edit(project, pull, {"title": _titled(title, draft=pull.draft), "body": body})

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
            numbers = self._label_numbers(project, missing)
            self._client.tell("POST", path, body={"labels": numbers}, again=True)
            pull = replace(pull, labels=(*pull.labels, *missing))
        if reviewers:
            path = f"{_at(project)}/pulls/{pull.number}/requested_reviewers"
            self._client.tell("POST", path, body=reviewers_body(reviewers), again=True)
        return pull

    def standing(self, project: Project, pull: Pull) -> Standing:
        """Return the state of its checks and reviews."""
        status = self._client.call("GET", f"{_at(project)}/commits/{pull.head}/status", _Status)
        checks = _CHECKS.get(status.state, "pending") if status.total_count else "none"
        path = f"{_at(project)}/pulls/{pull.number}/reviews"
        return Standing(checks, _opinion(self._client.each(path, _Review, query={"limit": PAGE})))

    def depend(self, project: Project, pull: Pull, on: Sequence[tuple[Project, Pull]]) -> None:
        """Do nothing: issues can depend on each other here, which is off in many places; the body says it all."""

    def compare_url(self, project: Project, old: Rev, new: Rev) -> str:
        """Return the page that shows what lies between two commits."""
        return f"https://{project.host}/{repository(project.path)}/compare/{old}...{new}"

    def _known(self, project: Project, head: str, base: str) -> _Pull | None:
        try:
            return self._client.call("GET", f"{_at(project)}/pulls/{segment(base)}/{segment(head)}", _Pull)
        except Refused as refusal:
            if refusal.status == 404:
                return None
            raise

    def _edit(self, project: Project, pull: Pull, body: dict[str, object]) -> Pull:
        return self._client.call("PATCH", f"{_at(project)}/pulls/{pull.number}", _Pull, body=body).value()

    def _open(self, project: Project, new: NewPull) -> Pull:
        body: dict[str, object] = {
            "title": _titled(new.title, draft=new.draft),
            "body": new.body,
            "head": new.head_branch,
            "base": new.base_branch,
        }
        if new.labels:
            body["labels"] = self._label_numbers(project, new.labels)
        return self._client.call("POST", f"{_at(project)}/pulls", _Pull, body=body).value()

    def _label_numbers(self, project: Project, names: Sequence[str]) -> list[int]:
        """Return the numbers of labels: of the repository, else of its organisation, else of new ones."""
        path = f"{_at(project)}/labels"
        known = {label.name: label.id for label in self._client.each(path, _Label, query={"limit": PAGE})}
        if not known.keys() >= set(names):
            known = {**self._labels_of_owner(project), **known}
        for name in names:
            if name not in known:
                body = {"name": name, "color": _LABEL_COLOUR}
                known[name] = self._client.call("POST", path, _Label, body=body).id
        return [known[name] for name in names]

    def _labels_of_owner(self, project: Project) -> dict[str, int]:
        owner = project.path.partition("/")[0]
        if owner not in self._shared_labels:
            try:
                listed = self._client.each(f"/orgs/{segment(owner)}/labels", _Label, query={"limit": PAGE})
                self._shared_labels[owner] = {label.name: label.id for label in listed}
            except Refused as refusal:
                if refusal.status not in (403, 404):
                    raise
                self._shared_labels[owner] = {}
        return self._shared_labels[owner]

    def _is_double(self, refusal: Refused) -> bool:
        return refusal.status == 409

    def _merge(self, project: Project, pull: Pull, head: Rev, method: MergeMethod) -> Pull:
        way = self._default_style(project) if method == "default" else _DO[method]
        path = f"{_at(project)}/pulls/{pull.number}/merge"
        self._client.tell("POST", path, body={"Do": way, "head_commit_id": head})
        merged = self.get(project, pull.number)
        return replace(merged, head=head)

    def _default_style(self, project: Project) -> str:
        style = self._client.call("GET", _at(project), _Repo).default_merge_style
        return style if style in _STYLES else "merge"

    def _not_yet(self, refusal: Refused, now: Pull) -> bool:
        # "Please try again later" is said of a conflict too: after a while it is one. The other comes of two merges.
        return "try again later" in refusal.words or "push out of date" in refusal.words


def _at(project: Project) -> str:
    return f"/repos/{repository(project.path)}"


def _is_from(pull: _Pull, head: str, base: str) -> bool:
    """Tell whether it is between these branches of one repository (a head that is gone is in none: -1)."""
    if (pull.head.name, pull.base.name) != (head, base):
        return False
    return pull.head.repo_id in (pull.base.repo_id, -1)


def _titled(title: str, *, draft: bool) -> str:
    return f"{DRAFT}{title}" if draft else title


def _untitled(title: str) -> str:
    for prefix in _DRAFTS:
        if title.lower().startswith(prefix.lower()):
            return title[len(prefix) :].lstrip()
    return title


def _opinion(reviews: Iterable[_Review]) -> Reviews:
    """Return what the reviews come to: of each person, or team, the last that was more than a comment."""
    last: dict[str, str] = {}
    for review in reviews:
        who = review.user.login if review.user is not None else ""
        if review.state in ("APPROVED", "REQUEST_CHANGES"):
            last[who] = "" if review.dismissed else review.state
    if "REQUEST_CHANGES" in last.values():
        return "changes-requested"
    return "approved" if "APPROVED" in last.values() else "none"
