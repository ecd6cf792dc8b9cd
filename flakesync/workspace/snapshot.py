"""Every lock of the workspace, read at its base or at its update branch.

The survey asks its repos for histories after that, and servers for branches.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

import msgspec

from flakesync.cache.files import KeptFiles
from flakesync.cache.layout import commit_files, outlines_file
from flakesync.errors import (
    CacheError,
    FlakesyncError,
    GitError,
    HostDownError,
    ManifestError,
    as_error,
    first_of,
)
from flakesync.git.settings import AskShared, read_shared_settings
from flakesync.git.store.base import BranchTip, read_base
from flakesync.git.store.objects import ObjectReader
from flakesync.git.store.trees import is_sound
from flakesync.terms import RepoName, Rev, flake_file
from flakesync.workspace.clones.branches import OWN_BRANCHES, BranchRefs, find_branches, is_read_at_server
from flakesync.workspace.clones.flakes import FlakeState, Problem, read_flake, read_flakes
from flakesync.workspace.clones.plain import read_plain
from flakesync.workspace.manifest import Repo, Workspace

if TYPE_CHECKING:
    from flakesync.workspace.hosts import Hosts

__all__ = [
    "At",
    "FlakeState",
    "PlainFolder",
    "Problem",
    "RepoAtCommit",
    "RepoState",
    "Snapshot",
    "UnreadableRepo",
    "hosts_of",
    "no_such_base",
    "read_locks",
    "read_repo",
    "read_snapshot",
]

At = Literal["base", "update"]

_NO_REPOS_OWN = frozenset({"no-git", "git-settings"})
_MANIFESTS = frozenset({"no-such-branch", "not-a-repository", "bad-ref"})
"""What the manifest says of a repo and cannot be; all else is the repo's own, and fails it alone."""


class RepoAtCommit(msgspec.Struct, frozen=True):
    """A repo read from its clone or mirror.

    clone: the local clone or the mirror. base: the base branch, and base_rev its commit, whatever was read. rev: the
    commit that was read: the update branch's when `updated`, else the base's. branches: where its branches are.
    """

    repo: Repo
    clone: Path
    base: str
    rev: Rev
    base_rev: Rev
    flakes: tuple[FlakeState, ...]
    branches: BranchRefs = OWN_BRANCHES

    @property
    def name(self) -> RepoName:
        """The repo's name in the manifest."""
        return self.repo.name

    @property
    def updated(self) -> bool:
        """Whether it was read at its update branch."""
        return self.rev != self.base_rev


class PlainFolder(msgspec.Struct, frozen=True):
    """A repo whose `path` is no git repository of its own: its locks as they lie there. base: as in the manifest."""

    repo: Repo
    base: str | None
    flakes: tuple[FlakeState, ...]
    updated: ClassVar[bool] = False

    @property
    def name(self) -> RepoName:
        """The repo's name in the manifest."""
        return self.repo.name


class UnreadableRepo(msgspec.Struct, frozen=True):
    """A repo that could not be read, and why. base: what the manifest says."""

    repo: Repo
    base: str | None
    error: FlakesyncError
    flakes: ClassVar[tuple[FlakeState, ...]] = ()
    updated: ClassVar[bool] = False

    @property
    def name(self) -> RepoName:
        """The repo's name in the manifest."""
        return self.repo.name


RepoState = RepoAtCommit | PlainFolder | UnreadableRepo
"""One repo as it was read."""


class Snapshot(msgspec.Struct, frozen=True):
    """All repos of a workspace, in the order of their names."""

    workspace: Workspace
    at: At
    states: Mapping[RepoName, RepoState]


class _Reading(NamedTuple):
    """How repos are read. hosts: what git logs in with; None: no server is asked. renew: ask about clones too.

    compared: each flake.nix is compared with its lock. shared: gives what git's settings say for all repositories.
    """

    workspace: Workspace
    at: At
    cache: Path
    hosts: "Hosts | None" = None
    kept: KeptFiles | None = None
    renew: bool = True
    compared: bool = True
    shared: AskShared = read_shared_settings


