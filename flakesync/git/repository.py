"""One repository: its refs, objects and history, and commits that touch nothing but a ref."""

import os
import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from flakesync.errors import GitError
from flakesync.git import process
from flakesync.git.remotes.remote import is_relative
from flakesync.git.store.config import is_off, read_settings
from flakesync.git.store.durability import is_synced
from flakesync.git.store.history import History
from flakesync.git.store.objects import ObjectReader, is_bare
from flakesync.git.store.refs import delete_ref, list_beside, move_ref, point_ref, remove_dead_lock
from flakesync.git.store.trees import damaged
from flakesync.git.store.write import Entry, ObjectWriter, write_commit
from flakesync.git.values import Commit, Signature, check_ref_name, conflict, find_in_the_way
from flakesync.terms import Rev

MIRROR_MARK = "flakesync-complete"
"""The file in a mirror that says that its first fetch has ended."""

_NOBODY = Signature("flakesync", "")
_LOCK = re.compile(r"'([^']*\.lock)': File exists")
_EXISTS = re.compile(r"'([^']*)' exists; cannot create '")


class Repository:
    """One git repository, for one task: not shared between threads, closed after use (it is a context manager).

    Reading neither imports libgit2 nor starts git where the objects are loose. Nothing here touches an index, a working
    tree, a stash or HEAD.
    """

    def __init__(self, reader: ObjectReader) -> None:
        """Wrap a reader; `open` is the usual way."""
        self.reader = reader
        self._history: History | None = None
        self._last: tuple[Rev, str, bytes | None] | None = None
        self.bare = reader.bare

    @cached_property
    def path(self) -> Path:
        """The top folder."""
        return Path(self.reader.path)

    @cached_property
    def common_dir(self) -> Path:
        """The folder of what all worktrees share: refs, objects, settings."""
        return Path(self.reader.common_dir)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the repository whose top folder is `path`: a clone, a worktree, a submodule, or a bare one.

        Raises: GitError(`not-a-repository` | `dubious-ownership`); a folder inside a repository is not one.
        """
        return cls(ObjectReader.open(path))

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Let go of the files that libgit2 keeps open."""
        if self._history is not None:
            self._history.close()
            self._history = None

    # ---- refs ----------------------------------------------------------------------------------------------------

    def default_branch(self) -> str | None:
        """Return the branch that origin's HEAD names, else (bare) HEAD's, else main, master, else HEAD's; or None."""
        return self.reader.default_branch()

    def branch(self, name: str) -> Rev | None:
        """Return the tip of refs/heads/`name`, else of refs/remotes/origin/`name`; None: there is no such branch."""
        check_ref_name(name)
        return self.ref("refs/heads/" + name) or self.ref("refs/remotes/origin/" + name)

    def ref(self, full: str) -> Rev | None:
        """Return what a ref (`refs/heads/main`, `HEAD`) names in the end; None: it does not exist, or is blank."""
        return self.reader.sound_ref(full)

    def update_ref(self, ref: str, new: Rev, *, old: Rev | None, message: str) -> None:
        """Move `ref` from `old` (None: it must not exist) to `new`, in one step, with an entry in its reflog.

        Raises: GitError(`ref-moved` | `branch-checked-out` | `ref-conflict` | `ref-locked` | `git`).
        """
        self.require_not_checked_out(ref)
        if move_ref(self.reader, ref, new, old=old, who=self._mover(), message=message, settings=self.config):
            return
        zero = "0" * len(new)
        answer = process.git(
            ["update-ref", "--no-deref", "-m", message, ref, new, old or zero], cwd=self.path, check=False
        )
        self._check_moved(ref, old, answer)

    def _mover(self) -> Signature:
        """Return who moves a ref, for its reflog. Where nobody is named git makes one up of what the machine says."""
        try:
            return self.identity("committer")
        except GitError:
            return _NOBODY

    def delete_ref(self, ref: str, *, old: Rev) -> None:
        """Delete `ref` if it is at `old`. Raises: GitError as `update_ref`."""
        self.require_not_checked_out(ref)
        if delete_ref(self.reader, ref, old=old, settings=self.config):
            return
        answer = process.git(["update-ref", "--no-deref", "-d", ref, old], cwd=self.path, check=False)
        self._check_moved(ref, old, answer)

    def is_moved_by(self, mover: str, ref: str, tip: Rev | None) -> bool:
        """Tell whether the last to move a branch, to `tip`, has written `MOVER: …` into its reflog.

        A mirror has no reflogs: its branches are flakesync's alone.
        """
        if (self.path / MIRROR_MARK).exists():
            return True
        try:
            last = (self.common_dir / "logs" / ref).read_bytes().splitlines()[-1]
        except (OSError, IndexError):
            return False
        moved, _, message = last.partition(b"\t")
        return (
            tip is not None and moved.split(b" ")[1:2] == [tip.encode()] and message.startswith(f"{mover}: ".encode())
        )

    def remove_damaged(self, rev: Rev, files: Collection[str], *, base: Rev) -> None:
        """Delete what cannot be read of a commit that has put `files` onto `base`, and then the commit itself.

        A reflog may still name it: `git gc` stops at what is damaged below such a commit, and not at one that is gone.
        What the base has too is left alone.

        Raises: GitError: the base cannot be read.
        """
        found = set(damaged(self.reader, rev, files))
        parts = [file.split("/") for file in files]
        above = {"/".join(each[:length]) for each in parts for length in range(len(each) + 1)}
        kept = {entry[1] for path in above if (entry := self.reader.entry(base, path)) is not None}
        for oid in {*found, rev} - kept if found - kept else ():
            with suppress(OSError):
                (self.common_dir / "objects" / oid[:2] / oid[2:]).unlink()

    def clear_dead_locks(self, ref: str) -> None:
        """Take away what a run that was killed while it moved or deleted `ref` has left: git would stop at it."""
        for file in (ref, "packed-refs"):
            with suppress(OSError):
                remove_dead_lock(f"{self.common_dir}/{file}.lock")

    def point_ref(self, ref: str, target: str) -> None:
        """Make `ref` a symbolic ref to `target`. Raises: GitError(`bad-ref` | `git`)."""
        if not point_ref(self.reader, check_ref_name(ref), check_ref_name(target), self.config):
            process.git(["symbolic-ref", ref, target], cwd=self.path)

    def _check_moved(self, ref: str, old: Rev | None, answer: process.Answer) -> None:
        if answer.status == 0:
            return
        found = self.ref(ref)
        if found != old:
            is_now = f"is at {found}" if found else "does not exist"
            raise GitError(
                "ref-moved", f"{self.path}: {ref} {is_now}, not at {old or 'nothing'}: somebody has moved it"
            )
        if (way := _EXISTS.search(answer.err)) is not None:
            raise conflict(str(self.path), ref, way[1])
        if (lock := _LOCK.search(answer.err)) is not None:  # of the ref, or of packed-refs
            raise GitError(
                "ref-locked",
                f"{self.path}: {ref} is locked by another git process",
                hint=f"if no git is running there, delete {lock[1]}",
            )
        raise process.failure("update-ref", answer)

    def require_room(self, ref: str) -> None:
        """Make sure that `ref` can be made: no ref is in the way of its name. Raises: GitError(`ref-conflict`)."""
        if (way := find_in_the_way(check_ref_name(ref), list_beside(self.reader, ref))) is not None:
            raise conflict(str(self.path), ref, way)

    def require_not_checked_out(self, ref: str) -> None:
        """Make sure that no working tree is on `ref`. Raises: GitError(`branch-checked-out`)."""
        check_ref_name(ref)
        place = self.checked_out_at(ref)
        if place is not None:
            raise GitError(
                "branch-checked-out",
                f"{self.path}: {ref.removeprefix('refs/heads/')} is checked out in {place}",
                hint=f"check out another branch there: git -C {shlex.quote(str(place))} switch --detach",
            )

    def checked_out_at(self, ref: str) -> Path | None:
        """Return a working tree that is on `ref`, or is in the middle of rebasing or bisecting it; None: no one is."""
        if not ref.startswith("refs/heads/"):
            return None
        for git_dir, place in self._working_trees():
            if ref in _refs_in_use(git_dir):
                return place
        return None

    def _working_trees(self) -> Iterator[tuple[Path, Path]]:
        """Give (git dir, working tree) of the main clone and of every worktree that is still there or locked."""
        if not is_bare(self.reader.common_dir):
            yield self.common_dir, self.common_dir.parent if self.common_dir.name == ".git" else self.path
        for admin in _folders(self.common_dir / "worktrees"):
            try:
                text = (admin / "gitdir").read_text("utf-8", "surrogateescape").strip()
            except OSError:
                continue
            place = (admin / text).parent
            if place.is_dir() or (admin / "locked").exists():
                yield admin, place

    # ---- objects and history -------------------------------------------------------------------------------------

    def read(self, rev: Rev, path: str) -> bytes | None:
        """Return a regular file of the commit's tree; None: not there, or a folder, a symlink or a submodule."""
        # Whose a commit is and what it holds is found out one after the other, of one lock: it is unpacked once.
        if self._last is None or self._last[:2] != (rev, path):
            self._last = rev, path, self.reader.read(rev, path)
        return self._last[2]

    def commit(self, rev: Rev) -> Commit:
        """Return the commit `rev`. Raises: GitError(`missing-object` | `corrupt`)."""
        return self.reader.commit(rev)

    def has(self, rev: Rev) -> bool:
        """Whether the object is here."""
        return self.reader.has(rev)

    @property
    def history(self) -> History:
        """Who descends from whom."""
        if self._history is None:
            self._history = History(self.reader)
        return self._history

    # ---- commits -------------------------------------------------------------------------------------------------

    @cached_property
    def config(self) -> Mapping[str, str]:
        """git's settings here, as git itself reads them: lower-case key → last value (`true` for a key alone)."""
        return read_settings(self.reader)

    def remote_url(self, name: str = "origin") -> str | None:
        """Return the address of a remote; None: there is no such remote.

        It is as it is configured, but for a relative path, which git takes from the top folder of the repository.
        """
        url = self.config.get(f"remote.{name}.url")
        # A `..` after a link leads where the link leads, as for git.
        return os.path.realpath(self.path / url) if url is not None and is_relative(url) else url

    def identity(self, role: Literal["author", "committer"] = "author") -> Signature:
        """Return who git would say made a commit here (environment, then configuration); its time is 0.

        Raises: GitError(`no-identity`): git's guess from the host's name is not taken.
        """
        name, email = (
            os.environ.get(f"GIT_{role.upper()}_{part.upper()}")
            or self.config.get(f"{role}.{part}")
            or self.config.get(f"user.{part}")
            for part in ("name", "email")
        )
        email = email or os.environ.get("EMAIL")
        if not name or not email:
            raise GitError(
                "no-identity",
                f"{self.path}: git does not know who makes the commit: user.{'email' if name else 'name'} is not set",
                hint="set `author` in the manifest, or git config user.name and user.email",
            )
        return Signature(name, email)

    def write_commit(
        self,
        *,
        parents: Sequence[Rev],
        base_tree_of: Rev,
        files: Mapping[str, bytes],
        message: str,
        author: Signature,
        committer: Signature,
        placed: Mapping[str, Entry | None] | None = None,
        passing: bool = False,
    ) -> Rev:
        """Write a commit: the tree of `base_tree_of` with `files` put into it. No ref moves, no hook runs.

        The same input gives the same id (a GPG signature, which holds its time, is the exception). A file keeps its
        mode; a new one is 100644. Signed as commit.gpgSign, gpg.format and user.signingKey say.

        placed: objects that the repository has already, by path; None: nothing is there any more. passing: it is
        needed for a moment alone, and is not signed.

        Raises: GitError(`lock-is-symlink` | `bad-path` | `repository-format` | `git`).
        """
        signed = not passing and not is_off(self.config.get("commit.gpgsign"))
        return write_commit(
            ObjectWriter(self.reader, synced=is_synced("loose-object", self.config)),
            parents,
            base_tree_of,
            files,
            message,
            author=author,
            committer=committer,
            placed=placed or {},
            signed=signed,
        )


def _folders(path: Path) -> list[Path]:
    try:
        return sorted(entry for entry in path.iterdir() if entry.is_dir())
    except OSError:
        return []


def _refs_in_use(git_dir: Path) -> Iterator[str]:
    """Give the branches a working tree is on: HEAD's, and the one a rebase or a bisect will go back to."""
    for name in ("HEAD", "rebase-merge/head-name", "rebase-apply/head-name", "BISECT_START"):
        try:
            text = (git_dir / name).read_text("utf-8", "surrogateescape").strip()
        except OSError:
            continue
        text = text.removeprefix("ref: ")
        yield text if text.startswith("refs/") else f"refs/heads/{text}"
