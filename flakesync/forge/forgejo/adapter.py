"""Forgejo and Gitea: their API v1. Labels go by number there, and a draft is a title that begins with `WIP:`."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

import msgspec

from flakesync.forge.adapter import authorization
from flakesync.forge.answers import Meaning
from flakesync.forge.checks import opinion, summary
from flakesync.forge.client import Client, Query
from flakesync.forge.forgejo.answers import ANSWERS
from flakesync.forge.forgejo.feed import FeedItem
from flakesync.forge.forgejo.merging import Merging
from flakesync.forge.model import Check, MergeMethod, MergeStatus, NewPull, Project, Pull, Push
from flakesync.forge.pushes import newest_pushes
from flakesync.forge.refusals import Refused, refused_with
from flakesync.forge.repos_adapter import ReposAdapter
from flakesync.forge.urls import segment
from flakesync.terms import Rev

PAGE = 50
"""As many as a server gives at a time, unless it has been told otherwise."""
DRAFT = "WIP: "

_DRAFTS = ("WIP:", "[WIP]", "Draft:")
_LABEL_COLOUR = "#0e8a16"
_DO: dict[MergeMethod, str] = {
    "merge": "merge",
    "squash": "squash",
    "rebase": "rebase",
    "fast-forward": "fast-forward-only",
}
_STUMBLED = 500


class _Side(msgspec.Struct, frozen=True):
    ref: str
    label: str = ""
    sha: str = ""
    repo_id: int = 0

    @property
    def is_gone(self) -> bool:
        # `ref` of a branch that is gone is refs/pull/N/head.
        return self.ref.startswith("refs/")

    @property
    def name(self) -> str:
        return self.label if self.is_gone else self.ref


class _Label(msgspec.Struct, frozen=True):
    id: int
    name: str


class _Pull(msgspec.Struct, frozen=True):
    number: int
    html_url: str
    state: str
    title: str
    head: _Side
    base: _Side
    body: str | None = None
    draft: bool = False
    labels: tuple[_Label, ...] | None = None
    merged: bool = False
    merge_commit_sha: str | None = None
    mergeable: bool | None = None
    merge_base: str = ""

    @property
    def is_behind(self) -> bool:
        """Whether the base has commits that its branch has not."""
        return "" not in (self.merge_base, self.base.sha) and self.merge_base != self.base.sha

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
            merge_state="gone" if self.head.is_gone else "behind" if self.is_behind else "",
        )


class _Repo(msgspec.Struct, frozen=True):
    default_merge_style: str = "merge"
    allow_merge_commits: bool = True
    allow_rebase: bool = True
    allow_rebase_explicit: bool = True
    allow_squash_merge: bool = True
    # Servers that do not tell have no such style.
    allow_fast_forward_only_merge: bool = False

    @property
    def styles(self) -> list[str]:
        """The merge styles that are allowed, the default first; the default may be one that is not."""
        styles = {
            "merge": self.allow_merge_commits,
            "rebase": self.allow_rebase,
            "rebase-merge": self.allow_rebase_explicit,
            "squash": self.allow_squash_merge,
            "fast-forward-only": self.allow_fast_forward_only_merge,
        }
        allowed = [style for style, is_allowed in styles.items() if is_allowed]
        return sorted(allowed, key=lambda style: style != self.default_merge_style) or ["merge"]


class _User(msgspec.Struct, frozen=True):
    login: str


class _Review(msgspec.Struct, frozen=True):
    state: str
    dismissed: bool = False
    user: _User | None = None


class Forgejo(ReposAdapter):
    """One Forgejo or Gitea."""

    kind = "forgejo"
    answers = ANSWERS

    def __init__(self, client: Client) -> None:
        """client: calls to the API, with `headers`."""
        super().__init__(client)
        self._shared_labels: dict[str, dict[str, int]] = {}
        self._merging = Merging(self._at)

    @staticmethod
    def headers(token: str) -> dict[str, str]:
        """Return the headers of every call."""
        return {**authorization("token", token), "Accept": "application/json"}

    def find(self, project: Project, *, head: str, base: str) -> Pull | None:
        """Return the newest pull request from `head` into `base`: an open one if there is one.

        Forgejo filters by both. Gitea and old Forgejo pass over that and list all, newest first: there the one that
        they know by both branches, which may be the oldest, tells at least whether to go on looking.
        """
        query: Query = {"state": "all", "base": base, "head": head, "limit": PAGE}
        listed = self._at.each(project, "/pulls", _Pull, lambda _: query)
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
        return self._at.call(project, "GET", f"/pulls/{number}", _Pull).value()

    def update(self, project: Project, pull: Pull, *, title: str, body: str) -> Pull:
        """Set title and body; a draft stays one."""
        return self._edit(project, pull, {"title": _titled(title, draft=pull.draft), "body": body})

    def merge_status(self, project: Project, pull: Pull) -> MergeStatus:
        """Return the state of its checks and reviews."""
        total, failed, pending = summary(self._merging.checks(project, pull.head))
        rest = f"/pulls/{pull.number}/reviews"
        listed = self._at.each(project, rest, _Review, lambda _: {"limit": PAGE})
        return MergeStatus(total, opinion(map(_opinion_of, listed)), failed, pending)

    def pushes(self, project: Project, branch: str, *, since: int) -> Sequence[Push]:
        """Return how a branch was moved, as the activities of the repository tell it, among all else that happened."""
        listed = self._at.each(project, "/activities/feeds", FeedItem, lambda _: {"limit": PAGE})
        return newest_pushes((each.event(branch) for each in listed), PAGE, since=since)

    def commit_checks(self, project: Project, rev: Rev) -> Sequence[Check]:
        """Return the newest status of each context."""
        return self._merging.checks(project, rev)

    def depend(self, project: Project, pull: Pull, on: Sequence[tuple[Project, Pull]]) -> None:
        """Do nothing: issues can depend on each other here, which is off in many places; the body says it all."""

    def _known(self, project: Project, head: str, base: str) -> _Pull | None:
        with refused_with(404):
            return self._at.call(project, "GET", f"/pulls/{segment(base)}/{segment(head)}", _Pull)
        return None

    def _edit(self, project: Project, pull: Pull, body: dict[str, object]) -> Pull:
        return self._at.call(project, "PATCH", f"/pulls/{pull.number}", _Pull, body=body).value()

    def _open(self, project: Project, new: NewPull) -> Pull:
        body: dict[str, object] = {
            "title": _titled(new.title, draft=new.draft),
            "body": new.body,
            "head": new.head_branch,
            "base": new.base_branch,
        }
        if new.labels:
            body["labels"] = self._label_keys(project, new.labels)
        return self._at.call(project, "POST", "/pulls", _Pull, body=body).value()

    def _label_keys(self, project: Project, names: Sequence[str]) -> list[int]:
        """Return the numbers of labels: of the repository, else of its organisation, else of new ones."""
        listed = self._at.each(project, "/labels", _Label, lambda _: {"limit": PAGE})
        known = {label.name: label.id for label in listed}
        if not known.keys() >= set(names):
            known = {**self._labels_of_owner(project), **known}
        for name in names:
            if name not in known:
                body = {"name": name, "color": _LABEL_COLOUR}
                known[name] = self._at.call(project, "POST", "/labels", _Label, body=body).id
        return [known[name] for name in names]

    def _labels_of_owner(self, project: Project) -> dict[str, int]:
        owner = self._at.home(project).path.partition("/")[0]
        if owner not in self._shared_labels:
            found: dict[str, int] = {}
            with refused_with(403, 404):
                listed = self._client.each(f"/orgs/{segment(owner)}/labels", _Label, query={"limit": PAGE})
                found = {label.name: label.id for label in listed}
            self._shared_labels[owner] = found
        return self._shared_labels[owner]

    def _is_double(self, refusal: Refused) -> bool:
        return refusal.status == 409

    def _ways(self, project: Project, method: MergeMethod) -> Sequence[str]:
        return [_DO[method]] if method != "default" else self._at.call(project, "GET", "", _Repo).styles

    def _merge(self, project: Project, pull: Pull, head: Rev, way: str) -> Pull:
        self._at.tell(project, "POST", f"/pulls/{pull.number}/merge", body={"Do": way, "head_commit_id": head})
        return replace(self.get(project, pull.number), head=head)

    def _settle(self, project: Project, now: Pull, refusal: Refused) -> Meaning:
        # 405 without a word: it has been merged, which is seen in a moment.
        return "computing"

    def _broken(self, project: Project, now: Pull, refusal: Refused) -> Meaning:
        # 500 without a word is what those who are no administrators get where an issue dependency is open, where the
        # branch is gone, and where the base cannot be moved forward to it.
        if refusal.status != _STUMBLED:
            return "computing"
        if self._merging.open_dependencies(project, now):
            return "upstream"
        return "person" if now.merge_state == "gone" else "behind" if now.merge_state == "behind" else "computing"

    def _detail(self, project: Project, now: Pull, means: Meaning, words: str) -> str:
        match means:
            case "checks":
                found = self._merging.missing(project, now)
                return f"{words}: {', '.join(found)}" if found else words
            case "upstream":
                return f"it depends on {', '.join(self._merging.open_dependencies(project, now))}"
            case "person" if now.merge_state == "gone":
                return "its branch is gone"
            case _:
                return words


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


def _opinion_of(review: _Review) -> tuple[str, str]:
    """Return what a person, or a team, thinks, and who; of a review that was dismissed only that it was."""
    who = review.user.login if review.user is not None else ""
    return ("DISMISSED" if review.dismissed else review.state), who