def read_snapshot(
    workspace: Workspace,
    *,
    at: At = "base",
    cache: Path,
    offline: bool = False,
    renew: bool = True,
    hosts: "Hosts | None" = None,
) -> Snapshot:
    """Read every flake.lock of the workspace.

    at: `update` reads a repo's update branch where it has one. cache: where repos given only by `url` are mirrored.
    offline: mirrors and clones are used as they are. renew: clones are brought up to their servers; without, only
    mirrors are, and clones that have nothing of theirs. A repo that cannot be reached, or in which something goes wrong
    that nobody foresaw, is a state with an `error`; a host that answers nobody is asked once. hosts: what git logs in
    with; None: the tokens in the environment.

    Raises:
        ManifestError: what the manifest says of a repo cannot be (its base does not exist, its path is no repository).
        GitError: no repo could be mirrored: there is no git, or the cache cannot be written (`no-git`, `cache`);
            or all of them are somebody else's (`dubious-ownership`).
        FlakesyncError: `forge-token`, a variable holds what cannot be a token.
    """
    return _read_all(_Reading(workspace, at, cache, hosts, renew=renew), offline=offline)


def read_locks(
    workspace: Workspace, *, at: At = "base", cache: Path, offline: bool = False, renew: bool = True
) -> Snapshot:
    """Return what `read_snapshot` does, for those who ask what locks hold: no flake.nix is compared with its lock.

    That takes longer than all the rest, and of a commit that is new each time. `stale`, `uncompared` and `overrides` of
    the flakes are empty.

    Raises: the errors of `read_snapshot`.
    """
    return _read_all(_Reading(workspace, at, cache, renew=renew, compared=False), offline=offline)


def _read_all(reading: _Reading, *, offline: bool) -> Snapshot:
    workspace = reading.workspace
    # Two manifests that share a file by accident keep more in it, and nothing wrong.
    beside = [outlines_file(reading.cache, workspace.file)] if reading.at == "update" else []
    kept = KeptFiles(commit_files(reading.cache, workspace.file), *beside)
    reading = reading._replace(kept=kept, shared=cache(read_shared_settings))
    local, asking, states = _split(workspace)
    states += [_read_local(reading, repo) for repo in local]
    if asking:
        states += _read_asking(reading._replace(hosts=_hosts(workspace, offline, reading.hosts)), asking)
    kept.write()
    _refuse_all_of_others(states)
    states.sort(key=lambda state: state.name)
    return Snapshot(workspace, reading.at, {state.name: state for state in states})


def _refuse_all_of_others(states: Sequence[RepoState]) -> None:
    """Raise FlakesyncError(`dubious-ownership`) where somebody else owns all repos, as in a container."""
    errors = [state.error for state in states if isinstance(state, UnreadableRepo)]
    if errors and len(errors) == len(states) and {error.code for error in errors} == {"dubious-ownership"}:
        raise first_of(errors)


def read_repo(workspace: Workspace, repo: Repo, *, at: At = "base", cache: Path, offline: bool = False) -> RepoState:
    """Read one repo, as `read_snapshot` does."""
    local, asking, unreadable = _split(workspace, repo)
    reading = _Reading(workspace, at, cache)
    if asking:
        return _read_asking(reading._replace(hosts=_hosts(workspace, offline, None)), asking)[0]
    return _read_local(reading, repo) if local else unreadable[0]


def hosts_of(workspace: Workspace) -> "Hosts":
    """Return the servers of a workspace, with the tokens in the environment."""
    from flakesync.workspace.hosts import Hosts

    return Hosts(workspace, os.environ)


def _hosts(workspace: Workspace, offline: bool, hosts: "Hosts | None") -> "Hosts | None":
    return None if offline else hosts or hosts_of(workspace)


