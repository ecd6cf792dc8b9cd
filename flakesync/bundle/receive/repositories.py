"""Where the commits of a bundle go: bare repositories in a folder, mirrors, or temporary repositories."""

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from flakesync.bundle.layout.oci import bad_blob
from flakesync.bundle.layout.reader import Layout
from flakesync.documents.airgap.manifest import BundleRepo
from flakesync.errors import FlakesyncError, GitError
from flakesync.git import process
from flakesync.git.failures import refused
from flakesync.git.remotes.transfer import FETCH_FLAGS
from flakesync.git.repository import Repository
from flakesync.git.scratch.alternates import lend_objects
from flakesync.git.store.objects import ObjectReader
from flakesync.git.store.refs import remove_dead_lock
from flakesync.processes.folders import temporary_folder
from flakesync.terms import Rev

INCOMING = "refs/flakesync/import/"
"""The branches of a bundle in the repository that gets them, until its own have moved."""


class Places(Protocol):
    """Where the repositories of the receiver are."""

    def existing(self, name: str) -> Path | None:
        """Return the repository that has the repo's commits so far; None: there is none. Raises: FlakesyncError."""

    def made(self, repo: BundleRepo) -> Path:
        """Return the repository that gets the repo's commits. Raises: FlakesyncError."""


class BareFolder:
    """Bare repositories `NAME.git` in a folder."""

    def __init__(self, folder: Path) -> None:
        """folder: it need not be there yet."""
        self._folder = folder

    def existing(self, name: str) -> Path | None:
        """Return the repository of a repo; None: there is none."""
        path = self._path(name)
        return path if (path / "HEAD").exists() else None

    def made(self, repo: BundleRepo) -> Path:
        """Return the repository of a repo; where there is none it is made, and its HEAD is the first base branch."""
        path = self._path(repo.name)
        if self.existing(repo.name) is not None:
            return path
        branches = sorted(repo.branches, key=lambda branch: branch.update)
        make_bare(path, branches[0].name if branches else "main", sha256=is_sha256(repo))
        return path

    def _path(self, name: str) -> Path:
        return self._folder.absolute() / f"{name}.git"


class Nowhere:
    """Repositories that last as long as the run: commits are needed for the sources that are made of them."""

    def __init__(self, folder: Path, places: Places | None) -> None:
        """folder: a temporary one. places: repositories whose objects count as there; nothing is written to them."""
        self._folder = folder
        self._places = places

    def existing(self, name: str) -> Path | None:
        """Return what `places` has."""
        return self._places.existing(name) if self._places is not None else None

    def made(self, repo: BundleRepo) -> Path:
        """Return an empty repository, with the objects of the existing one."""
        path = self._folder / f"{repo.name}.git"
        if path.exists():
            return path
        there = self.existing(repo.name)
        if there is None:
            make_bare(path, "main", sha256=is_sha256(repo))
            return path
        # Made beside it: `objects` is a link then, or a folder with one.
        lend_objects(Path(ObjectReader.open(there).common_dir), path)
        (path / "refs").mkdir()
        (path / "HEAD").write_text("ref: refs/heads/none\n")
        form = "repositoryformatversion = 1\n[extensions]\n\tobjectformat = sha256" if is_sha256(repo) else ""
        (path / "config").write_text(f"[core]\n\tbare = true\n\t{form or 'repositoryformatversion = 0'}\n")
        return path


def make_bare(path: Path, branch: str, *, sha256: bool) -> None:
    """Make an empty bare repository whose HEAD is `branch`, in one step. Raises: GitError."""
    new = path.with_name(f".{path.name}.new")
    form = f"--object-format={'sha256' if sha256 else 'sha1'}"
    try:
        if new.exists():
            shutil.rmtree(new)
        path.parent.mkdir(parents=True, exist_ok=True)
        process.git(["init", "--quiet", "--bare", "--template=", form, "--", str(new)])
        (new / "HEAD").write_text(f"ref: refs/heads/{branch}\n")  # old gits have no option for it
        new.rename(path)
    except OSError as error:
        raise refused(str(path), error) from None


