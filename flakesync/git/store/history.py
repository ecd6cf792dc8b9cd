"""Which commits descend from which."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flakesync.errors import GitError
from flakesync.git.store.commits import parse_commit
from flakesync.git.store.objects import ObjectReader
from flakesync.git.values import Commit
from flakesync.terms import Rev

if TYPE_CHECKING:
    import pygit2

_SHORT = 64
"""A history of at most so many loose commits is walked here: faster than importing libgit2."""


class History:
    """The commit graph of one repository. Short loose histories are read directly, all others by libgit2."""

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
        return bool(self.repository.descendant_of(new, old))

    def ahead_behind(self, a: Rev, b: Rev) -> tuple[int, int]:
        """Return (commits that only `a` has, commits that only `b` has)."""
        if a == b:
            return 0, 0
        mine, theirs = self._short(a), self._short(b)
        if mine is not None and theirs is not None:
            return len(mine - theirs), len(theirs - mine)
        self._require(a, b)
        ahead, behind = self.repository.ahead_behind(a, b)
        return ahead, behind

    def count(self, rev: Rev) -> int:
        """Return the number of commits in the history of `rev`, itself among them."""
        found = self._short(rev)
        if found is not None:
            return len(found)
        self._require(rev)
        return sum(1 for _ in self.repository.walk(rev))

    def log(self, tip: Rev, *, not_in: Sequence[Rev]) -> list[Commit]:
        """Return the commits of `tip` that none of `not_in` has, newest first, children before parents."""
        if tip in not_in:
            return []
        commit = self._reader.commit(tip)
        # The usual update branch: one commit on its base. Neither libgit2 (75 ms to import) nor a walk is needed.
        if commit.parents and set(commit.parents) <= set(not_in):
            return [commit]
        self._require(*not_in)
        from pygit2.enums import SortMode

        walker = self.repository.walk(tip, SortMode.TOPOLOGICAL | SortMode.TIME)
        for rev in not_in:
            walker.hide(rev)
        return [self._reader.commit(Rev(str(commit.id))) for commit in walker]

    @property
    def repository(self) -> "pygit2.Repository":
        """libgit2's repository. Raises: GitError(`repository-format`) where libgit2 cannot use it."""
        if self._repository is None:
            self._repository = open_with_libgit2(self._reader)
        return self._repository

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