def _split(workspace: Workspace, *repos: Repo) -> tuple[list[Repo], list[Repo], list[RepoState]]:
    """Return the repos (all of them if none is named) that are read as they lie, and those that a server knows.

    The third list has the states of those of which not even that could be found out.
    """
    local: list[Repo] = []
    asking: list[Repo] = []
    unreadable: list[RepoState] = []
    for repo in repos or workspace.repos:
        try:
            (local if repo.path is not None and not is_read_at_server(workspace, repo) else asking).append(repo)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this repo's
            unreadable.append(_unreadable(repo, error))
    return local, asking, unreadable


def _unreadable(repo: Repo, error: Exception) -> UnreadableRepo:
    return UnreadableRepo(repo, repo.base, as_error(error))


def _or_unreadable(repo: Repo, read: Callable[[], RepoState]) -> RepoState:
    """Read a repo; what goes wrong that is no error of ours is this repo's alone. Raises FlakesyncError."""
    try:
        return read()
    except FlakesyncError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the others can be read
        return _unreadable(repo, error)


def _read_asking(reading: _Reading, repos: Sequence[Repo]) -> list[RepoState]:
    """Read repos that servers know."""
    if reading.hosts is None:  # nobody is waited for: threads would only stand in each other's way
        return [_read_copy(reading, repo) for repo in repos]
    from flakesync.workspace.clones.by_host import read_by_host

    workspace = reading.workspace
    return read_by_host(repos, lambda repo: _read_copy(reading, repo), _unreadable, workspace.jobs, workspace.mirrors)


def _read_copy(reading: _Reading, repo: Repo) -> RepoState:
    """Read a repo that a server knows. Raises: HostDownError, and the errors of `read_snapshot`."""
    path = repo.path
    return _or_unreadable(
        repo, lambda: _read_clone(reading, repo, path) if path is not None else _read_mirror(reading, repo)
    )


def _read_clone(reading: _Reading, repo: Repo, path: Path) -> RepoState:
    """Read a clone at its server's branches."""
    try:
        reader = ObjectReader.open(path)
    except GitError:
        return _read_path(reading, repo)  # which says why
    try:
        branches, base = find_branches(
            reader,
            reading.workspace,
            repo,
            reading.hosts,
            reading.cache,
            renew=reading.renew,
            shared=reading.shared,
        )
    except GitError as error:
        if error.code in _NO_REPOS_OWN or isinstance(error, HostDownError | CacheError):
            raise
        return _unreadable(repo, error)
    if branches.heads is not None:
        url = repo.url.to_url() if repo.url is not None else ""
        if not branches.heads:
            return _unreadable(repo, _empty(url))
        if repo.base is not None and repo.base not in branches.heads:
            raise no_such_base(repo.name, url, repo.base, branches.default)
    try:
        return _read_git(reading, repo, reader, branches, base)
    except GitError as error:
        return _not_read(repo, error)


def _not_read(repo: Repo, error: GitError) -> UnreadableRepo:
    """Return the state of a repo that is here and cannot be read. Raises ManifestError where the manifest is wrong."""
    if error.code in _MANIFESTS:
        raise ManifestError(error.code, f"repos.{repo.name}: {error.message}", hint=error.hint) from error
    if error.code in _NO_REPOS_OWN:
        raise error
    return _unreadable(repo, error)


def _read_local(reading: _Reading, repo: Repo) -> RepoState:
    """Read a repo as it lies there. Raises the errors of `read_snapshot`."""
    return _or_unreadable(repo, lambda: _read_path(reading, repo))


def _read_path(reading: _Reading, repo: Repo) -> RepoState:
    assert repo.path is not None
    try:
        return _read_git(reading, repo, ObjectReader.open(repo.path))
    except GitError as error:
        if error.code == "not-a-repository" and not (repo.path / ".git").exists() and not _is_bare(repo.path):
            return _read_folder(repo)
        return _not_read(repo, error)


def _is_bare(path: Path) -> bool:
    return (path / "HEAD").is_file() and (path / "objects").is_dir()


