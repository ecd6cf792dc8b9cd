"""What flakesync needs of a forge: a few values and one Protocol. "Pull request" is a merge request on GitLab."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from flakesync.errors import FlakesyncError
from flakesync.terms import Checks as Checks
from flakesync.terms import PullState as PullState
from flakesync.terms import Rev
from flakesync.terms import Reviews as Reviews
from flakesync.terms import WaitReason as WaitReason
from flakesync.workspace.model import ForgeKind as ForgeKind
from flakesync.workspace.model import MergeMethod as MergeMethod


class ForgeError(FlakesyncError):
    """A forge did not do what was asked; this repo fails, the others go on.

    Codes: `forge-token` (no token, or the forge does not take it) · `forge-rights` (the token may not do this) ·
    `forge-not-found` · `forge-archived` · `forge-method` (no merge method is allowed) · `forge-conflict` (cannot be
    merged) · `head-moved` (the head is not the expected commit) · `base-moved` (another merge went in just now) ·
    `pull-checks-failed` · `pull-dequeued` (a merge queue or train took it out) · `forge-tls` · `forge-unreachable` ·
    `forge-timeout` · `forge-answer` (not the JSON that was expected) · `forge-rate-limit` · `forge` (anything else,
    with its words).
    """


@dataclass(frozen=True, slots=True)
class Project:
    """One repository on a forge. host: as in its URL. path: `owner/name`, with GitLab's subgroups `a/b/name`."""

    host: str
    path: str


@dataclass(frozen=True, slots=True)
class Home:
    """Where a repository is by now, whatever name it was asked for by.

    archived: whether nothing changes there any more; None: its forge does not say, as GitLab to those without a token.
    """

    project: Project
    archived: bool | None


@dataclass(frozen=True, slots=True)
class Pull:
    """One pull request.

    number: as the forge counts them in the project (GitLab's iid). url: for people. head: the commit at the tip of its
    branch as the forge knows it. merged_rev: the commit on the base that has it, None unless merged.
    mergeable: None where the forge has not decided yet. key: what its forge calls it where the number will not do
    (GitHub's node id, GitLab's id among all projects); empty where there is none. merge_state, merge_error: the forge's
    own words for what keeps it from being merged, and for why the last try failed; empty where it has none.
    """

    number: int
    url: str
    state: PullState
    title: str
    body: str
    head: Rev
    head_branch: str
    base_branch: str
    draft: bool = False
    labels: tuple[str, ...] = ()
    merged_rev: Rev | None = None
    mergeable: bool | None = None
    key: str = ""
    merge_state: str = ""
    merge_error: str = ""


@dataclass(frozen=True, slots=True)
class PullQuestion:
    """Which pull request is looked up: the newest from one branch of a repository into another."""

    project: Project
    head: str
    base: str


@dataclass(frozen=True, slots=True)
class NewPull:
    """A pull request to be opened. reviewers, labels: names on that forge."""

    head_branch: str
    base_branch: str
    title: str
    body: str
    draft: bool = False
    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a pull request waits for before it can be merged. detail: one sentence for people, the forge's own words."""

    reason: WaitReason
    detail: str


@dataclass(frozen=True, slots=True)
class Push:
    """A move of a branch. rev: where it then was. time: by the forge's clock, seconds since the epoch.

    is_forward: the forge says that the branch kept all that it had; False: it did not, or that is not told.
    """

    rev: Rev
    time: int
    is_forward: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """One check of a commit. name: as its forge shows it.

    decides: False for one that passes without having found anything: it was skipped, or is neutral.
    """

    name: str
    state: Checks
    decides: bool = True


class Undecided(ForgeError):  # noqa: N818 - it says how the merge stands
    """A merge was refused for a reason that may be gone when branch, base and pull request are looked at again.

    waiting: what it waits for when it is not gone. Code: `base-moved`.
    """

    def __init__(self, message: str, waiting: Waiting) -> None:
        """message: what the forge said."""
        super().__init__("base-moved", message)
        self.waiting = waiting


