"""What changed between two locks, by input path, in Nix's words (`nix flake update` and its commit messages)."""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from operator import itemgetter

import msgspec

from flakesync.errors import FlakeRefError, plain
from flakesync.nix.lock.file import LockFile, LockNode
from flakesync.nix.reference.flakeref import Attr, FlakeRef
from flakesync.survey.pins import last_modified
from flakesync.terms import InputPath, NodeLabel, iso_day, show_path


class Difference(msgspec.Struct, frozen=True):
    """One input path whose entry differs. before, after: the node or the followed path; None: no such input."""

    path: InputPath
    before: LockNode | InputPath | None
    after: LockNode | InputPath | None


def entries(lock: LockFile) -> dict[InputPath, LockNode | InputPath]:
    """Return every input path of a lock (follows are not walked through), parents first, in byte order."""
    return dict(sorted(_entries(lock).items()))


def _entries(lock: LockFile) -> dict[InputPath, LockNode | InputPath]:
    found: dict[InputPath, LockNode | InputPath] = {}
    paths: list[tuple[InputPath, NodeLabel]] = [((), lock.root), *lock.walk()]
    for path, label in paths:
        node = lock.nodes[label]
        if path:
            found[path] = node
        for name, target in node.inputs.items():
            if isinstance(target, tuple):
                found[(*path, name)] = target
    return found


def differences(before: LockFile, after: LockFile) -> list[Difference]:
    """Return what differs, as Nix compares: `locked`, `original`, `flake`, what is followed; labels do not count.

    Nor does it count whether `?dir=` is in an address that has `dir` beside it, nor whether a folder of the flake's own
    (`path:./sub`) is locked by its hash: up to 2.25 it is, later it is not, and a later Nix writes all of them anew.
    """
    old, new = _entries(before), _entries(after)
    differing = [path for path in old.keys() | new.keys() if not _mean_the_same(old.get(path), new.get(path))]
    return [Difference(path, old.get(path), new.get(path)) for path in sorted(differing)]


def _mean_the_same(one: LockNode | InputPath | None, other: LockNode | InputPath | None) -> bool:
    if one is other:
        return True
    if not isinstance(one, LockNode) or not isinstance(other, LockNode):
        return one == other
    if one.is_folder and other.is_folder:
        parents = one.parent == other.parent or None in (one.parent, other.parent)
        return parents and one.flake == other.flake and _without_hash(one) == _without_hash(other)
    if (one.flake, one.parent) != (other.flake, other.parent):
        return False
    pairs = ((one.locked, other.locked), (one.original, other.original))
    return all(mine == theirs or without_dir(mine or {}) == without_dir(theirs or {}) for mine, theirs in pairs)


def _without_hash(node: LockNode) -> object:
    known = {key: value for key, value in (node.locked or {}).items() if key not in ("narHash", "lastModified")}
    return known, node.original


def without_dir(attrs: Mapping[str, Attr]) -> dict[str, Attr]:
    """Return the attributes of a reference with `dir` taken out of its address (Nix 2.28.4 compares them so)."""
    found = dict(attrs)
    url = found.get("url")
    if "dir" in found and isinstance(url, str):
        address, _, query = url.partition("?")
        kept = "&".join(part for part in query.split("&") if not part.startswith("dir="))
        found["url"] = f"{address}?{kept}" if kept else address
    return found


def describe(found: Difference) -> str:
    """Return Nix's lines for one difference: `• Updated input 'a/b':`, what it was, what it is."""
    name = show_path(found.path)
    match found.before, found.after:
        case None, after:
            return plain(f"• Added input '{name}':\n    {_show(after)}")
        case _, None:
            return plain(f"• Removed input '{name}'")
        case before, after:
            return plain(f"• Updated input '{name}':\n    {_show(before)}\n  → {_show(after)}")


def _show(entry: LockNode | InputPath | None) -> str:
    if not isinstance(entry, LockNode):
        return f"follows '{show_path(entry or ())}'"
    locked = entry.locked or {}
    day = iso_day(last_modified(locked))
    return f"'{show_reference(locked)}'" + (f" ({day})" if day is not None else "")


def show_reference(attrs: Mapping[str, Attr]) -> str:
    """Return a reference as Nix prints it; what is no valid reference is shown by its attributes."""
    return _show_attrs(tuple((key, value, type(value)) for key, value in attrs.items()))


@lru_cache(maxsize=4096)
def _show_attrs(attrs: tuple[tuple[str, Attr, type], ...]) -> str:
    known = {key: value for key, value, _ in attrs if key not in ("lastModified", "revCount")}
    try:
        return FlakeRef.from_attrs(known).to_url()
    except FlakeRefError:
        return ", ".join(f"{key}={value}" for key, value, _ in sorted(attrs, key=itemgetter(0)))


def describe_all(found: Mapping[str, Iterable[Difference]]) -> Iterator[str]:
    """Yield the lines for several locks (path of the file → what differs); with several, each is named first."""
    for file, differing in sorted(found.items()):
        if len(found) > 1:
            yield f"{file}:"
        yield from map(describe, differing)
