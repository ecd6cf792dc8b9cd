"""Builders of real git repositories, fast enough for a thousand: libgit2, in process, fixed people and dates."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pygit2
from pygit2.enums import FileMode, ResetMode

from flakesync.terms import Rev

NAME = "Test Author"
EMAIL = "author@test.example"
DATE = 1_700_000_000
"""The time of a commit if none is given: seconds since 1970."""

Files = Mapping[str, str | bytes | None]
"""Path → content; None takes the path away. Text that begins with `link:` makes a symlink, `exec:` an executable."""


def make_repo(
    path: Path,
    files: Files,
    *,
    branch: str = "main",
    date: int = DATE,
    message: str = "Begin",
    checkout: bool = True,
) -> Rev:
    """Make a repository at `path` with one commit on `branch`, which is HEAD; return that commit.

    checkout: whether the files are in the working tree and in the index too; without, a thousand take half the time.
    """
    _initialise(path / ".git", branch, bare=False)
    return commit(path, files, message=message, date=date, checkout=checkout)


def make_bare(path: Path, files: Files, *, branch: str = "main", date: int = DATE, message: str = "Begin") -> Rev:
    """Make a bare repository with one commit on `branch`; return that commit."""
    _initialise(path, branch, bare=True)
    return commit(path, files, message=message, date=date)


def _initialise(git_dir: Path, branch: str, *, bare: bool) -> None:
    """Do what `git init` does without a template: a tenth of its time, which is most of a small repository's."""
    for folder in ("objects/pack", "objects/info", "refs/heads", "refs/tags", "info"):
        (git_dir / folder).mkdir(parents=True)
    (git_dir / "HEAD").write_text(f"ref: refs/heads/{branch}\n")
    (git_dir / "config").write_text(f"[core]\n\trepositoryformatversion = 0\n\tbare = {str(bare).lower()}\n")


def commit(
    path: Path,
    files: Files,
    *,
    message: str = "Change",
    date: int = DATE,
    branch: str | None = None,
    parents: list[Rev] | None = None,
    author: tuple[str, str] = (NAME, EMAIL),
    checkout: bool = True,
) -> Rev:
    """Commit `files` on top of `branch` (None: HEAD's branch); return the commit.

    parents: its parents, where they are not the branch's tip. checkout: whether the index and the working tree follow
    if the branch is HEAD's.
    """
    repo = pygit2.Repository(str(path))
    try:
        head = repo.lookup_reference("HEAD").target
        ref = f"refs/heads/{branch}" if branch is not None else str(head)
        tip = repo.references[ref].target if ref in repo.references else None
        above = parents if parents is not None else ([str(tip)] if tip is not None else [])
        start = repo[above[0]].peel(pygit2.Commit).tree if above else None
        tree = _tree(repo, start, {tuple(name.split("/")): content for name, content in files.items()})
        who = pygit2.Signature(*author, date, 0)
        made = repo.create_commit(None, who, who, message, tree, above)
        repo.references.create(ref, made, force=True)
        if checkout and ref == head and not repo.is_bare:
            repo.reset(made, ResetMode.HARD)
        return Rev(str(made))
    finally:
        repo.free()


def clone_bare(source: Path, to: Path) -> Path:
    """Make a bare copy of the local repository `source` with all its branches; return `to`."""
    pygit2.clone_repository(str(source), str(to), bare=True).free()
    return to


def put_on_server(clone: Path, storage: Path, url: str) -> None:
    """Do what `git push` to the bare repository `storage` and `git remote add origin URL` do, without a process.

    For HEAD's branch, and objects that git has not packed: how they got there is not what is tested.
    """
    git_dir = clone / ".git"
    head = (git_dir / "HEAD").read_text().strip().removeprefix("ref: refs/heads/")
    tip = (git_dir / "refs/heads" / head).read_text()
    shutil.copytree(git_dir / "objects", storage / "objects", dirs_exist_ok=True)
    origin = git_dir / "refs/remotes/origin"
    for ref in (storage / "refs/heads" / head, origin / head):
        ref.parent.mkdir(parents=True, exist_ok=True)
        ref.write_text(tip)
    (origin / "HEAD").write_text(f"ref: refs/remotes/origin/{head}\n")
    _name_origin(git_dir, url)


def clone_to_server(clone: Path, server: Path, url: str) -> None:
    """Do what `git clone --bare`, `git remote add origin URL` and `git fetch` do, without a process.

    For a clone with one branch, which is HEAD's, and objects that git has not packed.
    """
    git_dir = clone / ".git"
    head = (git_dir / "HEAD").read_text().strip().removeprefix("ref: refs/heads/")
    _initialise(server, head, bare=True)
    shutil.copytree(git_dir / "objects", server / "objects", dirs_exist_ok=True)
    tracking = git_dir / "refs/remotes/origin" / head
    tracking.parent.mkdir(parents=True)
    for ref in (server / "refs/heads" / head, tracking):
        shutil.copyfile(git_dir / "refs/heads" / head, ref)
    _name_origin(git_dir, url)


def _name_origin(git_dir: Path, url: str) -> None:
    with (git_dir / "config").open("a") as config:
        config.write(f'[remote "origin"]\n\turl = {url}\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n')


def run_git(*argv: str, cwd: Path) -> str:
    """Run the git program as a user would; return what it prints."""
    done = subprocess.run(["git", *argv], cwd=cwd, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def _tree(
    repo: pygit2.Repository, start: pygit2.Tree | None, files: Mapping[tuple[str, ...], str | bytes | None]
) -> pygit2.Oid:
    builder = repo.TreeBuilder(start) if start is not None else repo.TreeBuilder()
    below: dict[str, dict[tuple[str, ...], str | bytes | None]] = {}
    for parts, content in files.items():
        if len(parts) > 1:
            below.setdefault(parts[0], {})[parts[1:]] = content
        elif content is None:
            builder.remove(parts[0])
        else:
            mode, data = _blob(content)
            builder.insert(parts[0], repo.create_blob(data), mode)
    for name, inner in below.items():
        known = start[name] if start is not None and name in start else None
        oid = _tree(repo, known if isinstance(known, pygit2.Tree) else None, inner)
        if len(repo[oid].peel(pygit2.Tree)) == 0:
            builder.remove(name)
        else:
            builder.insert(name, oid, FileMode.TREE)
    return builder.write()


def _blob(content: str | bytes) -> tuple[FileMode, bytes]:
    if isinstance(content, bytes):
        return FileMode.BLOB, content
    for prefix, special in (("link:", FileMode.LINK), ("exec:", FileMode.BLOB_EXECUTABLE)):
        if content.startswith(prefix):
            return special, content.removeprefix(prefix).encode()
    return FileMode.BLOB, content.encode()
