"""The nodes of a lock while it is computed: their inputs are filled as they become known, before anybody sees them."""

from collections.abc import Mapping

from flakesync.nix.lock import graph as lockgraph
from flakesync.nix.lock.node import LockNode
from flakesync.sync.lockers.native.values import NotNativeError
from flakesync.terms import InputPath, NodeLabel

Inputs = dict[str, NodeLabel | InputPath]
"""What is filled while a node is made, and then stands in it."""

# A workspace whose repos all take each other without follows doubles with each wave; Nix would run out of memory.
_MAX_NODES = 1_000_000


class NewNodes:
    """The nodes of one lock, under labels of their own."""

    def __init__(self) -> None:
        self._nodes: dict[NodeLabel, LockNode] = {}

    def root(self) -> Inputs:
        """Make the root; return its inputs, to be filled."""
        inputs: Inputs = {}
        self._nodes[lockgraph.ROOT] = LockNode(inputs=inputs)
        return inputs

    def named(self) -> Mapping[NodeLabel, LockNode]:
        """Return all nodes under the labels that Nix gives them, in the order of its walk."""
        return lockgraph.rename(self._nodes, lockgraph.ROOT)

    def put(self, node: LockNode) -> NodeLabel:
        """Put a node into the lock; return its label. Raises: NotNativeError: Nix would not write it so."""
        if len(self._nodes) > _MAX_NODES:
            raise NotNativeError("the lock would have more than a million nodes")
        _require_usual(node)
        label = NodeLabel(f"{len(self._nodes)}")
        self._nodes[label] = node
        return label

    def copy(self, node: LockNode, nodes: Mapping[NodeLabel, LockNode], prefix: InputPath) -> NodeLabel:
        """Copy a node with all below it; return its label."""
        label, made = self._put_copy(node)
        stack = [(node, made)]
        while stack:
            node, made = stack.pop()
            for name, target in node.inputs.items():
                if isinstance(target, tuple):
                    made[name] = (*prefix, *target)
                else:
                    made[name], below = self._put_copy(nodes[target])
                    stack.append((nodes[target], below))
        return label

    def _put_copy(self, node: LockNode) -> tuple[NodeLabel, Inputs]:
        """Put a node like this one into the lock; return its label and its inputs, to be filled."""
        inputs: Inputs = {}
        # Made from its parts, not with `replace`: keys that Nix does not know (`extra`) go, as when Nix writes a lock.
        copy = LockNode(flake=node.flake, locked=node.locked, original=node.original, parent=node.parent, inputs=inputs)
        return self.put(copy), inputs


def _require_usual(node: LockNode) -> None:
    """Refuse a node that Nix would not write back as it is."""
    for attrs in (node.locked, node.original):
        if attrs is None:
            raise NotNativeError("a node of the lock has no `original`")
