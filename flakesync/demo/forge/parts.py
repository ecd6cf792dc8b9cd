"""The parts of what a forge knows: accounts, labels, reviews, results of checks, pipelines, pull requests, rules."""

from dataclasses import KW_ONLY, dataclass, field
from typing import Literal

Right = Literal["none", "read", "write"]
State = Literal["open", "closed", "merged"]
Opinion = Literal["approved", "changes-requested", "commented"]


FINE_GRAINED = ("checks",)
"""What every fine-grained token of GitHub lacks: there is no such permission for it."""


@dataclass
class Account:
    """Who a token belongs to, and what it allows. lacks: permissions that the token has not, for which it is refused.

    GitHub: `checks`, `statuses`, `contents` and `pull_requests` (to write), `contents:read`. GitLab: `api` (to write),
    `read_api`, `write_repository`, `merge`. Forgejo: its scopes, such as `write:issue` and `read:organization`. All:
    `repository`, without which none is there.
    """

    id: int
    login: str
    right: Right
    lacks: frozenset[str] = frozenset()


@dataclass
class Label:
    """A label of a project."""

    id: int
    name: str
    color: str = "ededed"


@dataclass
class Review:
    """What somebody thinks of a pull request at a commit."""

    id: int
    by: Account
    opinion: Opinion
    rev: str
    body: str
    at: float


@dataclass
class Check:
    """A result that a commit has been given. name: of the check; run: it is a GitHub check run, not a status.

    state: `pending`, `success`, or another of the forge's own words.
    """

    id: int
    name: str
    state: str
    description: str
    url: str
    by: Account
    at: float
    run: bool = False
    allow_failure: bool = False


@dataclass
class Job:
    """A check that each head of an open pull request gets by itself, by the clock of the site.

    after_s: when it appears as pending, counted from when the commit became the head; None: never. takes_s: how long it
    is pending, until it has `state`. run: a GitHub check run instead of a status. allow_failure: GitLab's pipeline
    passes without it.
    """

    name: str
    _: KW_ONLY
    after_s: float | None = 0
    takes_s: float = 0
    state: str = "success"
    run: bool = False
    allow_failure: bool = False


@dataclass
class Pipeline:
    """A pipeline of a GitLab project.

    ref: a branch, or `refs/merge-requests/N/merge`, `/head`, `/train`. status: None is what its jobs make of it.
    source_sha: the head that a pipeline on an internal commit is about.
    """

    id: int
    sha: str
    ref: str
    status: str | None = None
    jobs: list[Check] = field(default_factory=list)
    source_sha: str | None = None
    at: float = 1_800_000_000.0


@dataclass
class Head:
    """A commit that became the head of an open pull request. since: when, by the clock of the site.

    jobs: what it has of the project's jobs so far, by their names. pipeline: GitLab's for them, once it began.
    """

    rev: str
    branch: str
    base: str
    number: int
    since: float
    jobs: dict[str, Check] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    pipeline: Pipeline | None = None


@dataclass
class Wish:
    """A merge that is to happen by itself, once nothing is against it: whose wish, and what came with it."""

    by: Account
    fields: dict[str, object]


@dataclass
class Entry:
    """A place in a merge queue, or on a merge train. head: the commit that joined. since: by the clock of the site.

    state: `idle`, `fresh`, `merging` (it has left the queue, and is not merged yet), `merged`.
    """

    head: str
    by: Account
    fields: dict[str, object]
    since: float
    at: float
    state: str = "idle"
    pipeline: Pipeline | None = None


@dataclass(eq=False)
class Pull:
    """A pull request, or a merge request: `number` counts in its project, `id` on its site.

    head_rev, base_rev: the tips of its branches, followed while it is open. merged_rev: the commit on the base that
    brought it in; merge_commit, squash_commit: what was made for it, as GitLab tells. looks: how often it has been
    looked at since its branches moved. late: for how many looks yet it shows where its branch was; None: it does not.
    ghost_reviewers: how many of those who were asked are gone, which Forgejo tells as null.
    blocked_by, depends_on: other pull requests that have to be merged first (GitLab, Forgejo). opened: when it was
    opened, by the clock of the site; moved: when its head came to be what it is. merge_error: why a merge failed
    (GitLab). auto_merge: that it is to be merged by itself. entry: its place in a queue or on a train. removals: why
    it was taken out of there, each time.
    """

    id: int
    number: int
    head: str
    base: str
    title: str
    body: str
    by: Account
    draft: bool
    head_rev: str
    base_rev: str
    created: float
    updated: float
    state: State = "open"
    closed: float | None = None
    merged: float | None = None
    merged_by: Account | None = None
    merged_rev: str | None = None
    merge_commit: str | None = None
    squash_commit: str | None = None
    looks: int = 0
    late: int | None = None
    opened: float = 0
    moved: float = 0
    merge_error: str | None = None
    auto_merge: Wish | None = None
    entry: Entry | None = None
    removals: list[str] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    reviewers: list[Account] = field(default_factory=list)
    ghost_reviewers: int = 0
    reviews: list[Review] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    blocked_by: list["Pull"] = field(default_factory=list)
    depends_on: list["Pull"] = field(default_factory=list)


@dataclass(frozen=True)
class BranchMove:
    """A branch that has moved. before: None, it was made; after: None, it was deleted. kind: GitHub's word."""

    branch: str
    before: str | None
    after: str | None
    at: float
    kind: str


@dataclass
class Rules:
    """What a protected branch demands of a merge.

    checks: names of checks that have to pass (globs on Forgejo). all_checks: whichever there are, at least one
    (Forgejo). approvals: of how many people. queue: it goes through the merge queue (GitHub). strict: the head has all
    of the base (GitHub, Forgejo).
    """

    checks: tuple[str, ...] = ()
    approvals: int = 0
    queue: bool = False
    strict: bool = False
    all_checks: bool = False
