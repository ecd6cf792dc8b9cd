"""Sources from git objects: of clones and mirrors of the workspace, or of a commit that is fetched for it.

A lock does not say whether its source is the tree as git has it or what `git archive` makes of it: versions of Nix mix
them up. Both are tried where a commit's attributes make them different, and the narHash decides.
"""

import posixpath
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Literal

from flakesync.bundle.send.way import Way, not_by
from flakesync.errors import FlakesyncError
from flakesync.git.scratch.archive import archive
from flakesync.git.store.attributes import find_hazards
from flakesync.git.store.contents import TreeContents, bound_memory
from flakesync.git.store.objects import ObjectReader
from flakesync.nix.store.nar import nar_pieces
from flakesync.nix.store.tarball import nar_of_tar
from flakesync.terms import Rev

Tree = Literal["raw", "archive"]


def tree_nar(repository: Path, rev: Rev, tree: Tree) -> Iterator[bytes]:
    """Give the NAR of a commit: `raw`: all files of its tree; `archive`: what `git archive` makes of it.

    Raises: GitError, NixError: the repository does not have all of it, or it has no place in a NAR.
    """
    if tree == "archive":
        return nar_of_tar(archive(repository, rev))
    reader = ObjectReader.open(repository)
    bound_memory(reader)
    return nar_pieces(TreeContents(reader), reader.tree_of(rev))


def folder_nar(repository: Path, rev: Rev, folder: str) -> Iterator[bytes]:
    """Give the NAR of a folder of a commit. Raises: FlakesyncError: it has no such folder."""
    reader = ObjectReader.open(repository)
    path = posixpath.normpath(folder)
    entry = reader.entry(rev, path) if path != "." and not path.startswith("..") else None
    if entry is None or entry[0] != _TREE:
        raise not_by(f"{rev[:12]} has no folder {folder}")
    return nar_pieces(TreeContents(reader), entry[1])


def trees_of(repository: Path, rev: Rev) -> tuple[Tree, ...]:
    """Return which trees of a commit there are to try: without attributes for archives both are the same.

    Raises: GitError.
    """
    hazards = find_hazards(ObjectReader.open(repository), rev)
    return ("raw", "archive") if hazards else ("raw",)


def ways_in(repository: Path, rev: Rev, where: str) -> Iterator[Way]:
    """Give the ways to the files of a commit that a repository has. where: what people call it."""
    try:
        trees = trees_of(repository, rev)
    except FlakesyncError:
        trees = ("raw", "archive")
    for tree in trees:
        shown = "its tree" if tree == "raw" else "git archive of it"
        yield Way(f"git objects of {where}, {shown}", partial(tree_nar, repository, rev, tree))


def has_commit(repository: Path, rev: Rev) -> bool:
    """Tell whether a repository has a commit; one that cannot be read has none."""
    try:
        return ObjectReader.open(repository).has(rev)
    except FlakesyncError:
        return False


class Grafted:
    """Trees of several repositories as one: a submodule's folder holds what its commit has (a TreeReader).

    An object id is the number of a repository, a colon, and git's own id; or the path of a folder above a submodule.
    """

    def __init__(self) -> None:
        """Begin with no repository."""
        self._readers: list[TreeContents] = []
        self._made: dict[str, Mapping[bytes, tuple[int, str]]] = {}

    def add(self, reader: ObjectReader) -> int:
        """Take up a repository; return its number."""
        self._readers.append(TreeContents(reader))
        return len(self._readers) - 1

    def tree(self, oid: str) -> Mapping[bytes, tuple[int, str]]:
        """Return the entries of a folder."""
        if oid in self._made:
            return self._made[oid]
        number, own = oid.split(":", 1)
        entries = self._readers[int(number)].tree(own)
        return {name: (mode, f"{number}:{each}") for name, (mode, each) in entries.items()}

    def blob(self, oid: str) -> tuple[int, Iterator[bytes]]:
        """Return the size of a file and its content."""
        number, own = oid.split(":", 1)
        size, pieces = self._readers[int(number)].blob(own)
        return size, iter(pieces)

    def graft(self, oid: str, inside: Mapping[tuple[bytes, ...], str]) -> str:
        """Return the folder `oid` with other folders at some paths below it. inside: their ids by path."""
        entries = dict(self.tree(oid))
        for name in {path[0] for path in inside}:
            below = {path[1:]: each for path, each in inside.items() if path[0] == name}
            if () in below:
                entries[name] = _TREE, below[()]
            elif name in entries and entries[name][0] == _TREE:
                entries[name] = _TREE, self.graft(entries[name][1], below)
        made = f"made:{len(self._made)}"
        self._made[made] = entries
        return made


_TREE = 0o40000
