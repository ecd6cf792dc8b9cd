"""The locked nodes of a lock, each once: what a lock holds twice by way of follows is one node and one finding."""

from collections.abc import Callable, Iterable, Iterator
from types import MappingProxyType

import msgspec

from flakesync.nix.expression.nested import Overrides, as_overridden
from flakesync.nix.lock.file import LockFile, LockNode
from flakesync.terms import FlakeDir, InputPath, NodeLabel, RepoName
from flakesync.workspace.snapshot import RepoState

_NONE: Overrides = MappingProxyType({})


class Subject(msgspec.Struct, frozen=True):
    """A node of a lock. path: the shortest input path to it without a follows; of several the first in byte order.

    node: with what the flake.nix that overrides it says as `original`, whichever Nix has written it. own: whether the
    input is the repo's own, of the root or of a folder (`path:./sub`).
    """

    repo: RepoName
    flake: FlakeDir
    path: InputPath
    label: NodeLabel
    node: LockNode
    own: bool


Below = Callable[[LockNode], Overrides]
"""What a locked flake says of inputs of its inputs."""


def nothing_below(_: LockNode) -> Overrides:
    """Know of no override in a locked flake."""
    return _NONE


def subjects(
    repo: RepoName,
    flake: FlakeDir,
    lock: LockFile,
    overrides: Overrides = _NONE,
    below: Below = nothing_below,
) -> Iterator[Subject]:
    """Yield the nodes of a lock that inputs lead to, without the root, nearest first.

    overrides: what the flake.nix beside the lock says of inputs of inputs.
    """
    overrides = dict(overrides)
    nodes = lock.nodes
    seen = {lock.root}
    queue: list[tuple[InputPath, NodeLabel, bool]] = [((), lock.root, True)]
    for above, at, inside in queue:  # grows while it is gone through: breadth first, so the first path is the shortest
        inputs = nodes[at].inputs
        for name in sorted(inputs):
            label = inputs[name]
            if isinstance(label, tuple) or label in seen:
                continue
            seen.add(label)
            path = (*above, name)
            node = as_overridden(nodes[label], path, overrides) if overrides else nodes[label]
            if node.inputs:
                queue.append((path, label, inside and node.is_folder))
                for inner, reference in below(node).items():
                    overrides.setdefault((*path, *inner), reference)  # the outermost flake wins, and comes first
            yield Subject(repo, flake, path, label, node, inside)


def all_subjects(states: Iterable[RepoState], below: Below = nothing_below) -> list[Subject]:
    """Return the nodes of all locks of some repos."""
    return [
        each
        for state in states
        for flake in state.flakes
        if flake.lock is not None
        for each in subjects(state.name, flake.dir, flake.lock, flake.overrides, below)
    ]


def count_sources(nodes: Iterable[Subject]) -> int:
    """Return how many different sources and commits some nodes are locked to."""
    origins = (each.node.origin for each in nodes)
    return len({(each.found, each.rev or each.locked.get("narHash")) for each in origins if each.locked})