@dataclass(frozen=True, slots=True)
class MergeStatus:
    """What stands between a pull request and its merge, as far as its head commit and its reviews tell.

    checks: of exactly this commit; `unknown` where the token may not read them. failed, pending: the names of those
    checks, where they are known. waiting: what keeps it that no check and no review shows: a merge queue that it is in,
    a job that a person has to start, branch rules; None: nothing.
    """

    checks: Checks
    reviews: Reviews
    failed: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    waiting: Waiting | None = None


class Forge(Protocol):
    """One forge server. Calls are serial per host; each raises ForgeError."""

    kind: ForgeKind

    @property
    def at_once(self) -> int:
        """How many pull requests `find_many` looks up by one call; less than 2: they are looked up one by one."""

    def find(self, project: Project, *, head: str, base: str) -> Pull | None:
        """Return the newest pull request from branch `head` of this project into `base`; an open one goes first."""

    def expect_calls(self, calls: int, makes: int = 0) -> None:
        """Take note of how many calls are still to come: where fewer are allowed for now, they are spread.

        makes: how many of them open or merge a pull request, or ask somebody for a review.
        """

    def find_many(self, questions: Sequence[PullQuestion]) -> Mapping[PullQuestion, Pull | None]:
        """Look many pull requests up by one call: the same values that `find` returns.

        What the forge did not answer is missing, whatever the reason: `find` has the answer, or the error.
        """

    def create(self, project: Project, new: NewPull) -> Pull:
        """Open a pull request. An unclear answer is never repeated before `find` has looked: none is opened twice."""

    def update(self, project: Project, pull: Pull, *, title: str, body: str) -> Pull:
        """Set title and body."""

    def add_labels(self, project: Project, pull: Pull, *, labels: Sequence[str], reviewers: Sequence[str]) -> Pull:
        """Add the labels that it has not, and ask reviewers who were not asked when it was opened; return it so."""

    def reopen(self, project: Project, pull: Pull) -> Pull:
        """Open a closed pull request again."""

    def close(self, project: Project, pull: Pull, *, body: str | None = None) -> Pull:
        """Close an open pull request without merging it. body: its new text; None: it stays."""

    def get(self, project: Project, number: int) -> Pull:
        """Return one pull request as it is now."""

    def merge_status(self, project: Project, pull: Pull) -> MergeStatus:
        """Return the state of its checks and reviews."""

    def find_statuses(
        self, pulls: Sequence[tuple[Project, Pull]]
    ) -> Mapping[tuple[Project, int], tuple[Pull, MergeStatus]]:
        """Return of many open pull requests, by project and number, what `get` and `merge_status` return of each.

        What the forge did not answer is missing, whatever the reason: those have the answer, or the error.
        """

    def merge(self, project: Project, pull: Pull, *, head: Rev, method: MergeMethod) -> Pull | Waiting:
        """Merge it if its head is still `head` (else ForgeError `head-moved`); return it with its `merged_rev`.

        Waiting: the forge does not merge it yet, or has taken it into a queue. Where the base has a merge queue or a
        merge train, the pull request joins it.
        """

    def depend(self, project: Project, pull: Pull, on: Sequence[tuple[Project, Pull]]) -> None:
        """Tell the forge that `pull` waits for others, where it knows such a thing (GitLab Premium); else nothing."""

    def pushes(self, project: Project, branch: str, *, since: int) -> Sequence[Push]:
        """Return how a branch was moved, newest first, back to `since` (seconds since the epoch) or a bit further.

        What the forge does not record, or not for long enough, is missing.
        """

    def commit_checks(self, project: Project, rev: Rev) -> Sequence[Check]:
        """Return the newest result of each check of a commit; all of them, or ForgeError."""

    def compare_url(self, project: Project, old: Rev, new: Rev) -> str:
        """Return the page that shows what lies between two commits."""


@dataclass(frozen=True, slots=True)
class OnForge:
    """A repo on its forge."""

    forge: Forge
    project: Project

    def find(self, *, head: str, base: str) -> Pull | None:
        """Return its newest pull request from one branch into another; see `Forge.find`."""
        return self.forge.find(self.project, head=head, base=base)