def _read_mirror(reading: _Reading, repo: Repo) -> RepoState:
    """Read a repo that is known by its address."""
    from flakesync.git.remotes.mirror import fetched_at, mirror, redirect_of

    hosts, cache = reading.hosts, reading.cache
    assert repo.url is not None
    url = repo.url.git_url()
    if url is None:
        raise ManifestError(
            "no-git-url",
            f"repos.{repo.name}.url: {repo.url.to_url()} is not a git repository",
            hint="a repo is given by a reference that git can clone, or by a path",
        )
    try:
        remote = hosts.remote(url) if hosts is not None else url
        clone = mirror(remote, cache, offline=hosts is None)
        if hosts is not None and _is_damaged(clone, repo):
            clone = mirror(remote, cache, offline=False, anew=True)
    except GitError as error:
        if error.code in _NO_REPOS_OWN or isinstance(error, HostDownError | CacheError):
            raise
        return _unreadable(repo, error)
    fetched = fetched_at(clone) if hosts is None else None
    asked = hosts is not None
    branches = BranchRefs(of_server=not asked, fetched=fetched, redirect=redirect_of(clone), asked=asked)
    try:
        return _read_git(reading, repo, ObjectReader.open(clone), branches)
    except GitError as error:
        if error.code == "no-commits":
            return _unreadable(repo, _empty(url))
        if error.code == "no-such-branch" and repo.base is not None:
            from flakesync.secrets import hide_secrets

            default = ObjectReader.open(clone).default_branch()
            raise no_such_base(repo.name, hide_secrets(url), repo.base, default) from error
        return _not_read(repo, error)


def _is_damaged(mirror: Path, repo: Repo) -> bool:
    """Tell whether a power cut has damaged what the base is made of."""
    try:
        reader = ObjectReader.open(mirror)
        name = repo.base if repo.base is not None else reader.default_branch()
        tip = reader.branch(name) if name is not None else None
    except GitError:
        return False
    return tip is not None and not is_sound(reader, tip)


def _empty(url: str) -> GitError:
    """Return the error of a repo whose server has no branch at all."""
    from flakesync.secrets import hide_secrets

    return GitError("no-commits", f"{hide_secrets(url)} has no commit yet: push its base branch first")


def no_such_base(name: RepoName, url: str, base: str, default: str | None) -> ManifestError:
    """Return the error of a repo whose base branch its server does not have. default: the server's own; None: none."""
    its_own = f"; its default branch is {default}" if default is not None else ""
    return ManifestError(
        "no-such-branch",
        f"repos.{name}: {url} has no branch {base}, its base{its_own}",
        hint=f'set `base = "{default}"`, or push {base}' if default is not None else f"push {base} first",
    )


def _read_git(
    reading: _Reading,
    repo: Repo,
    reader: ObjectReader,
    branches: BranchRefs = OWN_BRANCHES,
    tip: BranchTip | None = None,
) -> RepoState:
    """Return the state of a repo that is here. tip: its base branch, where that was looked up already."""
    update, kept = reading.workspace.branch if reading.at == "update" else None, reading.kept
    name = repo.base if repo.base is not None else branches.default
    locks = [flake_file(dir) for dir in repo.flakes]
    base = read_base(reader, tip or name, locks, update=update, kept=kept, refs=branches.refs)
    flakes = read_flakes(repo.name, repo.flakes, reader, base.rev, base.files, kept, compared=reading.compared)
    clone = repo.path if repo.path is not None else Path(reader.path)
    return RepoAtCommit(repo, clone, base.branch, base.rev, base.base_rev, flakes, branches)


def _read_folder(repo: Repo) -> RepoState:
    assert repo.path is not None
    names = [flake_file(dir, name) for dir in repo.flakes for name in ("flake.lock", "flake.nix")]
    try:
        files, links = read_plain(repo.path, names)
    except OSError as error:
        raise ManifestError("unreadable", f"repos.{repo.name}: {error.filename}: {error.strerror}") from error
    return PlainFolder(repo, repo.base, tuple(read_flake(repo.name, dir, files, links) for dir in repo.flakes))
