"""Ways through the nodes of a lock: follows, input paths, names. Pure functions, none of them recursive."""

from collections.abc import Iterator, Mapping
from typing import TypeAlias

import msgspec

from flakesync.nix.lock.node import LockNode
from flakesync.terms import InputPath, NodeLabel

Nodes: TypeAlias = Mapping[NodeLabel, LockNode]
Edge: TypeAlias = tuple[NodeLabel, str]
"""An input of a node: the node's label and the input's name."""
Followed: TypeAlias = dict[Edge, NodeLabel | None]
"""What follows edges lead to, filled as they are looked up. None: to no input."""

ROOT = NodeLabel("root")

# Far above any real lock, and low enough that to find out takes seconds and no memory to speak of.
MAX_DEPTH = 10_000
MAX_PATH_STEPS = 50_000_000
MAX_PATHS = 1_000_000


class FollowsCycleError(Exception):
    """A follows that leads back to itself."""


class TooBigError(Exception):
    """A graph with so many or so long input paths that no real flake can have it (a bomb of shared nodes)."""


def resolve(nodes: Nodes, root: NodeLabel, path: InputPath, followed: Followed) -> NodeLabel | None:
    """Return the label of the node that `path` leads to from the root, None if there is no such input.

    Mirrors `LockFile::findInput`: a follows starts again at the root with its own path.

    Raises:
        FollowsCycleError: the way leads through a follows that follows itself.
    """
    label = root
    for name in path:
        target = nodes[label].inputs.get(name)
        if target is None:
            return None
        if isinstance(target, tuple):
            return _resolve_follows(nodes, root, path, followed)
        label = target
    return label


def _resolve_follows(nodes: Nodes, root: NodeLabel, path: InputPath, followed: Followed) -> NodeLabel | None:
    # Nix's findInput is recursive; a chain of follows may be longer than Python's stack. `waiting` is that stack: the
    # follows whose targets are being looked for, each with the rest of the path that comes after it.
    label: NodeLabel | None = root
    at = 0
    waiting: list[tuple[Edge, InputPath, int]] = []
    open_edges: set[Edge] = set()
    while True:
        if label is None or at == len(path):
            if not waiting:
                return label
            edge, path, at = waiting.pop()
            open_edges.discard(edge)
            # Kept, also None: n follows along one chain are looked up in n steps and not in n².
            followed[edge] = label
            continue
        edge = (label, path[at])
        target = nodes[label].inputs.get(path[at])
        at += 1
        if not isinstance(target, tuple):
            label = target
        elif edge in followed:
            label = followed[edge]
        # Being followed already: a circle. Newer Nix refuses more than that, see `once` in lockers/native/follows.py.
        elif edge in open_edges:
            raise FollowsCycleError
        else:
            waiting.append((edge, path, at))
            open_edges.add(edge)
            label, path, at = root, target, 0


def resolve_edge(nodes: Nodes, root: NodeLabel, edge: Edge, followed: Followed) -> NodeLabel | None:
    """Return the label of the node that an input of a node leads to, None if there is no such input.

    Raises:
        FollowsCycleError: as `resolve`.
    """
    label, name = edge
    target = nodes[label].inputs.get(name)
    if not isinstance(target, tuple):
        return target
    if edge not in followed:
        followed[edge] = resolve(nodes, root, target, followed)
    return followed[edge]


def walk_tree(nodes: Nodes, root: NodeLabel) -> Iterator[tuple[InputPath, NodeLabel]]:
    """Yield every input path with a node of its own, parents first, names in byte order, for a graph that is a tree."""
    stack: list[tuple[InputPath, NodeLabel]] = [((), root)]
    while stack:
        path, label = stack.pop()
        if path:
            yield path, label
        inputs = nodes[label].inputs
        # Backwards onto the stack, so that they come off it in byte order, the order of Nix's std::map.
        for name in sorted(inputs, reverse=True):
            target = inputs[name]
            if not isinstance(target, tuple):
                stack.append(((*path, name), target))


def walk_shared(nodes: Nodes, root: NodeLabel) -> Iterator[tuple[InputPath, NodeLabel]]:
    """Yield the same for nodes that have several parents, once per path; a node above itself is not entered again."""
    stack: list[tuple[InputPath, NodeLabel]] = [((), root)]
    trail: list[NodeLabel] = []
    above: set[NodeLabel] = set()
    while stack:
        path, label = stack.pop()
        while len(trail) > len(path):
            above.discard(trail.pop())
        if path:
            yield path, label
        trail.append(label)
        above.add(label)
        inputs = nodes[label].inputs
        for name in sorted(inputs, reverse=True):
            target = inputs[name]
            if not isinstance(target, tuple) and target not in above:
                stack.append(((*path, name), target))


def reachable(nodes: Nodes, root: NodeLabel) -> list[NodeLabel]:
    """Return the labels of the nodes that own edges lead to from the root, the root first, each once."""
    seen = {root}
    queue = [root]
    for label in queue:
        for target in nodes[label].inputs.values():
            if not isinstance(target, tuple) and target not in seen:
                seen.add(target)
                queue.append(target)
    return queue


def check_size(nodes: Nodes, root: NodeLabel) -> None:
    """Find out whether the graph can be walked in a time that anybody would wait.

    Raises:
        TooBigError: it cannot.
    """
    steps = 0
    for count, (path, _) in enumerate(walk_shared(nodes, root)):
        steps += len(path)
        if len(path) > MAX_DEPTH or steps > MAX_PATH_STEPS or count > MAX_PATHS:
            raise TooBigError


def rename(nodes: Nodes, root: NodeLabel) -> dict[NodeLabel, LockNode]:
    """Return the graph as a tree whose nodes are named as Nix names them, the root `root`, unreachable nodes left out.

    Mirrors `LockFile::toJSON`: parents first, inputs in byte order, the first free of `name`, `name_2`, `name_3`, ….
    An input of a shared graph that is one of its own parents becomes a follows to it.
    """
    taken: dict[NodeLabel, LockNode] = {ROOT: nodes[root]}
    inputs_of: dict[NodeLabel, dict[str, NodeLabel | InputPath]] = {}
    next_number: dict[str, int] = {}
    stack: list[tuple[InputPath, NodeLabel, NodeLabel | None]] = [((), root, None)]
    trail: list[NodeLabel] = []
    depth_of: dict[NodeLabel, int] = {}
    while stack:
        path, old, parent = stack.pop()
        while len(trail) > len(path):
            del depth_of[trail.pop()]
        depth_of[old] = len(trail)
        trail.append(old)
        node = nodes[old]
        label = ROOT if parent is None else _free(path[-1], taken, next_number)
        taken[label] = node
        if parent is not None:
            inputs_of[parent][path[-1]] = label
        inputs_of[label] = {}
        children = []
        for name in sorted(node.inputs):
            target = node.inputs[name]
            inputs_of[label][name] = target
            if isinstance(target, tuple):
                continue
            # As a tree it would never end; a follows to the parent says the same.
            if target in depth_of:
                inputs_of[label][name] = path[: depth_of[target]]
            else:
                children.append(((*path, name), target, label))
        stack.extend(reversed(children))
    return {label: msgspec.structs.replace(node, inputs=inputs_of[label]) for label, node in taken.items()}


def _free(name: str, taken: Nodes, next_number: dict[str, int]) -> NodeLabel:
    if name not in taken:
        return NodeLabel(name)
    # Labels are never given back, so the search may go on where the last one for this name ended.
    number = next_number.get(name, 2)
    while (label := NodeLabel(f"{name}_{number}")) in taken:
        number += 1
    next_number[name] = number + 1
    return label
