"""Walk and compare trees, reading only what differs."""

from collections.abc import Iterator

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
    """Return the path of every regular file called `name` (`.gitattributes`) in the commit's tree."""
    wanted = name.encode("utf-8", "surrogateescape")
    return [
        show_path(path)
        for path, mode, _ in walk(reader, reader.tree_of(rev))
        if path.rpartition(b"/")[2] == wanted and mode not in (TREE, SYMLINK, GITLINK)
    ]


def changed_paths(reader: ObjectReader, old: Rev, new: Rev) -> frozenset[str]:
    """Return the paths of all files that differ between two commits (a file made a folder: both names; a mode too)."""
    trees = reader.tree_of(old), reader.tree_of(new)
    return frozenset(show_path(path) for path in _differences(reader, *trees, b"", 0))


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
