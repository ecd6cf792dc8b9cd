"""A repo's update branch in two places: in its clone or mirror, and on its server."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, assert_never

from flakesync.errors import GitError, ManifestError, SyncError
from flakesync.forge.hosts import Servers
from flakesync.git.remotes import transfer
from flakesync.git.remotes.remote import Remote, list_refs
from flakesync.git.repository import Repository
from flakesync.git.values import Commit, check_ref_name
from flakesync.terms import Rev
from flakesync.update.commit import branch_taken, split_commits
from flakesync.update.content import THEN, Update, has_content, has_other_locks
from flakesync.workspace.model import Repo
from flakesync.workspace.snapshot import PlainFolder, RepoAtCommit, RepoState, UnreadableRepo, no_such_base

_HEAD = Rev("HEAD")


@dataclass(frozen=True, slots=True)
class Branches:
    """Where the update branch and the base branch are; None: there is no such branch.

    clone: the local clone or the mirror. url: of the git server; None: the repo has none, or it was not asked.
    local: refs/heads of the clone. base_name: the base branch: what the manifest says, else the default branch of the
    server. base: its commit as it was read here. others: more branches and tags of the server by their full names, as
    far as they were asked for.
    """

    clone: Path
    branch: str
    url: str | None
    local: Rev | None
    remote: Rev | None
    base_name: str
    base: Rev
    remote_base: Rev | None
    others: Mapping[str, Rev] = field(default_factory=dict)

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
    """The update branch that counts. commits: newest first, at least one. known: all that are here or on the server."""

    commits: Sequence[Commit]
    known: frozenset[Rev]


@dataclass(frozen=True, slots=True)
class Taken:
    """An update branch with somebody else's commit, here or on the server, as the error says.

    commits: those of flakesync below that, newest first; there may be none. known: as of Current.
    """

    error: SyncError
    commits: Sequence[Commit]
    known: frozenset[Rev]


def at_commit(state: RepoState) -> RepoAtCommit:
    """Return a repo that has a clone or a mirror.

    Raises:
        FlakesyncError: it could not be read, or is a plain folder.
    """
    match state:
        case RepoAtCommit():
            return state
        case PlainFolder(repo=repo):
            raise ManifestError(
                "not-a-repository",
                f"repos.{repo.name}.path: {repo.path} is a plain folder, not a git repository of its own",
            )
        case UnreadableRepo(error=error):
            raise error
        case _:
            assert_never(state)


def server_of(repository: Repository, repo: Repo) -> str | None:
    """Return the address that a repo is pushed to: of its `url`, else of the clone's origin; None: it has neither."""
    url = repo.url.git_url() if repo.url is not None else None
    return url if url is not None else repository.remote_url()


def find_branches(
    repository: Repository, state: RepoAtCommit, branch: str, servers: Servers | None, *, also: Iterable[str] = ()
) -> Branches:
    """Return where a repo's branches are; the objects of the two on the server are here afterwards, under no ref.

    servers: None where the server is not asked; what the clone last fetched of it counts. also: more branches and tags
    that are asked for, as inputs name them.

    Raises:
        GitError: the server cannot be reached.
        ManifestError: `no-such-branch`, the server has no base branch.
    """
    local = repository.ref(f"refs/heads/{branch}")
    url = server_of(repository, state.repo)
    if url is None or servers is None:
        tracked = repository.ref(f"{state.branches.tracking}{branch}")
        tracked_base = repository.ref(f"{state.branches.tracking}{state.base}")
        return Branches(state.clone, branch, None, local, tracked, state.base, state.base_rev, tracked_base)
    remote = servers.remote(url)
    ref = f"refs/heads/{branch}"
    more = [name for each in also for name in full_names(each)]
    patterns = ["HEAD", ref, f"refs/heads/{state.base}", *more, *(f"{name}^{{}}" for name in more)]
    refs = list_refs(remote, patterns, symbolic=True)
    base_name = _base_on_server(state, refs, remote)
    wanted = {name: refs[name] for name in (ref, f"refs/heads/{base_name}") if name in refs}
    wanted.setdefault(f"refs/heads/{base_name}", refs.get(_HEAD, Rev("")))
    lacking = [name for name, rev in wanted.items() if not repository.has(rev)]
    if lacking:
        transfer.fetch(repository.path, remote, lacking)
    for name in lacking:
        if not repository.has(wanted[name]):
            raise GitError("ref-moved", f"{state.name}: {name} moved on its server just now", hint="run it again")
    others = {name: refs.get(f"{name}^{{}}", refs[name]) for name in more if name in refs}
    remote_base = wanted[f"refs/heads/{base_name}"]
    return Branches(state.clone, branch, url, local, refs.get(ref), base_name, state.base_rev, remote_base, others)


