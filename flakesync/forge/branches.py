"""A repo's update branch in two places: in its clone or mirror, and on its server."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from flakesync.errors import GitError, ManifestError
from flakesync.forge.choose import Servers
from flakesync.forge.update import Update, has_content, has_other_locks, own_commits
from flakesync.git.remote import list_refs
from flakesync.git.repository import Repository
from flakesync.git.values import Commit
from flakesync.terms import Rev
from flakesync.workspace.model import Repo
from flakesync.workspace.snapshot import RepoState


@dataclass(frozen=True, slots=True)
class Branches:
    """Where the update branch and the base branch are; None: there is no such branch.

    url: of the git server; None: the repo has none, or it was not asked. local: refs/heads of the clone or mirror.
    base: the base branch as it was read here.
    """

    branch: str
    url: str | None
    local: Rev | None
    remote: Rev | None
    base: Rev
    remote_base: Rev | None

    @property
    def ref(self) -> str:
        """The full name of the update branch."""
        return f"refs/heads/{self.branch}"

    @property
    def bases(self) -> tuple[Rev, ...]:
        """The base branch here, and as it is on the server now."""
        known = (self.base,) if self.remote_base is None else (self.base, self.remote_base)
        return tuple(dict.fromkeys(known))


@dataclass(frozen=True, slots=True)
class Current:
    """The update branch that counts. commits: of flakesync, newest first. old: where the server's branch is."""

    commits: Sequence[Commit]
    old: Rev | None

    @property
    def tip(self) -> Rev:
        """The update commit."""
        return self.commits[0].rev


def clone_of(state: RepoState) -> Repository:
    """Open the clone or the mirror of a repo. Raises: FlakesyncError: it could not be read, or is a plain folder."""
    if state.error is not None:
        raise state.error
    if state.clone is None:
        raise ManifestError(
            "not-a-repository",
            f"repos.{state.name}.path: {state.repo.path} is a plain folder, not a git repository of its own",
        )
    return Repository.open(state.clone)


def server_of(repository: Repository, repo: Repo) -> str | None:
    """Return the address that a repo is pushed to: of its `url`, else of the clone's origin; None: it has neither."""
    url = repo.url.git_url() if repo.url is not None else None
    return url if url is not None else repository.remote_url()


def find_branches(repository: Repository, state: RepoState, branch: str, servers: Servers | None) -> Branches:
    """Return where a repo's branches are; the objects of those on the server are here afterwards, under no ref.

    servers: None where the server is not asked; what the clone last fetched of it counts.

    Raises:
        GitError: the server cannot be reached.
    """
    base_name, base = state.base, state.base_rev
    assert base_name is not None
    assert base is not None
    local = repository.ref(f"refs/heads/{branch}")
    url = server_of(repository, state.repo)
    if url is None or servers is None:
        tracked = repository.ref(f"refs/remotes/origin/{branch}")
        tracked_base = repository.ref(f"refs/remotes/origin/{base_name}")
        return Branches(branch, None, local, tracked, base, tracked_base)
    names = (f"refs/heads/{branch}", f"refs/heads/{base_name}")
    remote = servers.remote(url)
    refs = list_refs(remote, names)
    lacking = [name for name in names if name in refs and not repository.has(refs[name])]
    if lacking:
        repository.fetch(remote, *lacking)
    for name in lacking:
        if not repository.has(refs[name]):
            raise GitError("ref-moved", f"{state.name}: {name} moved on its server just now", hint="run it again")
    return Branches(branch, url, local, refs.get(names[0]), base, refs.get(names[1]))


def find_current(repository: Repository, branches: Branches) -> Current | None:
    """Return the update branch that counts: the one here, unless it is missing or the server's is on a later base.

    None: there is none with anything that the base lacks.

    Raises:
        SyncError: `branch-taken`, somebody else's commit is on either of them.
    """
    here: Sequence[Commit] = ()
    there: Sequence[Commit] = ()
    if branches.local is not None:
        here = own_commits(repository, branches.branch, branches.local, branches.bases)
    if branches.remote == branches.local:
        there = here
    elif branches.remote is not None:
        there = own_commits(repository, branches.branch, branches.remote, branches.bases, " of the server")
    if there and (not here or _is_later(repository, there[-1].parents[0], here[-1].parents[0])):
        here = there
    return Current(here, branches.remote) if here else None


def push(repository: Repository, url: str, branch: str, new: Rev | None, old: Rev | None, servers: Servers) -> None:
    """Move the update branch of the repository at `url` from `old` to `new`; None: it is not there.

    Raises:
        GitError: `ref-moved` (it is not at `old`), or the server does not take it.
    """
    repository.push(servers.remote(url), f"refs/heads/{branch}", new, old=old)


def has_landed(repository: Repository, branches: Branches, commit: Rev) -> bool:
    """Tell whether the base branch has a commit."""
    return repository.has(commit) and any(repository.is_ancestor(commit, base) for base in branches.bases)


def find_overtaken(repository: Repository, branches: Branches, update: Update) -> Literal["merged", "stale"] | None:
    """Tell whether the base on the server has gone on without an update; None: it can still be merged as it is.

    `merged`: it has the same inputs, by whatever way. `stale`: its locks are others than those that were updated.
    """
    base = branches.remote_base
    if base is None or base == update.base:
        return None
    if has_content(repository, base, update):
        return "merged"
    return "stale" if has_other_locks(repository, base, update) else None


def _is_later(repository: Repository, one: Rev, other: Rev) -> bool:
    return one != other and repository.is_ancestor(other, one)
