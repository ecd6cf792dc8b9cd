"""Looks at one repo in two steps: where its branches are, and what is on them; its forge is asked after that.

The steps are apart as the first waits for servers, many at once, and the second needs nothing but the processor: Python
runs one thread at a time, and threads that all want to run only take it from each other.
"""

from contextlib import suppress
from typing import TYPE_CHECKING

from flakesync.errors import FlakesyncError
from flakesync.git.repository import Repository
from flakesync.publish.branches import (
    Branches,
    Taken,
    as_read,
    ask_server,
    at_commit,
    bring,
    find_current,
    has_landed,
    lacking,
    last_fetched,
    server_of,
)
from flakesync.publish.standing.found import Standing, failing, stage_of_branches
from flakesync.publish.standing.known import KnownUpdate, KnownUpdates
from flakesync.update.content import read_update
from flakesync.update.made import locked_commits
from flakesync.workspace.model import Workspace
from flakesync.workspace.snapshot import RepoAtCommit, RepoState

if TYPE_CHECKING:
    from flakesync.forge.hosts import Servers


class Look:
    """Looks at one repo after the other. A step that fails leaves its error, and the later ones then do nothing.

    `ask` may be called by several threads at once, each for another repo.

    Raises, each step: GitError(`no-git`): there is no git where one is needed, which is no repo's own fault.
    """

    def __init__(self, workspace: Workspace, servers: "Servers | None", known: KnownUpdates) -> None:
        """servers: None: nobody is asked. known: what earlier runs have found."""
        self._branch = workspace.branch
        self._servers = servers
        self._known = known

    def begin(self, state: RepoState, *, wanted: bool) -> Standing:
        """Return where a repo's branches are, if that can be said without asking its server."""
        found = Standing(state, wanted, state.base)
        with failing(found):
            at = at_commit(state)
            with Repository.open(at.clone) as repository:
                found.branches = self._without_asking(repository, at)
                found.asks = found.branches is None
        return found

    def ask(self, found: Standing, servers: "Servers") -> None:
        """Ask the server of a repo where its branches are, and fetch what is needed to say more."""
        with failing(found):
            state = at_commit(found.state)
            with Repository.open(state.clone) as repository:
                try:
                    branches = ask_server(repository, state, self._branch, servers)
                    if branches.has_update and not self._known.has(branches):
                        bring(repository, state, branches, servers)
                except FlakesyncError:
                    # Others may wait for what is here, whatever has become of it there.
                    found.branches = last_fetched(repository, state, self._branch)
                    raise
                found.branches = branches

    def read(self, found: Standing) -> None:
        """Find out what is on the update branch of a repo."""
        branches = found.branches
        if branches is None:
            return
        found.base = branches.base_name
        if not branches.has_update:
            found.branches = None
        elif found.error is not None:
            with suppress(FlakesyncError):
                self._find_update(found, branches)
        else:
            with failing(found):
                self._find_update(found, branches)
                if self._servers is not None:
                    found.on_forge = self._servers.for_repo(found.state.repo, branches.url)
                if found.on_forge is None:
                    found.settle(stage_of_branches(found, branches))

    def _without_asking(self, repository: Repository, state: RepoAtCommit) -> Branches | None:
        """Return where the branches of a repo are; None: its server has to be asked, or something has to be fetched."""
        if self._servers is None:
            return last_fetched(repository, state, self._branch)
        branches = as_read(repository, state, self._branch)
        if branches is None and server_of(repository, state.repo) is None:
            return last_fetched(repository, state, self._branch)
        if branches is None or not branches.has_update or self._known.has(branches):
            return branches
        return branches if not lacking(repository, branches) else None

    def _find_update(self, found: Standing, branches: Branches) -> None:
        """Note what the update branch holds. Raises FlakesyncError."""
        update = self._known.get(branches)
        if update is None:
            with Repository.open(branches.clone) as repository:
                update, found.taken = _read_update(repository, branches)
                # How far back a shallow clone goes can change.
                if found.taken is None and not (repository.common_dir / "shallow").exists():
                    self._known.add(branches, update)
        found.update, found.commit = update, update.commit


def _read_update(repository: Repository, branches: Branches) -> tuple[KnownUpdate, FlakesyncError | None]:
    """Return what is on an update branch, and why it is somebody else's; None: it is not. Raises FlakesyncError."""
    current = find_current(repository, branches)
    if current is None:
        tip = branches.local if branches.local is not None else branches.remote
        landed = tip is not None and has_landed(repository, branches, tip)
        return KnownUpdate(None, frozenset(), (), landed), None
    error = current.error if isinstance(current, Taken) else None
    if not current.commits:
        return KnownUpdate(None, current.known, (), landed=False), error
    update = read_update(repository, current.commits)
    locked = tuple(locked_commits((move.after for move in update.moves), branches.branch))
    landed = error is None and has_landed(repository, branches, update.commit, onto=update.base)
    return KnownUpdate(update.commit, current.known, locked, landed), error
