"""Whether what an upstream moved in its own lock arrives in a dependent's lock: decided from the locks, without Nix.

Three locks are walked together, path by path: the upstream's before and after, and the dependent's below the input.
What the dependent has there by a follows or by a URL of its own, the upstream cannot move.
"""

from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Literal

import msgspec

from flakesync.nix.lock.file import LockFile, LockNode
from flakesync.nix.lock.moved import (
    MovedInputs,
    is_same_address,
    is_same_source,
    moved_inputs,
    node_of,
    own_label,
    target,
    ways_to,
)
from flakesync.terms import InputPath, NodeLabel, Rev

_Found = Literal["reaches", "stops", "below"]


class Reach(msgspec.Struct, frozen=True):
    """moved: the upstream's inputs that differ, without what lies below them. reaching: those that arrive."""

    moved: tuple[InputPath, ...]
    reaching: tuple[InputPath, ...]


class ReachQuestion(msgspec.Struct, frozen=True):
    """The locks that are compared. at: the path of the upstream in the dependent's lock. None: there is no lock.

    own: input paths of the dependent that it moves itself. fresh: the dependent moves to `after` in any case, so that
    its nodes need not be those of `before`. moved: what differs between before and after, where that is known already.
    """

    dependent: LockFile
    at: InputPath
    before: LockFile | None
    after: LockFile | None
    own: Collection[InputPath] = ()
    fresh: bool = False
    moved: MovedInputs | None = None


class Planned(msgspec.Struct, frozen=True, dict=True):
    """What an update of a repo moves in one of its flakes: input paths, and the commits; None: one made in this run."""

    moves: Mapping[InputPath, Rev | None] = {}

    @cached_property
    def moved(self) -> tuple[InputPath, ...]:
        """The inputs that move, without what lies below them."""
        return _without_below(self.moves)


NOTHING_PLANNED = Planned()
_Place = tuple[InputPath, NodeLabel, NodeLabel | None, NodeLabel | None]
"""A path below the upstream, and its nodes in the dependent's lock, and in the upstream's before and after."""


def reach(asked: ReachQuestion, planned: Mapping[InputPath, Rev | None]) -> Reach:
    """Return what moved and what of it reaches the dependent.

    planned: input paths of the upstream that its update moves on top of `after`, and the commits; None: one that is not
    known yet.
    """
    start = _start(asked)
    if start is None:
        return Reach((), ((),))
    moved = asked.moved if asked.moved is not None else moved_inputs(asked.before, asked.after)
    # Only the ways to what has moved are gone; most locks are alike but for an input or two.
    more = ways_to(planned)
    reaching: list[InputPath] = []
    todo: list[_Place] = [start]
    while todo:
        path, label, was_label, now_label = place = todo.pop()
        for name in moved.ways.get(path, frozenset()) | more.get(path, frozenset()):
            below = (*path, name)
            if (*asked.at, *below) in asked.own:
                continue
            match _decide(asked, place, name, planned, moved=below in moved.paths):
                case "reaches":
                    reaching.append(below)
                case "below":
                    ours = own_label(target(asked.dependent, label, name))
                    was, now = target(asked.before, was_label, name), target(asked.after, now_label, name)
                    todo += [(below, ours, own_label(was), own_label(now))] if ours is not None else []
                case "stops":
                    pass
    return Reach(_without_below({*moved.paths, *planned}), tuple(sorted(reaching)))


def reach_unread(
    below: Mapping[str, NodeLabel | InputPath],
    at: InputPath,
    own: Collection[InputPath],
    planned: Planned,
) -> Reach | None:
    """Return what an update of the upstream moves, where that can be told without the locks; None: it cannot.

    Nothing but what is planned moves then. What the dependent has by a follows, or moves itself, stops it. What it does
    not have at all is new to it. Of what has a node there, the locks say whether it is the upstream's.

    below: the inputs of the upstream's node in the dependent's lock. at, own: as of a ReachQuestion.
    """
    reaching: set[InputPath] = set()
    for path in filter(None, planned.moves):
        first = path[:1]
        if isinstance(below.get(path[0]), tuple) or (own and (*at, *first) in own):
            continue
        if path[0] in below or first not in planned.moves:
            return None
        reaching.add(first)
    return Reach(planned.moved, tuple(sorted(reaching)))


def _without_below(paths: Collection[InputPath]) -> tuple[InputPath, ...]:
    return tuple(sorted([path for path in paths if len(path) == 1 or not _is_below(path, paths)]))


def _is_below(path: InputPath, paths: Collection[InputPath]) -> bool:
    return any(path[:length] in paths for length in range(1, len(path)))


def _start(asked: ReachQuestion) -> _Place | None:
    label = asked.dependent.root
    for name in asked.at:
        found = asked.dependent.nodes[label].inputs.get(name)
        if found is None or isinstance(found, tuple):
            return None
        label = found
    before, after = (lock.root if lock is not None else None for lock in (asked.before, asked.after))
    return (), label, before, after


def _decide(
    asked: ReachQuestion, place: _Place, name: str, planned: Mapping[InputPath, Rev | None], *, moved: bool
) -> _Found:
    """Decide on one input of the upstream: it reaches the dependent, it ends here, or it depends on what lies below."""
    same = asked.before is asked.after  # one lock, where an update alone moves anything
    ours, was = target(asked.dependent, place[1], name), target(asked.before, place[2], name)
    now = was if same else target(asked.after, place[3], name)
    if isinstance(ours, tuple):
        # Nothing of the upstream's comes in, but where the follows is the upstream's own and leads elsewhere now.
        return "reaches" if isinstance(was, tuple) and was != now and ours == (*asked.at, *was) else "stops"
    if isinstance(now, tuple):
        # Beside a follows, what the dependent has is a URL of its own.
        return "reaches" if ours is None or now != was else "stops"
    path = (*place[0], name)
    here, old = node_of(asked.dependent, ours), node_of(asked.before, was)
    new = old if same else node_of(asked.after, now)
    if here is None:
        return "reaches" if path in planned or (moved and new is not None) else "stops"
    if _is_own(here, old, new):
        if old is None and moved and path not in planned:
            return "below" if new is not None and is_same_source(here, new) else "reaches"
        return "stops"
    if path in planned:
        rev = planned[path]
        there = rev is not None and (here.locked or {}).get("rev") == rev and not here.inputs
        return "stops" if there else "reaches"
    if new is None or not is_same_source(here, new):
        return "reaches" if moved else ("below" if asked.fresh else "stops")
    return "below"


def _is_own(here: LockNode, old: LockNode | None, new: LockNode | None) -> bool:
    """Tell whether the dependent has given this input a URL: not what the upstream had, and of another address."""
    if old is not None and is_same_source(here, old):
        return False
    return new is None or not is_same_address(here, new)
