"""What the landings of all repos in one run share."""

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from flakesync.errors import FlakesyncError, SyncError
from flakesync.forge.hosts import Servers
from flakesync.forge.lookup import PullLookup
from flakesync.forge.model import Forge, Pull, PullQuestion
from flakesync.git.repository import Repository
from flakesync.land.server_state import ServerState
from flakesync.publish.branches import push
from flakesync.sync.options import Options
from flakesync.sync.tools import Tools
from flakesync.terms import RepoName, Rev
from flakesync.workspace.manifest import Workspace
from flakesync.workspace.snapshot import RepoAtCommit

_CALLS = 7
"""About how many calls the landing of one repo takes, its first look left out (`python -m benchmarks.forge`)."""


@dataclass(frozen=True, slots=True)
class LandRun:
    """What the landings of one run share; threads may share it, as each writes of its own repo alone.

    merged: the pull requests that it merged. pushed: the commits whose checks their forges have to begin, and when each
    was pushed, on the clock of the run. lookup: the pull requests, asked for many at a time.
    """

    server_state: ServerState
    servers: Servers
    tools: Tools
    options: Options
    merged: dict[RepoName, Pull] = field(default_factory=dict)
    pushed: dict[RepoName, tuple[Rev, float]] = field(default_factory=dict)
    lookup: PullLookup = field(default_factory=PullLookup)

    @property
    def workspace(self) -> Workspace:
        """The workspace, its repos as their servers have them."""
        return self.server_state.workspace

    def expect(self, states: Iterable[RepoAtCommit]) -> None:
        """Take note of the repos whose turns come next, in order, and of how many calls these take."""
        expected: list[tuple[Forge, PullQuestion]] = []
        for state in states:
            with suppress(FlakesyncError):
                on_forge = self.servers.for_repo(state.repo)
                if on_forge is not None:
                    question = PullQuestion(on_forge.project, self.workspace.branch, state.base)
                    expected.append((on_forge.forge, question))
        self.lookup.expect(expected)
        count = Counter(id(forge) for forge, _ in expected)
        for forge in {id(forge): forge for forge, _ in expected}.values():
            repos = count[id(forge)]
            forge.expect_calls(repos * _CALLS, repos)

    def push(self, repository: Repository, state: RepoAtCommit, branch: str, new: Rev | None, old: Rev | None) -> None:
        """Move a branch on the server of a repo; see `publish.branches.push`. Raises also SyncError(`no-url`)."""
        url = state.repo.url.git_url() if state.repo.url is not None else None
        if url is None:
            message = f"{state.name} has no `url` that git can push to: there is no server to land its update on"
            raise SyncError("no-url", message, hint="merge it by hand, or give the repo a `url`")
        push(repository, url, branch, new, old, self.servers)
