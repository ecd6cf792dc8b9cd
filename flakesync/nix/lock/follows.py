"""What follows do to a lock: which of them no Nix can follow, and the lock in which one more input follows another."""

from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from flakesync.nix.lock import graph as lockgraph
from flakesync.nix.lock.file import LockFile
from flakesync.terms import InputPath, NodeLabel, show_path

BrokenKind = Literal["nowhere", "cycle", "through"]
"""A follows of an input that is not there; one that leads back to itself, or that Nix takes for such a one; one that
goes by way of another, which Nix up to 2.18 does not find."""


def with_follows(lock: LockFile, path: InputPath, target: InputPath) -> LockFile:
    """Return the lock that Nix writes when an input with a node of its own follows `target` from now on.

    The input's node goes, with all below it that nothing else owns, and the nodes are named anew. path: without a
    follows in it. target: from the root; whether it leads somewhere is not looked at.

    Raises: KeyError: there is nothing that could have such an input.
    """
    above = lock.resolve(path[:-1])
    if above is None:
        raise KeyError(show_path(path))
    node = lock.nodes[above]
    changed = msgspec.structs.replace(node, inputs={**node.inputs, path[-1]: target})
    # Nothing is fetched, and no other node moves: Nix takes the whole rest from the lock, upstreams may have moved on.
    return LockFile(lock.version, lock.root, {**lock.nodes, above: changed}, {}, not lock.is_tree, {}).renamed()


def all_follows(lock: LockFile) -> Iterator[tuple[InputPath, InputPath]]:
    """Yield every input that follows another, and the path that it follows."""
    for path, label in [((), lock.root), *lock.walk()]:
        for name, target in lock.nodes[label].inputs.items():
            if isinstance(target, tuple):
                yield (*path, name), target


def broken_follows(lock: LockFile) -> Mapping[InputPath, tuple[InputPath, BrokenKind]]:
    """Return the follows that some Nix cannot follow, with the path that they follow."""
    found: dict[InputPath, tuple[InputPath, BrokenKind]] = {}
    for path, target in all_follows(lock):
        try:
            end = lock.resolve(target)
        except lockgraph.FollowsCycleError:
            found[path] = target, "cycle"
            continue
        if end is None:
            found[path] = target, "nowhere"
        elif goes_twice(lock, target):
            found[path] = target, "cycle"
        elif goes_through(lock, target):
            found[path] = target, "through"
    return found


def is_taken_by(lock: LockFile, label: NodeLabel, taker: NodeLabel) -> bool:
    """Tell whether a node is among all that another takes, follows included; each takes itself."""
    seen, todo = {taker}, [taker]
    followed: lockgraph.Followed = {}
    while todo:
        if (each := todo.pop()) == label:
            return True
        for name in lock.nodes[each].inputs:
            end = lockgraph.resolve_edge(lock.nodes, lock.root, (each, name), followed)
            if end is not None and end not in seen:
                seen.add(end)
                todo.append(end)
    return False


def goes_through(lock: LockFile, path: InputPath) -> bool:
    """Tell whether the way to an input that exists leads through a follows; its last step may be one.

    Nix up to 2.18 does not find such an input: it looks among the paths of the nodes alone (`getAllInputs`).
    """
    node = lock.nodes[lock.root]
    for name in path[:-1]:
        target = node.inputs[name]
        if isinstance(target, tuple):
            return True
        node = lock.nodes[target]
    return False


def goes_twice(lock: LockFile, path: InputPath) -> bool:
    """Tell whether the way to an input that exists leads through the same follows more than once.

    Nix from 2.19 on takes that for a cycle (`doFind` in `src/libflake/lockfile.cc`).
    """
    # `doFind` notes the path that it starts from first, so a follows of that very path is the second time.
    seen = {path}
    node = lock.nodes[lock.root]
    names = list(reversed(path))
    while names:
        target = node.inputs[names.pop()]
        if isinstance(target, tuple):
            if target in seen:
                return True
            seen.add(target)
            # A follows starts at the root again; what is left of the way comes after it.
            node = lock.nodes[lock.root]
            names += reversed(target)
        else:
            node = lock.nodes[target]
    return False
