"""The locked nodes of a lock, each once: what a lock holds twice by way of follows is one node and one finding."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from flakesync.nix.expression.nested import Overrides, as_overridden, outermost
from flakesync.nix.lock.file import LockFile, LockNode
from flakesync.terms import FlakeDir, InputPath, NodeLabel, RepoName
from flakesync.workspace.snapshot import RepoState

if TYPE_CHECKING:
    from flakesync.nix.expression.inputs import InputSpec

_Specs = Mapping[str, "InputSpec"]
_NONE: Overrides = MappingProxyType({})
_NOTHING: _Specs = MappingProxyType({})


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


Below = Callable[[LockNode], Mapping[str, "InputSpec"]]
"""What the flake.nix of a locked flake says of its inputs, as far as it is known."""


def subjects(
    repo: RepoName, flake: FlakeDir, lock: LockFile, overrides: Overrides = _NONE, below: Below | None = None
) -> Iterator[Subject]:
    """Yield the nodes of a lock that inputs lead to, without the root, nearest first.

    overrides: what the flake.nix beside the lock says of inputs of inputs.
    """
    nodes = lock.nodes
    seen = {lock.root}
    # With what the flakes further out say of the inputs of a node, the outermost first. Only what the lock has is gone
    # into: a flake may have thousands of overrides, and a lock thousands of its node.
    queue: list[tuple[InputPath, LockNode, bool, Sequence[_Specs]]] = [((), nodes[lock.root], True, ())]
    for (
        above,
        taker,
        inside,
        further,
    ) in queue:  # grows while it is gone through: breadth first, the shortest path first
        own = below(taker) if below is not None and above else _NOTHING
        inputs = taker.inputs
        for name in sorted(inputs):
            label = inputs[name]
            if isinstance(label, tuple) or label in seen:
                continue
            seen.add(label)
            path, node = (*above, name), nodes[label]
            specs = [each[name] for each in further if name in each] if further else ()
            if path in overrides:
                node = as_overridden(node, overrides[path])
            elif specs:
                node = as_overridden(node, outermost(specs))
            if node.inputs:
                inner = [each.inputs for each in (*specs, *((own[name],) if name in own else ())) if each.inputs]
                queue.append((path, node, inside and node.is_folder, inner))
            yield Subject(repo, flake, path, label, node, inside)


def all_subjects(states: Iterable[RepoState], below: Below | None = None) -> list[Subject]:
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
