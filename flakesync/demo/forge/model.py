"""What a forge knows: its sites (one for each host name), their repositories, pull requests, and who may do what."""

import itertools
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from flakesync.demo.forge.messages import Request
from flakesync.demo.forge.storage import Storage

Kind = Literal["github", "gitlab", "forgejo"]
Right = Literal["none", "read", "write"]
State = Literal["open", "closed", "merged"]
CheckState = Literal["pending", "success", "failure", "error"]
Opinion = Literal["approved", "changes-requested", "commented"]


@dataclass
class Account:
    """Who a token belongs to, and what it allows."""

    id: int
    login: str
    right: Right


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
    """A result that a commit has been given. name: of the check; run: it is a GitHub check run, not a status."""

    id: int
    name: str
    state: CheckState
    description: str
    url: str
    by: Account
    at: float
    run: bool = False


@dataclass
class Pull:
    """A pull request, or a merge request: `number` counts in its project, `id` on its site.

    head_rev, base_rev: the tips of its branches, followed while it is open. merged_rev: the commit on the base that
    brought it in; merge_commit, squash_commit: what was made for it, as GitLab tells. looks: how often it has been
    looked at since its branches moved. blocked_by: other pull requests that have to be merged first (GitLab).
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
    labels: list[Label] = field(default_factory=list)
    reviewers: list[Account] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    blocked_by: list["Pull"] = field(default_factory=list)


@dataclass
class Rules:
    """What a protected branch demands of a merge: checks that passed, and so many approvals."""

    checks: frozenset[str] = frozenset()
    approvals: int = 0


@dataclass
class Project:
    """A repository on a site. path: `acme/lib`, or `group/sub/lib` on GitLab.

    methods: the merge methods that it allows, the default first. On GitLab `merge`, `rebase-merge` or `fast-forward`
    is what every merge does, and squashing is chosen with each.
    """

    id: int
    path: str
    storage: Storage
    created: float
    private: bool = False
    archived: bool = False
    methods: tuple[str, ...] = ("merge", "squash", "rebase", "rebase-merge", "fast-forward")
    pulls: list[Pull] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    checks: dict[str, list[Check]] = field(default_factory=dict)
    rules: dict[str, Rules] = field(default_factory=dict)

    @property
    def owner(self) -> str:
        """All but the last part of the path."""
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    def pull(self, number: int) -> Pull | None:
        """Return a pull request by its number; None: there is none."""
        return self.pulls[number - 1] if 1 <= number <= len(self.pulls) else None

    def protect(self, branch: str, *, checks: Iterable[str] = (), approvals: int = 0) -> None:
        """Let nobody push to `branch` any more, and merge into it only what these rules allow."""
        self.rules[branch] = Rules(frozenset(checks), approvals)
        self.storage.protect(self.rules)

    def results(self, rev: str) -> dict[str, Check]:
        """Return the newest result of each check of a commit."""
        return {check.name: check for check in self.checks.get(rev, ())}


@dataclass
class Site:
    """One host of the forge. lock: held while a request reads or changes anything.

    thinks_for: how many looks it takes until the site knows whether a pull request can be merged. premium: whether
    merge requests can depend on each other (GitLab). accounts: token → who it belongs to.
    """

    kind: Kind
    host: str
    root: Path
    thinks_for: int = 1
    premium: bool = False
    projects: dict[str, Project] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    ids: Iterator[int] = field(default_factory=lambda: itertools.count(1001))
    now: float = 1_800_000_000.0

    @property
    def hosts(self) -> tuple[str, ...]:
        """All names it answers to."""
        return (self.host, f"api.{self.host}") if self.kind == "github" else (self.host,)

    @property
    def people(self) -> dict[str, Account]:
        """Everybody by name."""
        return {account.login: account for account in self.accounts.values()}

    def time(self) -> float:
        """Return a time later than every one before: a second for each event, so that tests see one order."""
        with self.lock:
            self.now += 1
            return self.now

    def create(self, path: str, *, branch: str = "main", private: bool = False) -> Project:
        """Make an empty repository."""
        storage = Storage.create(self.root / f"{path}.git", branch)
        with self.lock:
            project = Project(next(self.ids), path, storage, self.time(), private)
            self.projects[self._key(path)] = project
        return project

    def find(self, path: str) -> Project | None:
        """Return a repository by its path, with or without `.git`; None: there is none."""
        return self.projects.get(self._key(path.removesuffix(".git")))

    def add_account(self, token: str, login: str = "bot", right: Right = "write") -> Account:
        """Let a token in."""
        known = self.people.get(login)
        account = Account(known.id if known else next(self.ids), login, right)
        self.accounts[token] = account
        return account

    def account(self, request: Request) -> Account | None:
        """Return who makes a request; None: nobody that is known."""
        return self.accounts.get(request.secret) if request.secret is not None else None

    def may_read(self, project: Project, account: Account | None) -> bool:
        """Tell whether a repository is there at all, for somebody."""
        return not project.private or (account is not None and account.right != "none")

    def label(self, project: Project, name: str) -> Label:
        """Return a label of a project, made if need be."""
        known = next((label for label in project.labels if label.name.lower() == name.lower()), None)
        if known is None:
            known = Label(next(self.ids), name)
            project.labels.append(known)
        return known

    def _key(self, path: str) -> str:
        # GitHub and GitLab and Forgejo all find a repository whatever the case of its name.
        return path.lower()
