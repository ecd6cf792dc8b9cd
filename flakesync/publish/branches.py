"""A repo's update branch in two places: in its clone or mirror, and on its server."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, assert_never

from flakesync.errors import GitError, ManifestError, SyncError
from flakesync.git.remotes import transfer
from flakesync.git.remotes.remote import Remote, list_refs
from flakesync.git.repository import Repository
from flakesync.git.store.config import read_entries
from flakesync.git.values import Commit, check_ref_name
from flakesync.terms import Rev
from flakesync.update.commit import branch_taken, split_commits
from flakesync.update.content import THEN, Update, has_content, has_other_locks
from flakesync.workspace.model import Repo
from flakesync.workspace.snapshot import PlainFolder, RepoAtCommit, RepoState, UnreadableRepo, no_such_base

if TYPE_CHECKING:
    from flakesync.forge.hosts import Servers

_HEAD = Rev("HEAD")
_ORIGIN = re.compile(r"remote\.origin\.url")


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
    def has_update(self) -> bool:
        """Whether there is an update branch, here or on the server."""
        return self.local is not None or self.remote is not None

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
    if url is not None:
        return url
    # A clone without a remote is not worth a git process for what settings all repositories share.
    return repository.remote_url() if read_entries(repository.reader, _ORIGIN)[0] else None


def find_branches(
    repository: Repository, state: RepoAtCommit, branch: str, servers: "Servers | None", *, also: Iterable[str] = ()
) -> Branches:
    """Return where a repo's branches are; the objects of the two on the server are here afterwards, under no ref.

    servers: None where the server is not asked; what the clone last fetched of it counts. also: more branches and tags
    that are asked for, as inputs name them.

    Raises:
        GitError: the server cannot be reached.
        ManifestError: `no-such-branch`, the server has no base branch.
    """
    if servers is None:
        return last_fetched(repository, state, branch)
    return bring(repository, state, ask_server(repository, state, branch, servers, also=also), servers)


def last_fetched(repository: Repository, state: RepoAtCommit, branch: str) -> Branches:
    """Return where a repo's branches are without asking its server; of that, what was last fetched counts."""
    ref, tracking = repository.ref, state.branches.tracking
    local = ref(f"refs/heads/{branch}")
    tracked = ref(f"{tracking}{branch}")
    # Where there is no update branch nothing is compared with the base.
    tracked_base = ref(f"{tracking}{state.base}") if local is not None or tracked is not None else None
    return Branches(state.clone, branch, None, local, tracked, state.base, state.base_rev, tracked_base)


def as_read(repository: Repository, state: RepoAtCommit, branch: str, *, also: Iterable[str] = ()) -> Branches | None:
    """Return where a repo's branches are as its server has named them while the workspace was read.

    None: it was not asked then, or not for all of these. For the first look of a run alone: nothing has been pushed
    since, and what a push expects on the server (`push`, `old`) is what was seen here, so that a server that has moved
    meanwhile refuses it.
    """
    url = server_of(repository, state.repo) if state.branches.asked else None
    if url is None:
        return None
    ref, base = f"refs/heads/{branch}", f"refs/heads/{state.base}"
    more = [name for each in also for name in full_names(each)]
    refs = state.branches.named(repository.reader, [ref, base, *more])
    if refs is None or base not in refs:
        return None
    others = {name: refs[name] for name in more if name in refs}
    local = repository.ref(ref)
    return Branches(state.clone, branch, url, local, refs.get(ref), state.base, state.base_rev, refs[base], others)


def ask_server(
    repository: Repository, state: RepoAtCommit, branch: str, servers: "Servers", *, also: Iterable[str] = ()
) -> Branches:
    """Return where a repo's branches are, of its server as this has just said; objects are not fetched.

    A repo without a server is as `last_fetched` says. also: as of `find_branches`. Raises: as `find_branches`.
    """
    url = server_of(repository, state.repo)
    if url is None:
        return last_fetched(repository, state, branch)
    remote = servers.remote(url)
    ref = f"refs/heads/{branch}"
    more = [name for each in also for name in full_names(each)]
    patterns = ["HEAD", ref, f"refs/heads/{state.base}", *more, *(f"{name}^{{}}" for name in more)]
    refs = list_refs(remote, patterns, symbolic=True)
    base_name = _base_on_server(state, refs, remote)
    others = {name: refs.get(f"{name}^{{}}", refs[name]) for name in more if name in refs}
    local = repository.ref(ref)
    remote_base = refs.get(f"refs/heads/{base_name}", refs.get(_HEAD, Rev("")))
    return Branches(state.clone, branch, url, local, refs.get(ref), base_name, state.base_rev, remote_base, others)


def bring(repository: Repository, state: RepoAtCommit, branches: Branches, servers: "Servers") -> Branches:
    """Fetch the objects of the two branches on the server that are not here, under no ref; return what was given.

    Raises: GitError: the server cannot be reached, or has moved on (`ref-moved`).
    """
    missing = lacking(repository, branches)
    if branches.url is None or not missing:
        return branches
    transfer.fetch(repository.path, servers.remote(branches.url), list(missing))
    for name, rev in missing.items():
        if not repository.has(rev):
            raise GitError("ref-moved", f"{state.name}: {name} moved on its server just now", hint="run it again")
    return branches


def lacking(repository: Repository, branches: Branches) -> Mapping[str, Rev]:
    """Return those of the two branches on the server whose commits are not here, by full name."""
    there = {branches.ref: branches.remote, f"refs/heads/{branches.base_name}": branches.remote_base}
    asked = branches.url is not None
    return {name: rev for name, rev in there.items() if asked and rev is not None and not repository.has(rev)}


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


def push(repository: Repository, url: str, branch: str, new: Rev | None, old: Rev | None, servers: "Servers") -> None:
    """Move the update branch of the repository at `url` from `old` to `new`; None: it is not there.

    Raises:
        GitError: `ref-moved` (it is not at `old`), or the server does not take it.
    """
    transfer.push(repository.path, servers.remote(url), f"refs/heads/{branch}", new, old=old)


def has_landed(repository: Repository, branches: Branches, commit: Rev, *, onto: Rev | None = None) -> bool:
    """Tell whether the base branch has a commit: that of the server, where it was asked.

    onto: a commit that it was put on, and that so cannot have it; None: not known.
    """
    asked = branches.url is not None and branches.remote_base is not None
    bases = (branches.remote_base,) if asked else branches.bases
    others = [base for base in bases if base and base != onto]
    return (
        bool(others) and repository.has(commit) and any(repository.history.is_ancestor(commit, each) for each in others)
    )


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
