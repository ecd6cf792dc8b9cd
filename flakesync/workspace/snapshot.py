"""Every lock of the workspace, read at its base or at its update branch.

The survey asks its repos for histories after that, and servers for branches.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from flakesync.cache.files import KeptFiles
from flakesync.cache.layout import commit_files
from flakesync.errors import FlakesyncError, GitError, LockError, ManifestError
from flakesync.git.store.base import read_base
from flakesync.git.store.objects import ObjectReader
from flakesync.nix.lock.file import LockFile
from flakesync.nix.reference.flakeref import Identity
from flakesync.terms import FlakeDir, NodeLabel, RepoName, Rev, flake_file
from flakesync.workspace.inputs import Following, OwnInput, copies, following_inputs, own_inputs
from flakesync.workspace.manifest import Repo, Workspace

if TYPE_CHECKING:
    from flakesync.workspace.hosts import Hosts

At = Literal["base", "update"]
ProblemKind = Literal["no-lock", "bad-lock"]

_NO_REPOS_OWN = frozenset({"cache", "no-git"})


class Problem(msgspec.Struct, frozen=True):
    """Why a flake has no usable lock."""

    kind: ProblemKind
    detail: str


class FlakeState(msgspec.Struct, frozen=True, dict=True):
    """One flake of a repo: `lock` is None where it has no inputs, or where there is a `problem`."""

    dir: FlakeDir
    lock: LockFile | None
    problem: Problem | None = None

    @cached_property
    def inputs(self) -> tuple[OwnInput, ...]:
        """The flake's own inputs that have nodes of their own, those of the repo's folders that it takes among them."""
        return tuple(own_inputs(self.lock)) if self.lock is not None else ()

    @cached_property
    def following(self) -> tuple[Following, ...]:
        """The flake's own inputs that follow others."""
        return tuple(following_inputs(self.lock)) if self.lock is not None else ()

    @cached_property
    def copies(self) -> Mapping[Identity, Sequence[NodeLabel]]:
        """The nodes of the lock by the repository that they are of, at any depth."""
        return copies(self.lock) if self.lock is not None else {}


class RepoAtCommit(msgspec.Struct, frozen=True):
    """A repo read from its clone or mirror.

    clone: the local clone or the mirror. base: the base branch, and base_rev its commit, whatever was read. rev: the
    commit that was read: the update branch's when `updated`, else the base's.
    """

    repo: Repo
    clone: Path
    base: str
    rev: Rev
    base_rev: Rev
    flakes: tuple[FlakeState, ...]

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


def read_snapshot(
    workspace: Workspace, *, at: At = "base", cache: Path, offline: bool = False, hosts: "Hosts | None" = None
) -> Snapshot:
    """Read every flake.lock of the workspace.

    at: `update` reads a repo's update branch where it has one. cache: where repos given only by `url` are mirrored.
    offline: mirrors are used as they are. A repo that cannot be reached is a state with an `error`. hosts: what git
    logs in with; None: the tokens in this process's environment.

    Raises:
        ManifestError: what the manifest says of a repo cannot be (its base does not exist, its path is no repository).
        GitError: no repo could be mirrored: there is no git, or the cache cannot be written (`no-git`, `cache`).
        FlakesyncError: `forge-token`, a variable holds what cannot be a token.
    """
    # Two manifests that share a file by accident keep more in it, and nothing wrong.
    kept = KeptFiles(commit_files(cache, workspace.file))
    local = [repo for repo in workspace.repos if repo.path is not None]
    remote = [repo for repo in workspace.repos if repo.path is None]
    states = [_read_local(workspace, repo, at, kept) for repo in local]
    if remote:
        from concurrent.futures import ThreadPoolExecutor

        from flakesync.workspace.hosts import Hosts

        known = None if offline else hosts or Hosts(workspace, os.environ)
        with ThreadPoolExecutor(max_workers=workspace.jobs) as pool:
            states += pool.map(lambda repo: _read_mirror(workspace, repo, at, cache, known, kept), remote)
    kept.write()
    return Snapshot(workspace, at, {state.name: state for state in sorted(states, key=lambda state: state.name)})


def read_repo(workspace: Workspace, repo: Repo, *, at: At = "base", cache: Path, offline: bool = False) -> RepoState:
    """Read one repo, as `read_snapshot` does."""
    if repo.path is not None:
        return _read_local(workspace, repo, at)
    from flakesync.workspace.hosts import Hosts

    return _read_mirror(workspace, repo, at, cache, None if offline else Hosts(workspace, os.environ))


def _read_local(workspace: Workspace, repo: Repo, at: At, kept: KeptFiles | None = None) -> RepoState:
    assert repo.path is not None
    try:
        return _read_git(workspace, repo, repo.path, at, kept)
    except GitError as error:
        if error.code == "not-a-repository" and not (repo.path / ".git").exists() and not _is_bare(repo.path):
            return _read_folder(repo)
        raise ManifestError(error.code, f"repos.{repo.name}: {error.message}", hint=error.hint) from error


def _is_bare(path: Path) -> bool:
    return (path / "HEAD").is_file() and (path / "objects").is_dir()


