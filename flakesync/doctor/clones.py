"""The clones of the workspace: whether they can be read and written, and how much of their histories is there."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from flakesync.doctor.place import DoctorPlace
from flakesync.doctor.rows import FOLDER, DoctorRows, Rows, together
from flakesync.documents.doctor import DoctorRow
from flakesync.errors import FlakesyncError, GitError
from flakesync.git.repository import Repository
from flakesync.nix.lock.file import LockFile
from flakesync.nix.lock.node import LockNode
from flakesync.terms import RepoName, flake_file
from flakesync.workspace.model import Repo, Workspace

_ROW = DoctorRows("clones")
_MOST_BYTES = 64 << 20


def clone_rows(place: DoctorPlace) -> Rows:
    """Give the rows about the folders of repos; none where all are mirrored."""
    if place.workspace is None or not place.clones:
        return
    branch = place.workspace.branch
    found: list[tuple[RepoName, DoctorRow]] = []
    shallow: list[Repo] = []
    for repo, path in place.clones:
        try:
            with Repository.open(path) as repository:
                if (repository.common_dir / "shallow").exists():
                    shallow.append(repo)
                found += [(repo.name, row) for row in _of(repository, branch)]
        except GitError as error:
            found.append((repo.name, _unopened(path, error)))
    yield from together(found, place.folders)
    yield from _shallow(place.workspace, shallow)


def _unopened(path: Path, error: GitError) -> DoctorRow:
    if error.code == "not-a-repository" and not (path / ".git").exists():
        detail = "a plain folder, which is read and never updated"
        return _ROW.warning("clones", detail, hint="`git init` there, or give the repo's `url` alone")
    return _ROW.error("clones", error)


def _of(repository: Repository, branch: str) -> list[DoctorRow]:
    """Return what is wrong with a clone, or that nothing is."""
    rows = []
    try:
        repository.require_not_checked_out(f"refs/heads/{branch}")
        repository.require_room(f"refs/heads/{branch}")
    except GitError as error:
        rows.append(_ROW.error("update branch", error))
    closed = [name for name in ("objects", "refs") if not os.access(repository.common_dir / name, os.W_OK)]
    if closed:
        where = f"{repository.common_dir / closed[0]} cannot be written"
        rows.append(_ROW.fails("clones", where, hint=f"give user {os.geteuid()} the right to write there"))
    return rows or [_ROW.ok("clones", "can be read and written, and the update branch is free")]


def _shallow(workspace: Workspace, shallow: Sequence[Repo]) -> Rows:
    """Give the row about shallow clones, with those whose locks are compared with their histories."""
    if not shallow:
        yield _ROW.ok("histories", "no clone is shallow")
        return
    of = _dependents(workspace, shallow)
    one = len(shallow) == 1
    detail = "the clone is shallow: " if one else "these clones are shallow: "
    detail += f"how far {_few(of)} lag behind is not known" if of else "histories end early"
    folder = shlex.quote(str(shallow[0].path)) if one else FOLDER
    hint = f"git -C {folder} fetch --unshallow (actions/checkout: `fetch-depth: 0`)"
    yield _ROW.warning("histories", detail, hint=hint, repos=[repo.name for repo in shallow])


def _dependents(workspace: Workspace, upstreams: Sequence[Repo]) -> list[RepoName]:
    """Return the repos that lock some of these, by the locks in the working trees."""
    by_identity = {identity: repo.name for repo in upstreams for identity in repo.identities}
    return [
        repo.name
        for repo in workspace.repos
        if any(
            by_identity.get(node.origin.repository, repo.name) != repo.name
            for flake in repo.flakes
            for node in _nodes(repo, flake_file(flake))
            if node.origin.repository is not None
        )
    ]


def _nodes(repo: Repo, name: str) -> Sequence[LockNode]:
    if repo.path is None:
        return ()
    try:
        with (repo.path / name).open("rb") as file:
            data = file.read(_MOST_BYTES)
        return tuple(LockFile.parse(data, file=name).nodes.values())
    except (OSError, FlakesyncError):
        return ()  # a run says what is wrong with it


def _few(names: Sequence[RepoName]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{', '.join(names[:3])} and {len(names) - 3} more"
