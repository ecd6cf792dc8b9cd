"""What a flake takes, read off its lock once: its own inputs with their sources, and every copy of a repository."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

import msgspec

from flakesync.nix.lock.file import LockFile, LockNode
from flakesync.nix.reference.identity import Identity
from flakesync.nix.reference.input_schemes import Attr
from flakesync.nix.reference.source import ARCHIVES, Source, branch_of, is_fixed, rev_of, source_of
from flakesync.terms import InputPath, NodeLabel, Rev

__all__ = [
    "ARCHIVES",
    "Following",
    "OwnInput",
    "Source",
    "branch_of",
    "copies",
    "following_inputs",
    "is_fixed",
    "own_folders",
    "own_input",
    "own_inputs",
    "paths_to",
    "rev_of",
    "source_of",
]


class OwnInput(msgspec.Struct, frozen=True):
    """An input of the repo's own, with a node of its own, which are those that can be moved.

    path: one name, or several where the input is that of a folder of the same repo (`path:./sub`).
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


class Following(msgspec.Struct, frozen=True):
    """An input of the repo's own that follows another.

    leads_to: the node that it ends at, with a path that has no follows in it. mover: the input of the repo's own that
    this node is, or lies below: it moves when that does.
    """

    path: InputPath
    leads_to: OwnInput
    mover: InputPath


def own_inputs(lock: LockFile) -> Iterator[OwnInput]:
    """Yield the inputs of the root, and of the repo's folders that it takes, without those that follow others.

    In byte order of their paths at each level; a folder itself (`path:./sub`, `path:..`) is no input, what is below it
    is.
    """
    nodes = lock.nodes
    folders: list[tuple[InputPath, NodeLabel]] = [((), lock.root)]  # as in `own_folders`, on one walk with the inputs
    seen = {lock.root}
    for above, label in folders:
        for name, target in sorted(nodes[label].inputs.items()):
            if isinstance(target, tuple):
                continue
            node = nodes[target]
            if node.is_folder:
                if target not in seen:
                    seen.add(target)
                    folders.append(((*above, name), target))
            elif node.locked is not None:
                yield own_input((*above, name), node)


def following_inputs(lock: LockFile) -> Iterator[Following]:
    """Yield the inputs of the root, and of its folders, that follow others, of any kind and over any number of steps.

    What leads to the flake itself, or to a folder of the repo, leads to nothing that could be locked, and is left out.
    """
    nodes = lock.nodes
    if not any(isinstance(to, tuple) or nodes[to].is_folder for to in nodes[lock.root].inputs.values()):
        return  # nearly all locks, and this is asked of a thousand
    folders = dict(own_folders(lock))
    labels = set(folders.values())
    for above, label in folders.items():
        inputs = lock.nodes[label].inputs
        for name in sorted(name for name, target in inputs.items() if isinstance(target, tuple)):
            to, end = _end_of(lock, (*above, name))
            if end not in labels:
                length = next(length for length in range(1, len(to) + 1) if to[:length] not in folders)
                yield Following((*above, name), own_input(to, lock.nodes[end]), to[:length])


def _end_of(lock: LockFile, path: InputPath) -> tuple[InputPath, NodeLabel]:
    """Return the path without a follows in it that an input path leads to, and its node."""
    while True:
        label = lock.root
        for at, name in enumerate(path, 1):
            target = lock.nodes[label].inputs[name]
            if isinstance(target, tuple):
                path = (*target, *path[at:])  # a lock has no follows that leads back to itself: it ends
                break
            label = target
        else:
            return path, label


def own_folders(lock: LockFile) -> Iterator[tuple[InputPath, NodeLabel]]:
    """Yield the flakes in the lock that are the repo's own: the root, and what is relative to it, parents first."""
    todo: list[tuple[InputPath, NodeLabel]] = [((), lock.root)]
    seen = {lock.root}
    for path, label in todo:
        yield path, label
        found = [
            (name, target)
            for name, target in lock.nodes[label].inputs.items()
            if not isinstance(target, tuple) and lock.nodes[target].is_folder and target not in seen
        ]
        for name, target in sorted(found):
            seen.add(target)
            todo.append(((*path, name), target))


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
