"""Which inputs two locks of one flake have at different sources."""

from collections.abc import Iterable, Mapping

import msgspec

from flakesync.nix.lock.file import LockFile
from flakesync.nix.lock.node import LockNode
from flakesync.terms import InputPath, NodeLabel

_WHERE_FOUND = frozenset({"ref", "revCount", "lastModified"})
"""Attributes that only say where a source was found, where rev and narHash say which it is."""

Target = NodeLabel | InputPath | None
"""What an input leads to: a node, what it follows; None: there is no such input."""


class MovedInputs(msgspec.Struct, frozen=True):
    """The inputs that differ, at any depth. ways: for each path that leads to one, the names by which it goes on."""

    paths: frozenset[InputPath]
    ways: Mapping[InputPath, frozenset[str]]


_NOTHING = MovedInputs(frozenset(), {})


def ways_to(paths: Iterable[InputPath]) -> dict[InputPath, frozenset[str]]:
    """Return, for each path on the way to one of `paths`, the names by which it goes on."""
    found: dict[InputPath, frozenset[str]] = {}
    for path in paths:
        for length, name in enumerate(path):
            found[path[:length]] = found.get(path[:length], frozenset()) | {name}
    return found


def moved_inputs(before: LockFile | None, after: LockFile | None) -> MovedInputs:
    """Return what differs between two locks; None: there is none, as of a flake without inputs."""
    if before is after:
        return _NOTHING
    # As trees: a node that several inputs share can be above itself.
    old, new = (lock if lock is None or lock.is_tree else lock.renamed() for lock in (before, after))
    found: list[InputPath] = []
    start: tuple[InputPath, NodeLabel | None, NodeLabel | None] = ((), _root(old), _root(new))
    todo = [start]
    while todo:
        path, was_label, now_label = todo.pop()
        for name in _names(old, was_label) | _names(new, now_label):
            was, now = target(old, was_label, name), target(new, now_label, name)
            below = (*path, name)
            if _differ(old, new, was, now):
                found.append(below)
            before_it, after_it = own_label(was), own_label(now)
            # Most nodes have no inputs.
            if _has_inputs(old, before_it) or _has_inputs(new, after_it):
                todo.append((below, before_it, after_it))
    return MovedInputs(frozenset(found), ways_to(found))


def target(lock: LockFile | None, label: NodeLabel | None, name: str) -> Target:
    """Return what an input of a node leads to."""
    return lock.nodes[label].inputs.get(name) if lock is not None and label is not None else None


def own_label(found: Target) -> NodeLabel | None:
    """Return the node of an input that has one of its own; None: it follows another one, or is not there."""
    return None if isinstance(found, tuple) else found


def node_of(lock: LockFile | None, found: Target) -> LockNode | None:
    """Return that node."""
    return None if lock is None or found is None or isinstance(found, tuple) else lock.nodes[found]


def is_same_source(one: LockNode, other: LockNode) -> bool:
    """Tell whether two nodes are locked to one source, wherever it was found."""
    if one is other:  # locks share their nodes
        return True
    if one.flake != other.flake:
        return False
    # Nearly always: Nix copies what it does not move.
    if one.locked == other.locked:
        return True
    a, b = _plain(one.locked), _plain(other.locked)
    if a.get("narHash") is not None and all(a.get(key) == b.get(key) for key in ("narHash", "rev")):
        a, b = ({key: value for key, value in attrs.items() if key not in _WHERE_FOUND} for attrs in (a, b))
    return a == b


def is_same_address(one: LockNode, other: LockNode) -> bool:
    """Tell whether flake.nix has the same reference for two nodes."""
    return one is other or one.original == other.original or _plain(one.original) == _plain(other.original)


def _root(lock: LockFile | None) -> NodeLabel | None:
    return lock.root if lock is not None else None


def _has_inputs(lock: LockFile | None, label: NodeLabel | None) -> bool:
    return lock is not None and label is not None and bool(lock.nodes[label].inputs)


def _names(lock: LockFile | None, label: NodeLabel | None) -> set[str]:
    return set(lock.nodes[label].inputs) if lock is not None and label is not None else set()


def _differ(before: LockFile | None, after: LockFile | None, was: Target, now: Target) -> bool:
    if isinstance(was, tuple) or isinstance(now, tuple):
        return was != now
    old, new = node_of(before, was), node_of(after, now)
    if old is None or new is None:
        return old is not new
    if old is new:
        return False
    return not is_same_source(old, new) or not is_same_address(old, new) or old.parent != new.parent


def _plain(attrs: Mapping[str, str | int | bool] | None) -> dict[str, str | int | bool]:
    """Return attributes without what Nix versions write differently: `__final`, and a `dir` said in the URL too."""
    plain = {key: value for key, value in (attrs or {}).items() if key != "__final"}
    url = plain.get("url")
    # Nix up to 2.19 leaves `?dir=` in the URL of a nested override.
    if "dir" in plain and isinstance(url, str) and "?" in url:
        place, _, query = url.partition("?")
        kept = "&".join(part for part in query.split("&") if not part.startswith("dir="))
        plain["url"] = f"{place}?{kept}" if kept else place
    return plain
