"""Whether what an upstream moved in its own lock arrives in a dependent's lock: decided from the locks, without Nix.

Three locks are walked together, path by path: the upstream's before and after, and the dependent's below the input.
What the dependent has there by a follows or by a URL of its own, the upstream cannot move.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Literal

import msgspec

from flakesync.nix.lock.file import LockFile, LockNode
from flakesync.terms import InputPath, NodeLabel, Rev

_Target = NodeLabel | InputPath | None
_Found = Literal["reaches", "stops", "below"]

_DEEPEST = 100
"""Of inputs in inputs; deeper ones, which a lock with shared nodes can have, count as reached."""
_WHERE_FOUND = frozenset({"ref", "revCount", "lastModified"})
"""Attributes that only say where a source was found, where rev and narHash say which it is."""


class Reach(msgspec.Struct, frozen=True):
    """moved: the upstream's inputs that differ, without what lies below them. reaching: those that arrive."""

    moved: tuple[InputPath, ...]
    reaching: tuple[InputPath, ...]


class ReachQuestion(msgspec.Struct, frozen=True):
    """The locks that are compared. at: the path of the upstream in the dependent's lock. None: there is no lock.

    own: input paths of the dependent that it moves itself. fresh: the dependent moves to `after` in any case, so that
    its nodes need not be those of `before`.
    """

    dependent: LockFile
    at: InputPath
    before: LockFile | None
    after: LockFile | None
    own: Collection[InputPath] = ()
    fresh: bool = False


_Place = tuple[InputPath, NodeLabel, NodeLabel | None, NodeLabel | None]
"""A path below the upstream, and its nodes in the dependent's lock, and in the upstream's before and after."""


def reach(three: ReachQuestion, planned: Mapping[InputPath, Rev | None]) -> Reach:
    """Return what moved and what of it reaches the dependent.

    planned: input paths of the upstream that its update moves on top of `after`, and the commits; None: one that is not
    known yet.
    """
    start = _start(three)
    if start is None:
        return Reach((), ((),))
    moved: list[InputPath] = []
    reaching: list[InputPath] = []
    todo: list[_Place] = [start]
    while todo:
        place = todo.pop()
        for name in sorted(_names(three, place, planned)):
            path = (*place[0], name)
            has_moved = path in planned or _has_moved(three, place, name)
            if has_moved and not any(path[: len(above)] == above for above in moved):
                moved.append(path)
            if (*three.at, *path) in three.own:
                continue
            match "reaches" if len(path) > _DEEPEST else _decide(three, place, name, planned, moved=has_moved):
                case "reaches":
                    reaching.append(path)
                case "below":
                    ours = _own(_target(three.dependent, place[1], name))
                    was, now = _target(three.before, place[2], name), _target(three.after, place[3], name)
                    todo += [(path, ours, _own(was), _own(now))] if ours is not None else []
                case "stops":
                    pass
    return Reach(tuple(sorted(moved)), tuple(sorted(reaching)))


def _start(three: ReachQuestion) -> _Place | None:
    label = three.dependent.root
    for name in three.at:
        target = three.dependent.nodes[label].inputs.get(name)
        if target is None or isinstance(target, tuple):
            return None
        label = target
    before, after = (lock.root if lock is not None else None for lock in (three.before, three.after))
    return (), label, before, after


def _names(three: ReachQuestion, place: _Place, planned: Mapping[InputPath, Rev | None]) -> Iterator[str]:
    path, _, before, after = place
    names = {one[len(path)] for one in planned if len(one) > len(path) and one[: len(path)] == path}
    for lock, label in ((three.before, before), (three.after, after)):
        if lock is not None and label is not None:
            names |= lock.nodes[label].inputs.keys()
    yield from names


def _target(lock: LockFile | None, label: NodeLabel | None, name: str) -> _Target:
    return lock.nodes[label].inputs.get(name) if lock is not None and label is not None else None


def _own(target: _Target) -> NodeLabel | None:
    return None if isinstance(target, tuple) else target


def _node(lock: LockFile | None, target: _Target) -> LockNode | None:
    return lock.nodes[target] if lock is not None and target is not None and not isinstance(target, tuple) else None


def _has_moved(three: ReachQuestion, place: _Place, name: str) -> bool:
    was, now = _target(three.before, place[2], name), _target(three.after, place[3], name)
    if isinstance(was, tuple) or isinstance(now, tuple):
        return was != now
    old, new = _node(three.before, was), _node(three.after, now)
    if old is None or new is None:
        return old is not new
    return not _is_same(old, new) or not _is_same_address(old, new) or old.parent != new.parent


def _decide(
    three: ReachQuestion, place: _Place, name: str, planned: Mapping[InputPath, Rev | None], *, moved: bool
) -> _Found:
    """Decide on one input of the upstream: it reaches the dependent, it ends here, or it depends on what lies below."""
    ours = _target(three.dependent, place[1], name)
    was, now = _target(three.before, place[2], name), _target(three.after, place[3], name)
    if isinstance(ours, tuple):
        # Nothing of the upstream's comes in, but where the follows is the upstream's own and leads elsewhere now.
        return "reaches" if isinstance(was, tuple) and was != now and ours == (*three.at, *was) else "stops"
    if isinstance(now, tuple):
        # Beside a follows, what the dependent has is a URL of its own.
        return "reaches" if ours is None or now != was else "stops"
    path = (*place[0], name)
    here, old, new = _node(three.dependent, ours), _node(three.before, was), _node(three.after, now)
    if here is None:
        return "reaches" if path in planned or (moved and new is not None) else "stops"
    if _is_own(here, old, new):
        if old is None and moved and path not in planned:
            return "below" if new is not None and _is_same(here, new) else "reaches"
        return "stops"
    if path in planned:
        rev = planned[path]
        there = rev is not None and (here.locked or {}).get("rev") == rev and not here.inputs
        return "stops" if there else "reaches"
    if new is None or not _is_same(here, new):
        return "reaches" if moved else ("below" if three.fresh else "stops")
    return "below"


def _is_own(here: LockNode, old: LockNode | None, new: LockNode | None) -> bool:
    """Tell whether the dependent has given this input a URL: not what the upstream had, and of another address."""
    if old is not None and _is_same(here, old):
        return False
    return new is None or not _is_same_address(here, new)


def _is_same(one: LockNode, other: LockNode) -> bool:
    """Tell whether two nodes are of one source."""
    if one.flake != other.flake:
        return False
    if one.locked == other.locked:
        return True
    a, b = _plain(one.locked), _plain(other.locked)
    if a.get("narHash") is not None and all(a.get(key) == b.get(key) for key in ("narHash", "rev")):
        a, b = ({key: value for key, value in attrs.items() if key not in _WHERE_FOUND} for attrs in (a, b))
    return a == b


def _is_same_address(one: LockNode, other: LockNode) -> bool:
    return one.original == other.original or _plain(one.original) == _plain(other.original)


def _plain(attrs: Mapping[str, str | int | bool] | None) -> dict[str, str | int | bool]:
    """Return attributes without what Nix versions write differently: `__final`, and a `dir` said in the URL too."""
    plain = {key: value for key, value in (attrs or {}).items() if key != "__final"}
    url = plain.get("url")
    if "dir" in plain and isinstance(url, str) and "?" in url:
        place, _, query = url.partition("?")
        kept = "&".join(part for part in query.split("&") if not part.startswith("dir="))
        plain["url"] = f"{place}?{kept}" if kept else place
    return plain
