"""Which commits descend from which."""

import os
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from flakesync.errors import GitError
from flakesync.git import process
from flakesync.git.store.commits import MEND, parse_commit
from flakesync.git.store.objects import ObjectReader
from flakesync.git.values import Commit
from flakesync.terms import Rev

if TYPE_CHECKING:
    import pygit2

_SHORT = 64
"""A history of at most so many loose commits is walked here: faster than importing libgit2."""
_BEGINNING_BYTES = 4096  # nearly every commit is shorter
_OTHER = re.compile(rb"(?:tree|blob|tag) ")
_T = TypeVar("_T")


class History:
    """The commit graph of one repository. Short loose histories are read directly, all others by libgit2.

    libgit2 never ends with some commits whose files were cut off. Where there is a damaged one git is asked instead: it
    answers if the damage is elsewhere, and says what is wrong if not.
    """

    def __init__(self, reader: ObjectReader) -> None:
        """Answer for the repository that `reader` reads."""
        self._reader = reader
        self._known: dict[Rev, frozenset[Rev] | None] = {}
        self._repository: pygit2.Repository | None = None

    def close(self) -> None:
        """Let go of libgit2's files."""
        if self._repository is not None:
            self._repository.free()
            self._repository = None

    def is_ancestor(self, old: Rev, new: Rev) -> bool:
        """Whether `new` is `old`, or descends from it."""
        if old == new:
            return True
        found = self._short(new)
        if found is not None:
            return old in found
        self._require(old, new)
        return self._ask(
            lambda repository: bool(repository.descendant_of(new, old)),
            lambda: not self._rev_list("--max-count=1", old, f"^{new}"),
        )

    def ahead_behind(self, a: Rev, b: Rev) -> tuple[int, int]:
        """Return (commits that only `a` has, commits that only `b` has)."""
        if a == b:
            return 0, 0
        mine, theirs = self._short(a), self._short(b)
        if mine is not None and theirs is not None:
            return len(mine - theirs), len(theirs - mine)
        self._require(a, b)

        def by_git() -> tuple[int, int]:
            ahead, behind = self._rev_list("--left-right", "--count", f"{a}...{b}")[0].split()
            return int(ahead), int(behind)

        return self._ask(lambda repository: repository.ahead_behind(a, b), by_git)

    def count(self, rev: Rev) -> int:
        """Return the number of commits in the history of `rev`, itself among them."""
        found = self._short(rev)
        if found is not None:
            return len(found)
        self._require(rev)
        return self._ask(
            lambda repository: sum(1 for _ in repository.walk(rev)),
            lambda: int(self._rev_list("--count", rev)[0]),
        )

    def log(self, tip: Rev, *, not_in: Sequence[Rev]) -> list[Commit]:
        """Return the commits of `tip` that none of `not_in` has, newest first, children before parents."""
        if tip in not_in:
            return []
        commit = self._reader.commit(tip)
        # The usual update branch: one commit on its base. Neither libgit2 (75 ms to import) nor a walk is needed.
        if commit.parents and set(commit.parents) <= set(not_in):
            return [commit]
        self._require(*not_in)

        def by_libgit2(repository: "pygit2.Repository") -> list[str]:
            from pygit2.enums import SortMode

            walker = repository.walk(tip, SortMode.TOPOLOGICAL | SortMode.TIME)
            for rev in not_in:
                walker.hide(rev)
            return [str(commit.id) for commit in walker]

        found = self._ask(by_libgit2, lambda: self._rev_list("--topo-order", tip, *(f"^{rev}" for rev in not_in)))
        return [self._reader.commit(Rev(rev)) for rev in found]

    @property
    def repository(self) -> "pygit2.Repository":
        """libgit2's repository. Raises: GitError(`repository-format`) where libgit2 cannot use it."""
        if self._repository is None:
            self._repository = open_with_libgit2(self._reader)
        return self._repository

    def _ask(self, by_libgit2: "Callable[[pygit2.Repository], _T]", by_git: Callable[[], _T]) -> _T:
        if self._is_safe:
            import pygit2

            repository = self.repository
            with suppress(pygit2.GitError, KeyError, ValueError, OSError):  # a damaged pack, for one
                return by_libgit2(repository)
        return by_git()

    @cached_property
    def _is_safe(self) -> bool:
        """Whether libgit2 can read every commit that has a file of its own, or could not take it for one."""
        folders = (f"{self._reader.common_dir}/objects", *self._reader.lenders)
        return not any(_is_damaged_commit(file) for folder in folders for file in _loose_files(folder))

    def _rev_list(self, *argv: str) -> list[str]:
        answer = process.git(["rev-list", *argv, "--"], cwd=self._reader.path, check=False)
        if answer.status != 0:
            reason = process.failure("rev-list", answer)
            raise GitError(
                "corrupt" if reason.code == "git" else reason.code,
                f"{self._reader.path}: its history cannot be read: {reason.message}",
                hint=reason.hint or MEND,
            )
        return answer.lines

    def _require(self, *revs: Rev) -> None:
        for rev in revs:
            if not self._reader.has(rev):
                raise GitError("missing-object", f"{self._reader.path}: there is no commit {rev}")

    def _short(self, tip: Rev) -> frozenset[Rev] | None:
        """Return all ancestors of `tip` and itself; None where they are too many, packed, or cut off (shallow)."""
        if tip not in self._known:
            self._known[tip] = self._walk_loose(tip)
        return self._known[tip]

    def _walk_loose(self, tip: Rev) -> frozenset[Rev] | None:
        seen = {tip}
        todo = [tip]
        while todo:
            rev = todo.pop()
            # A packed commit ends it: libgit2 is then needed for the object itself, and walks faster.
            found = self._reader.loose(rev) if len(seen) <= _SHORT else None
            if found is None or found[0] != b"commit":
                return None
            new = [parent for parent in parse_commit(rev, found[1], self._reader.path).parents if parent not in seen]
            seen.update(new)
            todo += new
        return frozenset(seen)


def _loose_files(folder: str) -> Iterator[str]:
    """Give the objects of a folder that are files of their own."""
    for two in _names(folder):
        if len(two) == 2:
            for name in _names(f"{folder}/{two}"):
                yield f"{folder}/{two}/{name}"


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 -- hundreds of folders a repository
    except OSError:
        return []


def _is_damaged_commit(file: str) -> bool:
    """Tell whether a file of an object is no whole commit, and nothing else either as far as its beginning goes."""
    try:
        handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC)  # as in `read_file`, for speed
    except FileNotFoundError:  # packed meanwhile
        return False
    except OSError:
        return True
    try:
        data = os.read(handle, _BEGINNING_BYTES)
        inflater = zlib.decompressobj()
        if _OTHER.match(inflater.decompress(data, 8)):
            return False
        inflater.decompress(inflater.unconsumed_tail)
        while len(data) == _BEGINNING_BYTES:
            data = os.read(handle, _BEGINNING_BYTES)
            inflater.decompress(data)
    except (OSError, zlib.error):
        return True
    finally:
        os.close(handle)
    return not inflater.eof


def open_with_libgit2(reader: ObjectReader) -> "pygit2.Repository":
    """Return libgit2's view of a repository. Raises: GitError(`repository-format`)."""
    import pygit2

    try:
        return pygit2.Repository(reader.git_dir)
    except (pygit2.GitError, KeyError) as error:
        raise GitError(
            "repository-format",
            f"{reader.path}: {error}",
            hint="the history of SHA-256 and reftable repositories cannot be followed",
        ) from None
