"""Walk and compare trees, reading only what differs."""

from collections.abc import Collection, Iterator

from flakesync.errors import GitError
from flakesync.git.store.commits import header_id
from flakesync.git.store.links import read_through
from flakesync.git.store.objects import GITLINK, SYMLINK, TREE, ObjectReader
from flakesync.terms import Rev

Entries = dict[bytes, tuple[int, str]]
# Of folders in folders: below Python's limit for recursion, far above what anybody has.
_DEEPEST = 512


def walk(reader: ObjectReader, tree: str, prefix: bytes = b"", depth: int = 0) -> Iterator[tuple[bytes, int, str]]:
    """Give (path, mode, object id) of everything below a tree, folders before what is in them."""
    for name, (mode, oid) in reader.tree(tree).items():
        path = prefix + name
        yield path, mode, oid
        if mode == TREE and depth < _DEEPEST:
            yield from walk(reader, oid, path + b"/", depth + 1)


def list_files(reader: ObjectReader, rev: Rev, *, name: str) -> list[str]:
    """Return the path of every file called `name` in the commit's tree, symlinks that `read_through` follows too."""
    wanted = name.encode("utf-8", "surrogateescape")
    return [
        show_path(path)
        for path, mode, _ in walk(reader, reader.tree_of(rev))
        if path.rpartition(b"/")[2] == wanted
        and mode not in (TREE, GITLINK)
        and (mode != SYMLINK or read_through(reader, rev, show_path(path)) is not None)
    ]


def changed_paths(reader: ObjectReader, old: Rev, new: Rev) -> frozenset[str]:
    """Return the paths of all files that differ between two commits (a file made a folder: both names; a mode too)."""
    trees = reader.tree_of(old), reader.tree_of(new)
    return frozenset(show_path(path) for path in _differences(reader, *trees, b"", 0))


def only_files_called(reader: ObjectReader, old: Rev, new: Rev, *, name: str) -> list[str] | None:
    """Return the paths that differ between two commits; None: not all are regular files called `name`, of one mode.

    It ends at the first other path, so a commit that changes much costs no more than one that changes little.
    """
    wanted = name.encode("utf-8", "surrogateescape")
    trees = reader.tree_of(old), reader.tree_of(new)
    found: list[str] = []
    for path in _differences(reader, *trees, b"", 0):
        folder, _, last = path.rpartition(b"/")
        if last != wanted:
            return None
        modes = {entry[0] for tree in trees if (entry := _entry_below(reader, tree, folder, last)) is not None}
        if len(modes) > 1 or modes & {TREE, SYMLINK, GITLINK}:
            return None
        found.append(show_path(path))
    return sorted(found)


def _entry_below(reader: ObjectReader, tree: str, folder: bytes, name: bytes) -> tuple[int, str] | None:
    for part in filter(None, folder.split(b"/")):
        mode, oid = reader.tree(tree).get(part, (0, ""))
        if mode != TREE:
            return None
        tree = oid
    return reader.tree(tree).get(name)


def is_sound(reader: ObjectReader, rev: Rev, files: Collection[str] | None = None) -> bool:
    """Tell whether a commit can be read with its trees and files: whether `damaged` finds nothing."""
    return next(damaged(reader, rev, files), None) is None


def damaged(reader: ObjectReader, rev: Rev, files: Collection[str] | None = None) -> Iterator[str]:
    """Give the commit's own objects that cannot be read, as far as each is a file of its own.

    files: the paths that are looked at; None: all. An object that is packed is taken for a sound one: git syncs packs.
    """
    wanted = None if files is None else {tuple(file.encode("utf-8", "surrogateescape").split(b"/")) for file in files}
    todo: list[tuple[str, tuple[bytes, ...]]] = [(rev, ())]
    seen: set[str] = set()
    while todo:
        oid, above = todo.pop()
        # Folders that hold the same folder twice, forty times over, lead to 2^40 places.
        if wanted is None and oid in seen:
            continue
        seen.add(oid)
        try:
            found = reader.loose(oid)
            if found is not None and found[0] == b"commit" and oid == rev:
                todo.append((header_id(found[1], b"tree ", rev, reader.path), ()))
            elif found is not None and found[0] == b"tree":
                for name, (mode, entry) in reader.tree(oid).items():
                    path = (*above, name)
                    if mode != GITLINK and (wanted is None or any(each[: len(path)] == path for each in wanted)):
                        todo.append((entry, path))
        except GitError:
            yield oid


def show_path(path: bytes) -> str:
    """Return a tree's path as text; bytes that are no UTF-8 are kept as surrogates."""
    return path.decode("utf-8", "surrogateescape")


def _differences(reader: ObjectReader, old: str | None, new: str | None, prefix: bytes, depth: int) -> Iterator[bytes]:
    # Equal ids are equal trees: it costs what has changed, not what there is.
    if old == new or depth > _DEEPEST:
        return
    before: Entries = reader.tree(old) if old else {}
    after: Entries = reader.tree(new) if new else {}
    for name in before.keys() | after.keys():
        a, b = before.get(name), after.get(name)
        if a == b:
            continue
        if any(side is not None and side[0] != TREE for side in (a, b)):
            yield prefix + name
        trees = [side[1] if side is not None and side[0] == TREE else None for side in (a, b)]
        if trees != [None, None]:
            yield from _differences(reader, trees[0], trees[1], prefix + name + b"/", depth + 1)
