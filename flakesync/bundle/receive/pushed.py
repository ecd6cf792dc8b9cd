"""Repos of the receiver's workspace that have a url: their mirrors get the commits, their servers the branches."""

from pathlib import Path

from flakesync.bundle.receive.branches import PushTarget
from flakesync.documents.airgap.manifest import BundleRepo
from flakesync.errors import FlakesyncError
from flakesync.git.remotes.mirror import mirror
from flakesync.git.remotes.remote import Remote
from flakesync.git.repository import Repository
from flakesync.workspace.hosts import Hosts
from flakesync.workspace.manifest import Workspace


class PushedRepos:
    """The repositories of a workspace, as far as a bundle needs them; each server is asked once."""

    def __init__(self, workspace: Workspace, hosts: Hosts, cache: Path) -> None:
        """hosts: with what its servers are asked. cache: flakesync's own folder, for the mirrors."""
        self._workspace = workspace
        self._hosts = hosts
        self._cache = cache
        self._mirrors: dict[str, Path] = {}

    def existing(self, name: str) -> Path:
        """Return the mirror of a repo, brought up to date. Raises: FlakesyncError: its server cannot be asked."""
        if name not in self._mirrors:
            self._mirrors[name] = mirror(self._remote(name), self._cache, offline=False)
        return self._mirrors[name]

    def made(self, repo: BundleRepo) -> Path:
        """Return the same mirror. Raises: as `existing`."""
        return self.existing(repo.name)

    def target(self, repository: Repository, name: str) -> PushTarget:
        """Return the branches of a repo's server."""
        base = self._workspace.repo(name).base
        head = repository.reader.symbolic_ref("HEAD")
        return PushTarget(repository, self._remote(name), f"refs/heads/{base}" if base is not None else head)

    def _remote(self, name: str) -> Remote:
        repo = self._workspace.repo(name)
        url = repo.url.git_url() if repo.url is not None else None
        if url is None:
            raise FlakesyncError(
                "no-url", f"the repo {name} has no url to push to", hint="give it one in workspace.toml, or use --repos"
            )
        return self._hosts.remote(url)
