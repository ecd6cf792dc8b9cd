"""What a forge knows: its sites (one for each host name), their repositories, and who may do what there."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.support.forge.messages import Request
from tests.support.forge.storage import Storage

Kind = Literal["github", "gitlab", "forgejo"]
Right = Literal["none", "read", "write"]


@dataclass
class Project:
    """A repository on a site. path: `acme/lib`, or `group/sub/lib` on GitLab."""

    id: int
    path: str
    storage: Storage
    private: bool = False
    archived: bool = False

    @property
    def owner(self) -> str:
        """All but the last part of the path."""
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    def protect(self, branch: str) -> None:
        """Let nobody push to `branch` any more."""
        with (self.storage.path / "protected").open("a") as file:
            file.write(f"refs/heads/{branch}\n")


@dataclass
class Account:
    """Who a token belongs to, and what it allows."""

    id: int
    login: str
    right: Right


@dataclass
class Site:
    """One host of the forge. lock: held while a request changes anything."""

    kind: Kind
    host: str
    root: Path
    projects: dict[str, Project] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def hosts(self) -> tuple[str, ...]:
        """All names it answers to."""
        return (self.host, f"api.{self.host}") if self.kind == "github" else (self.host,)

    def create(self, path: str, *, branch: str = "main", private: bool = False) -> Project:
        """Make an empty repository."""
        storage = Storage.create(self.root / f"{path}.git", branch)
        with self.lock:
            project = Project(len(self.projects) + 1, path, storage, private)
            self.projects[self._key(path)] = project
        return project

    def find(self, path: str) -> Project | None:
        """Return a repository by its path, with or without `.git`; None: there is none."""
        return self.projects.get(self._key(path.removesuffix(".git")))

    def add_account(self, token: str, login: str = "bot", right: Right = "write") -> Account:
        """Let a token in."""
        ids: Mapping[str, int] = {account.login: account.id for account in self.accounts.values()}
        account = Account(ids.get(login, len(ids) + 1), login, right)
        self.accounts[token] = account
        return account

    def account(self, request: Request) -> Account | None:
        """Return who makes a request; None: nobody that is known."""
        return self.accounts.get(request.secret) if request.secret is not None else None

    def may_read(self, project: Project, account: Account | None) -> bool:
        """Tell whether a repository is there at all, for somebody."""
        return not project.private or (account is not None and account.right != "none")

    def _key(self, path: str) -> str:
        # GitHub and GitLab and Forgejo all find a repository whatever the case of its name.
        return path.lower()