def is_sha256(repo: BundleRepo) -> bool:
    """Tell whether the commits of a repo have names of SHA-256."""
    return any(len(branch.tip) == 64 for branch in repo.branches)


def lacking(path: Path | None, repo: BundleRepo) -> list[str]:
    """Return the commits that a repository has to have before the bundle comes, and has not."""
    wanted = repo.prerequisites if repo.blob is not None else [branch.tip for branch in repo.branches]
    if path is None:
        return list(wanted)
    with Repository.open(path) as repository:
        return [rev for rev in wanted if not repository.has(Rev(rev))]


def take_commits(layout: Layout, repo: BundleRepo, path: Path) -> None:
    """Fetch the branches of a repo into `refs/flakesync/import/` of the repository at `path`; no branch of it moves.

    Raises: FlakesyncError(`bad-blob`: its blob is damaged, or not what the manifest says), GitError.
    """
    _clear_dead_locks(path)
    if repo.blob is not None:
        with _as_file(layout, repo.blob) as file:
            _fetch(file, repo.blob, repo, path)
    with Repository.open(path) as repository:
        for branch in repo.branches:
            tip = Rev(branch.tip)
            if not repository.has(tip):
                raise bad_blob(repo.blob or repo.name, f"the commit {tip} of {branch.name} is not in it")
            if repository.commit(tip).tree != branch.tree:
                raise bad_blob(repo.blob or repo.name, f"the commit {tip} has another tree than the manifest says")


def forget_incoming(path: Path, keep: Mapping[str, str]) -> None:
    """Take away the refs that `take_commits` has made. keep: branches whose refs stay, with their commits."""
    listed = process.git(["for-each-ref", "--format=%(refname) %(objectname)", INCOMING], cwd=path).lines
    there = {ref: Rev(tip) for ref, tip in (line.split(" ") for line in listed)}
    wanted = {f"{INCOMING}{name}": Rev(tip) for name, tip in keep.items()}
    # Not by git: lock files of a git that is killed stay, and stop all that follow.
    with Repository.open(path) as repository:
        for ref, tip in there.items():
            if ref not in wanted:
                repository.delete_ref(ref, old=tip)
        for ref, tip in wanted.items():
            if there.get(ref) != tip:
                repository.update_ref(ref, tip, old=there.get(ref), message="flakesync: import")


def _clear_dead_locks(path: Path) -> None:
    """Take away what a git that was killed has left beside the refs of imports, which are nobody else's."""
    for lock in (path / INCOMING).rglob("*.lock"):
        with contextlib.suppress(OSError):
            remove_dead_lock(str(lock), of_git=True)


@contextmanager
def _as_file(layout: Layout, digest: str) -> Iterator[Path]:
    """Give a blob that is whole as a file of its own: git reads no part of an archive."""
    own = layout.path(digest)
    if own is not None:
        for _ in layout.blob(digest):
            pass
        yield own
        return
    with temporary_folder("import") as folder:
        file = folder / "bundle"
        with file.open("wb") as copy:
            copy.writelines(layout.blob(digest))
        yield file


def _fetch(file: Path, digest: str, repo: BundleRepo, path: Path) -> None:
    try:
        listed = process.git(["bundle", "list-heads", str(file)], cwd=path).lines
        heads = [line.split(" ", 1) for line in listed if " " in line]
        refs = {tip: ref for tip, ref in heads if ref.startswith("refs/")}
        specs = [f"+{refs[b.tip]}:{INCOMING}{b.name}" for b in repo.branches if b.tip in refs]
        if not specs:
            raise bad_blob(digest, "it has none of the commits that the manifest says")
        # The wall of --offline knows no transports; this one is a file.
        process.git(["fetch", *FETCH_FLAGS, "--", str(file), *specs], cwd=path, env={"GIT_ALLOW_PROTOCOL": "file"})
    except GitError as error:
        if error.code != "git":
            raise
        raise FlakesyncError("bad-blob", f"{digest}: {error.message}", hint="is it of the base that is here?") from None
