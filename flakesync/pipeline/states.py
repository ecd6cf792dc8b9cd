"""Repos as a task needs them: read from their servers, each once, and put at the base that the plan was made with."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from flakesync.cache.single_flight import SingleFlight
from flakesync.errors import GitError, NoAnswerError, SyncError
from flakesync.git.remotes import transfer
from flakesync.git.repository import Repository
from flakesync.git.trailers import trailer
from flakesync.git.values import Commit
from flakesync.publish.branches import at_commit
from flakesync.sync.tasks.task import RepoTask
from flakesync.terms import RepoName, Rev
from flakesync.update.commit import RUN, is_ours
from flakesync.workspace.clones.branches import fetch_more
from flakesync.workspace.hosts import Hosts
from flakesync.workspace.manifest import Workspace
from flakesync.workspace.snapshot import RepoAtCommit, read_repo

_NEW_PLAN = "make a new plan: `flakesync plan --out FILE`"


class RepoStates:
    """The repos of one task: only those that are asked for are read, and each only once. Threads may share it."""

    def __init__(self, workspace: Workspace, cache: Path, hosts: Hosts, *, offline: bool = False) -> None:
        """cache: where repos that are given by `url` are mirrored. hosts: what git logs in with."""
        self._workspace = workspace
        self._cache = cache
        self._hosts = hosts
        self._offline = offline
        self._flights = SingleFlight()

    def now(self, name: RepoName) -> RepoAtCommit:
        """Return a repo as its server has it now. Raises: FlakesyncError: it cannot be read."""
        return self._flights.get(name, lambda: self._read(name))

    def at(self, name: RepoName, base_rev: Rev) -> RepoAtCommit:
        """Return a repo with the commit of its base that a plan was made with; the base may have moved on since.

        Raises:
            FlakesyncError: it cannot be read. SyncError(`base-gone`): its base does not have that commit any more.
        """
        state = self.now(name)
        if state.base_rev == base_rev:
            return state
        with Repository.open(state.clone) as repository:
            if not repository.has(base_rev):
                self._fetch(repository, state, base_rev)
            if not repository.has(base_rev) or not is_behind(repository, base_rev, state.base_rev):
                raise SyncError(
                    "base-gone",
                    f"{name}: its base {state.base} does not have {base_rev[:12]} any more, which the plan was made on",
                    hint=_NEW_PLAN,
                )
        return msgspec.structs.replace(state, base_rev=base_rev, rev=base_rev)

    def bring(self, state: RepoAtCommit, wanted: Iterable[tuple[str | None, Rev]]) -> None:
        """Fetch branches of a clone that lacks commits of them. wanted: each with its branch; None: the base.

        Raises: GitError: its server cannot be reached, or does not have one of the commits (`no-such-commit`).
        """
        with Repository.open(state.clone) as repository:
            lacking = [(branch, rev) for branch, rev in wanted if not repository.has(rev)]
        if not lacking:
            return
        if not self._offline:
            names = sorted({branch for branch, _ in lacking if branch is not None})
            with Repository.open(state.clone) as repository:
                fetch_more(repository.reader, state.repo, state.branches, names, self._hosts)
        with Repository.open(state.clone) as repository:
            for branch, rev in lacking:
                if not repository.has(rev):
                    self._fetch(repository, state, rev)
                if not repository.has(rev):
                    where = branch or state.base
                    raise GitError(
                        "no-such-commit", f"{state.name}: its branch {where} does not have {rev[:12]}", hint=_NEW_PLAN
                    )

    def _read(self, name: RepoName) -> RepoAtCommit:
        repo = self._workspace.repo(name)
        return at_commit(read_repo(self._workspace, repo, cache=self._cache, offline=self._offline))

    def _fetch(self, repository: Repository, state: RepoAtCommit, rev: Rev) -> None:
        """Fetch one commit by its id, which not every server allows; that it is not there is no error."""
        url = state.repo.url.git_url() if state.repo.url is not None else None
        if self._offline or url is None:
            return
        try:
            transfer.fetch(repository.path, self._hosts.remote(url), [rev])
        except NoAnswerError:
            raise
        except GitError as error:
            if error.code not in ("git", "no-such-ref", "unreachable"):
                raise


def is_behind(repository: Repository, rev: Rev, tip: Rev) -> bool:
    """Tell whether a commit is in the history of another one; of a shallow clone, which does not tell, it is."""
    try:
        return repository.history.is_ancestor(rev, tip)
    except GitError:
        return True


def update_tip(repository: Repository, state: RepoAtCommit, branch: str) -> Rev | None:
    """Return the tip of the update branch that other machines see; None: there is none.

    That of the server, or of a clone that no server is known of the clone's own.
    """
    tracked = repository.ref(f"{state.branches.tracking}{branch}")
    if state.repo.path is None or state.branches.of_server:
        return tracked
    return repository.ref(f"refs/heads/{branch}") or tracked


def is_on_base(repository: Repository, commit: Commit, task: RepoTask) -> bool:
    """Tell whether a commit is flakesync's, alone on the base that the plan was made with."""
    return commit.parents == (task.base_rev,) and is_ours(repository, commit)


def is_made_by(repository: Repository, commit: Commit, task: RepoTask) -> bool:
    """Tell whether a commit is the update that a run of this plan has made."""
    return trailer(commit, RUN) == task.run and is_on_base(repository, commit, task)
