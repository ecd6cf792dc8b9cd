"""What is looked at: a machine, and the workspace on it, if there is one that can be read."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from flakesync.errors import FlakesyncError, GitError
from flakesync.git.repository import Repository
from flakesync.nix.program.command import Nix
from flakesync.terms import RepoName
from flakesync.workspace.hosts import Hosts
from flakesync.workspace.model import Repo, Workspace
from flakesync.workspace.settings.mirrors import Mirrors


@dataclass(frozen=True)
class DoctorPlace:
    """A machine and its workspace, looked at without writing anything.

    manifest: the file; None: there is none. workspace: None where there is none, or `problem` says why it cannot be
    read. selected: the repos that are looked at. offline: no server is asked. now: seconds since the epoch.
    """

    environ: Mapping[str, str] = field(repr=False)
    manifest: Path | None = None
    workspace: Workspace | None = None
    problem: FlakesyncError | None = None
    selected: frozenset[RepoName] = frozenset()
    offline: bool = False
    now: float = field(default_factory=time.time)

    @property
    def repos(self) -> tuple[Repo, ...]:
        """The repos that are looked at, in manifest order."""
        return tuple(repo for repo in self.workspace.repos if repo.name in self.selected) if self.workspace else ()

    @property
    def clones(self) -> tuple[tuple[Repo, Path], ...]:
        """Those of them that have a folder here, with it."""
        return tuple((repo, repo.path) for repo in self.repos if repo.path is not None)

    @property
    def folders(self) -> Mapping[RepoName, Path]:
        """The folders of those that have one, by name."""
        return {repo.name: path for repo, path in self.clones}

    @property
    def jobs(self) -> int:
        """How many repos are looked at at once."""
        return self.workspace.jobs if self.workspace is not None else 1

    @cached_property
    def hosts(self) -> Hosts | None:
        """The hosts of the workspace, and their tokens; None: there is no workspace."""
        return Hosts(self.workspace, self.environ) if self.workspace is not None else None

    @cached_property
    def nix(self) -> Nix | FlakesyncError:
        """The nix that a run would take, or why there is none."""
        try:
            return Nix.find(self.environ)
        except FlakesyncError as error:
            return error

    @cached_property
    def addresses(self) -> Mapping[RepoName, str]:
        """Where the repos that a server has are pushed to: their `url`, else the clone's `origin`; or its mirror."""
        found = {repo.name: _address(repo) for repo in self.repos}
        mirrors = self.workspace.mirrors if self.workspace is not None else Mirrors()
        return {name: mirrors.of(address) or address for name, address in found.items() if address is not None}


def _address(repo: Repo) -> str | None:
    if repo.url is not None:
        return repo.url.git_url()
    try:
        with Repository.open(repo.path or Path()) as repository:
            return repository.remote_url()
    except GitError:
        return None  # a plain folder, or what the clones say
