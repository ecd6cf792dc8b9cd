"""What a forge knows: its sites (one for each host name), their repositories, pull requests, and who may do what."""

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from flakesync.demo.forge.parts import (
    FINE_GRAINED,
    Account,
    BranchMove,
    Check,
    Entry,
    Head,
    Job,
    Label,
    Opinion,
    Pipeline,
    Pull,
    Review,
    Right,
    Rules,
    State,
    Wish,
)
from flakesync.demo.forge.storage import Storage
from flakesync.demo.forge.web.messages import Request

__all__ = [
    "FINE_GRAINED",
    "Account", "BranchMove", "Check", "Entry", "Head", "Job", "Kind", "Label", "Opinion", "Pipeline", "Project", "Pull",
    "Review", "Right", "Rules", "Site", "State", "Wish",
]  # fmt: skip

Kind = Literal["github", "gitlab", "forgejo"]


@dataclass
class Project:
    """A repository on a site. path: `acme/lib`, or `group/sub/lib` on GitLab.

    methods: the merge methods that it allows, the default first. On GitLab `merge`, `rebase-merge` or `fast-forward`
    is what every merge does, and squashing is chosen with each. default_method: what Forgejo calls the default, be it
    allowed or not; None: the first of `methods`. squash_option: GitLab's; None: off by default, where it is allowed.

    ruleset: the rules of its branches are rulesets, not classic protection (GitHub). base_modified_times: so many
    attempts to merge are told that the base has moved under them. ci: the checks that each head gets by itself, in
    pipelines on GitLab, which begin `pipeline_lag_s` late; merged_results: on a commit that merges the head into its
    base. head_lag_looks: for how many looks after a push a merge request still shows the old commit. Settings of
    GitLab have its own names; only_allow_merge_if_pipeline_succeeds None: where a branch is protected with checks.
    dismiss_stale: an approval is of the commit that it was given to.

    queue: what is in the merge queue (GitHub; where a rule demands it), or on the merge train (GitLab, where there are
    `trains`): merged after `queue_after_s`, or thrown out with the reason `queue_fails`. queue_gap_s: how long it has
    left the queue before it is merged. allow_auto_merge: GitHub's setting.

    moves: how its branches have moved, as far as that was noticed (moves.py). tips: where they were then.
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
    default_method: str | None = None
    squash_option: str | None = None
    ruleset: bool = False
    base_modified_times: int = 0
    ci: list[Job] = field(default_factory=list)
    heads: dict[str, Head] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    pipelines: list[Pipeline] = field(default_factory=list)
    pipeline_lag_s: float = 0
    merged_results: bool = False
    only_allow_merge_if_pipeline_succeeds: bool | None = None
    allow_merge_on_skipped_pipeline: bool = False
    head_lag_looks: int = 0
    dismiss_stale: bool = False
    require_sha: bool = False
    trains: bool = False
    queue: list[Pull] = field(default_factory=list)
    queue_after_s: float = 0
    queue_gap_s: float = 0
    queue_fails: str | None = None
    allow_auto_merge: bool = False
    moves: list[BranchMove] = field(default_factory=list)
    tips: dict[str, str] = field(default_factory=dict)

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

    def protect(
        self, branch: str, *, checks: Iterable[str] = (), approvals: int = 0, queue: bool = False,
        strict: bool = False, all_checks: bool = False,
    ) -> None:  # fmt: skip
        """Let nobody push to `branch` any more, and merge into it only what these rules allow."""
        self.rules[branch] = Rules(tuple(sorted(set(checks))), approvals, queue, strict, all_checks)
        self.storage.protect(self.rules)

    def rename_default(self, new: str) -> None:
        """Rename the default branch; its rules follow, and the base of every open pull request into it."""
        old = self.storage.default_branch
        self.storage.git("branch", "-m", old, new)
        self.renamed[old] = new
        for pull in self.pulls:
            if pull.state == "open" and pull.base == old:
                pull.base = new
        for head in self.heads.values():
            head.base = new if head.base == old else head.base
        if old in self.rules:
            self.rules[new] = self.rules.pop(old)
            self.storage.protect(self.rules)

    def results(self, rev: str) -> dict[str, Check]:
        """Return the newest result of each check of a commit."""
        return {check.name: check for check in self.checks.get(rev, ())}


@dataclass
class Site:
    """One host of the forge. lock: held while a request reads or changes anything.

    thinks_for: how many looks it takes until the site knows whether a pull request can be merged. premium: whether
    merge requests can depend on each other (GitLab). accounts: token → who it belongs to.
    moved: by the path before. gitea: a Forgejo site says
    some things as newer Gitea does. clock: seconds, for what happens by itself. approve_after_s: how long it takes a
    person to approve of a pull request; None: nobody does. approver: who that is. graphql: whether GitHub's GraphQL
    is there. dependencies: whether issues can depend on each other (Forgejo).
    labels: those of an organisation (its name in lower case), for all its repositories (Forgejo).
    """

    kind: Kind
    host: str
    root: Path
    thinks_for: int = 1
    premium: bool = False
    projects: dict[str, Project] = field(default_factory=dict)
    moved: dict[str, Project] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    ids: Iterator[int] = field(default_factory=lambda: itertools.count(1001))
    now: float = 1_800_000_000.0
    gitea: bool = False
    clock: Callable[[], float] = time.monotonic
    graphql: bool = True
    dependencies: bool = True
    labels: dict[str, list[Label]] = field(default_factory=dict)
    approve_after_s: float | None = None
    approver: Account = field(default_factory=lambda: Account(3, "approver", "write"))
    ci_account: Account = field(default_factory=lambda: Account(2, "ci", "none"))

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

    def move(self, old: str, new: str) -> None:
        """Rename a repository, or transfer it to another owner; the old path leads to it from now on."""
        with self.lock:
            project = self.projects.pop(self._key(old))
            target = self.root / f"{new}.git"
            target.parent.mkdir(parents=True, exist_ok=True)
            project.storage = Storage(project.storage.path.rename(target))
            project.path = new
            self.projects[self._key(new)] = project
            self.moved[self._key(old)] = project

    def find_moved(self, path: str, account: Account | None) -> Project | None:
        """Return the repository that had a path before, if somebody may know of it; None: there is none."""
        key = self._key(path.removesuffix(".git"))
        project = self.moved.get(key) if key not in self.projects else None
        return project if project is not None and self.may_read(project, account) else None

    def find_by_id(self, id: int) -> Project | None:
        """Return a repository by its number; None: there is none."""
        return next((project for project in [*self.projects.values()] if project.id == id), None)

    def find(self, path: str) -> Project | None:
        """Return a repository by its path, with or without `.git`; None: there is none."""
        return self.projects.get(self._key(path.removesuffix(".git")))

    def add_account(
        self, token: str, login: str = "bot", right: Right = "write", *, lacks: Iterable[str] = ()
    ) -> Account:
        """Let a token in. lacks: permissions that it has not, though its owner has them; see Account."""
        known = self.people.get(login)
        account = Account(known.id if known else next(self.ids), login, right, frozenset(lacks))
        self.accounts[token] = account
        return account

    def account(self, request: Request) -> Account | None:
        """Return who makes a request; None: nobody that is known."""
        return self.accounts.get(request.secret) if request.secret is not None else None

    def may_read(self, project: Project, account: Account | None) -> bool:
        """Tell whether a repository is there at all, for somebody."""
        if account is not None and "repository" in account.lacks:
            return False
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