def full_names(ref: str) -> Sequence[str]:
    """Return what the `ref` of a flake reference may name: a branch, else a tag, or a full name.

    Nothing, if no branch can be called so.
    """
    try:
        check_ref_name(ref)
    except GitError:
        return ()
    return (ref,) if ref.startswith("refs/") else (f"refs/heads/{ref}", f"refs/tags/{ref}")


def _base_on_server(state: RepoAtCommit, refs: Mapping[str, Rev], remote: Remote) -> str:
    """Return the base branch: what the manifest says, else what the HEAD of the server names. Raises ManifestError."""
    named = refs.get(Rev(f"{_HEAD}@"), "") if _HEAD in refs else ""
    head = named.removeprefix("refs/heads/") if named.startswith("refs/heads/") else ""
    fixed = state.repo.base
    if fixed is None and head:
        return head
    # The HEAD of a server may name no branch, or one that nobody has pushed; servers over plain files do not tell.
    if f"refs/heads/{state.base}" in refs:
        return state.base
    raise no_such_base(state.name, remote.url, state.base, head or None)


def find_current(repository: Repository, branches: Branches) -> Current | Taken | None:
    """Return the update branch that counts: the one here, unless it is missing or the server's is on a later base.

    None: there is none with anything that the base lacks.
    """
    here = _commits(repository, branches, branches.local, "")
    there = here
    if branches.remote != branches.local:
        there = _commits(repository, branches, branches.remote, " of the server")
    taken = here[1] or there[1]
    commits = here[0]
    if there[0] and (not commits or _is_later(repository, there[0][-1].parents[0], commits[-1].parents[0])):
        commits = there[0]
    known = frozenset(each.rev for each in (*here[0], *there[0]))
    if taken is not None:
        return Taken(taken, commits, known)
    return Current(commits, known) if commits else None


def _commits(
    repository: Repository, branches: Branches, tip: Rev | None, where: str
) -> tuple[Sequence[Commit], SyncError | None]:
    if tip is None:
        return (), None
    commits, other = split_commits(repository, tip, branches.bases)
    if not commits and other is None and branches.remote_base is not None:
        # What was merged only here is still to land. Local commits below it are nobody's update.
        commits, below = split_commits(repository, tip, [branches.remote_base])
        commits = commits if below is None else []
    return commits, branch_taken(f"{branches.branch}{where}", other, hint=THEN) if other is not None else None


def push(repository: Repository, url: str, branch: str, new: Rev | None, old: Rev | None, servers: Servers) -> None:
    """Move the update branch of the repository at `url` from `old` to `new`; None: it is not there.

    Raises:
        GitError: `ref-moved` (it is not at `old`), or the server does not take it.
    """
    transfer.push(repository.path, servers.remote(url), f"refs/heads/{branch}", new, old=old)


def has_landed(repository: Repository, branches: Branches, commit: Rev) -> bool:
    """Tell whether the base branch has a commit: that of the server, where it was asked."""
    asked = branches.url is not None and branches.remote_base is not None
    bases = (branches.remote_base,) if asked else branches.bases
    return repository.has(commit) and any(base and repository.history.is_ancestor(commit, base) for base in bases)


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
    return one != other and repository.history.is_ancestor(other, one)
