"""What the landings of all repos in one run share."""

from dataclasses import dataclass, field

from flakesync.errors import SyncError
from flakesync.forge.hosts import Servers
from flakesync.forge.model import Pull
from flakesync.git.repository import Repository
from flakesync.land.server_state import ServerState
from flakesync.publish.branches import push
from flakesync.sync.options import Options
from flakesync.sync.tools import Tools
from flakesync.terms import RepoName, Rev
from flakesync.workspace.manifest import Workspace
from flakesync.workspace.snapshot import RepoAtCommit


@dataclass(frozen=True, slots=True)
class LandRun:
    """What the landings of one run share; threads may share it, as each writes of its own repo alone.

    merged: the pull requests that it merged. pushed: the commits whose checks their forges have to begin, and when each
    was pushed, on the clock of the run.
    """

    server_state: ServerState
    servers: Servers
    tools: Tools
    options: Options
    merged: dict[RepoName, Pull] = field(default_factory=dict)
    pushed: dict[RepoName, tuple[Rev, float]] = field(default_factory=dict)

    @property
    def workspace(self) -> Workspace:
        """The workspace, its repos as their servers have them."""
        return self.server_state.workspace

    def push(self, repository: Repository, state: RepoAtCommit, branch: str, new: Rev | None, old: Rev | None) -> None:
        """Move a branch on the server of a repo; see `publish.branches.push`. Raises also SyncError(`no-url`)."""
        url = state.repo.url.git_url() if state.repo.url is not None else None
        if url is None:
            message = f"{state.name} has no `url` that git can push to: there is no server to land its update on"
            raise SyncError("no-url", message, hint="merge it by hand, or give the repo a `url`")
        push(repository, url, branch, new, old, self.servers)
