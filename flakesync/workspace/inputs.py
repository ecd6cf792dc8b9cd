"""What a flake takes, read off its lock once: its own inputs with their sources, and every copy of a repository."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

import msgspec

from flakesync.nix.lock.file import LockFile, LockNode
from flakesync.nix.reference.identity import Identity
from flakesync.nix.reference.input_schemes import Attr
from flakesync.nix.reference.source import ARCHIVES, Source, is_fixed, rev_of, source_of
from flakesync.terms import InputPath, NodeLabel, Rev

__all__ = [
    "ARCHIVES",
    "OwnInput",
    "Source",
    "copies",
    "is_fixed",
    "own_input",
    "own_inputs",
    "paths_to",
    "rev_of",
    "source_of",
]


class OwnInput(msgspec.Struct, frozen=True):
    """An input with a node of its own, which are those that can be moved.

    original: as flake.nix has it (where the lock has none: its locked). rev: the locked commit; None where the lock
    has none (a path, a dirty tree, an archive). source: None for what has no identity. fixed: see `is_fixed`.
    found: the repository that `locked` is of, None where that has no identity.
    """

    path: InputPath
    node: LockNode
    original: Mapping[str, Attr]
    locked: Mapping[str, Attr]
    rev: Rev | None
    source: Source | None
    fixed: bool
    found: Identity | None


def own_inputs(lock: LockFile) -> Iterator[OwnInput]:
    """Yield the inputs of the root in byte order, without those that follow others or are folders of the flake."""
    nodes = lock.nodes
    for name, target in lock.root_inputs():
        if not isinstance(target, tuple):
            node = nodes[target]
            if node.locked is not None and node.parent is None:
                yield own_input((name,), node)


def own_input(path: InputPath, node: LockNode) -> OwnInput:
    """Return the input of a node that is not the root."""
    origin = node.origin
    return OwnInput(path, node, origin.original, origin.locked, origin.rev, origin.source, origin.fixed, origin.found)


def paths_to(lock: LockFile, labels: AbstractSet[NodeLabel]) -> Iterator[tuple[InputPath, NodeLabel]]:
    """Yield the input paths that lead to these nodes without a follows, in no special order.

    The same as looking for them in `lock.walk()`, without the walk.
    """
    above: dict[NodeLabel, tuple[NodeLabel, str]] = {}
    for parent, node in lock.nodes.items():
        for name, target in node.inputs.items():
            if not isinstance(target, tuple):
                if target in above:  # nodes with several parents: versions 5 and 6
                    yield from (found for found in lock.walk() if found[1] in labels)
                    return
                above[target] = (parent, name)
    for label in labels:
        path: list[str] = []
        at = label
        while at != lock.root and at in above and len(path) < len(above):
            at, name = above[at]
            path.append(name)
        if at == lock.root:
            yield tuple(reversed(path)), label


def copies(lock: LockFile) -> Mapping[Identity, Sequence[NodeLabel]]:
    """Return the nodes of a lock by the repository that they are of, at any depth."""
    found: dict[Identity, list[NodeLabel]] = {}
    for label, node in lock.nodes.items():
        if node.locked is not None and (repository := node.origin.repository) is not None:
            found.setdefault(repository, []).append(label)
    return found