def _read_mirror(
    workspace: Workspace, repo: Repo, at: At, cache: Path, hosts: "Hosts | None", kept: KeptFiles | None = None
) -> RepoState:
    """Read a repo that is known by its address. hosts: None: its server is not asked, and the mirror used as it is."""
    from flakesync.git.remotes.mirror import mirror

    assert repo.url is not None
    url = repo.url.git_url()
    if url is None:
        raise ManifestError(
            "no-git-url",
            f"repos.{repo.name}.url: {repo.url.to_url()} is not a git repository",
            hint="a repo is given by a reference that git can clone, or by a path",
        )
    try:
        clone = mirror(hosts.remote(url) if hosts is not None else url, cache, offline=hosts is None)
    except GitError as error:
        if error.code in _NO_REPOS_OWN:
            raise
        return UnreadableRepo(repo, repo.base, error)
    try:
        return _read_git(workspace, repo, clone, at, kept)
    except GitError as error:
        if error.code == "no-such-branch" and repo.base is not None:
            from flakesync.git.process import hide_secrets

            default = ObjectReader.open(clone).default_branch()
            raise no_such_base(repo.name, hide_secrets(url), repo.base, default) from error
        raise ManifestError(error.code, f"repos.{repo.name}: {error.message}", hint=error.hint) from error


def no_such_base(name: RepoName, url: str, base: str, default: str | None) -> ManifestError:
    """Return the error of a repo whose base branch its server does not have. default: the server's own; None: none."""
    its_own = f"; its default branch is {default}" if default is not None else ""
    return ManifestError(
        "no-such-branch",
        f"repos.{name}: {url} has no branch {base}, its base{its_own}",
        hint=f'set `base = "{default}"`, or push {base}' if default is not None else f"push {base} first",
    )


def _read_git(workspace: Workspace, repo: Repo, clone: Path, at: At, kept: KeptFiles | None) -> RepoState:
    update = workspace.branch if at == "update" else None
    base = read_base(clone, repo.base, [flake_file(dir) for dir in repo.flakes], update=update, kept=kept)
    files = base.files
    without = [flake_file(dir, "flake.nix") for dir in repo.flakes if files[flake_file(dir)] is None]
    if without:  # flake.nix only tells whether a lock is missing
        reader = ObjectReader.open(clone)
        files = {**files, **{file: reader.read(base.rev, file) for file in without}}
    flakes = tuple(_flake(repo, dir, files) for dir in repo.flakes)
    return RepoAtCommit(repo, clone, base.branch, base.rev, base.base_rev, flakes)


def _read_folder(repo: Repo) -> RepoState:
    assert repo.path is not None
    files: dict[str, bytes | None] = {}
    for dir in repo.flakes:
        for name in ("flake.lock", "flake.nix"):
            path = repo.path / flake_file(dir, name)
            try:
                files[flake_file(dir, name)] = path.read_bytes() if path.is_file() else None
            except OSError as error:
                raise ManifestError("unreadable", f"repos.{repo.name}: {path}: {error.strerror}") from error
    return PlainFolder(repo, repo.base, tuple(_flake(repo, dir, files) for dir in repo.flakes))


def _flake(repo: Repo, dir: FlakeDir, files: Mapping[str, bytes | None]) -> FlakeState:
    data = files[flake_file(dir)]
    if data is None:
        file = flake_file(dir, "flake.nix")
        flake_nix = files[file]
        if flake_nix is None:
            return FlakeState(dir, None, Problem("no-lock", f"there is no {file}"))
        if may_have_inputs(flake_nix):
            return FlakeState(dir, None, Problem("no-lock", f"{file} has inputs but no flake.lock"))
        return FlakeState(dir, None)
    try:
        return FlakeState(dir, LockFile.parse(data, file=f"{repo.name}/{flake_file(dir)}"))
    except LockError as error:
        return FlakeState(dir, None, Problem("bad-lock", error.message))


_NOTHING = re.compile(rb"#[^\n]*|/\*.*?\*/|\binputs\s*=\s*\{\s*\}\s*;", re.DOTALL)
_INPUTS = re.compile(rb"(?<![\w.-])inputs(?![\w-])\s*[.={]")
_FORMALS = re.compile(rb"outputs\s*=\s*(?:\w+\s*@\s*)?\{([^}]*)\}\s*(?:@\s*\w+\s*)?:")


def may_have_inputs(flake_nix: bytes) -> bool:
    """Tell whether a flake.nix without a lock seems to need one: Nix writes none for a flake without inputs.

    A look at the text, not a parse: it only decides whether a missing lock is worth a finding.
    """
    text = _NOTHING.sub(b"", flake_nix)
    if _INPUTS.search(text):
        return True
    formals = _FORMALS.search(text)
    return formals is not None and bool(_names(formals[1]) - {b"self"})


def _names(formals: bytes) -> set[bytes]:
    parts: Iterable[bytes] = (part.split(b"?")[0].strip() for part in formals.split(b","))
    return {part for part in parts if part and part != b"..."}
