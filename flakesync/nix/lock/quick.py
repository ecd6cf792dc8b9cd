"""The quick reader of a flake.lock, for one that is laid out as Nix writes it, which nearly every lock is.

Its text is cut into the texts of its nodes, and a node that another lock had too (the same nixpkgs at the same commit)
is neither decoded nor checked again. Whatever is unusual about a lock (another layout, unknown keys, or anything wrong)
is left to the strict reader, so nothing here has to explain an error.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from flakesync.nix.lock import graph as lockgraph
from flakesync.nix.lock.contents import VERSIONS, Contents
from flakesync.nix.lock.node import LockNode, is_commit_id
from flakesync.terms import NodeLabel

# What `LockFile::toJSON` and two spaces of indentation put around the nodes. A line feed inside a JSON string is
# escaped, so these cannot stand in the middle of one.
_BEGIN = b'{\n  "nodes": {\n    "'
_BETWEEN = b'\n    },\n    "'
# As a dict: one look-up says whether the end is usual, and which version it names.
_ENDS = {b'\n    }\n  },\n  "root": "root",\n  "version": %d\n}\n' % version: version for version in VERSIONS}
# An upper limit on memory: past it a node is read all the same, only not kept.
_MOST_KNOWN = 1 << 16


class _Known(NamedTuple):
    """A node, and what its inputs are: the labels of nodes of their own, and those that follow others."""

    label: NodeLabel
    node: LockNode
    own: tuple[NodeLabel, ...]
    follows: tuple[lockgraph.Edge, ...]


# By text, label included: equal bytes decode to equal nodes. That two threads may learn the same node only costs time.
_known: dict[bytes, _Known] = {}
_nodes: dict[bytes, LockNode] = {}
# One decoder for all: msgspec compiles the type into it once. It refuses unknown keys of a node and wrong types.
_decoder = msgspec.json.Decoder(dict[NodeLabel, LockNode])


def read_quickly(data: bytes) -> Contents | None:
    """Return the checked contents of a lock that is laid out as Nix does it and has nothing unusual in it, else None.

    What stands between `_BEGIN`, `_BETWEEN` and one of `_ENDS` is cut out as text. Each piece has to be a whole JSON
    member with its last brace put back, so that together they are the JSON that the file is, whatever stands in them.
    """
    # In drift over 1,000 repos of 20 nodes this takes 20 of 186 ms, where a script that only opens the files and calls
    # `json.loads` spends 50: most pieces are found in `_known` (docs/benchmarks.md).
    end = data[data.rfind(b"\n    }\n  },") :]
    version = _ENDS.get(end)
    if version is None or not data.startswith(_BEGIN):
        return None
    pieces = data[len(_BEGIN) : -len(end)].split(_BETWEEN)
    nodes: dict[NodeLabel, LockNode] = {}
    own: list[NodeLabel] = []
    follows: list[lockgraph.Edge] = []
    for piece in pieces:
        known = _known.get(piece) or _learn(piece)
        if known is None:
            return None
        nodes[known[0]] = known[1]
        # Most nodes have no inputs at all: to look is cheaper than to add nothing.
        if known[2]:
            own += known[2]
        if known[3]:
            follows += known[3]
    targets = set(own)
    root = lockgraph.ROOT
    # Fewer nodes than pieces: a label occurs twice, over which parsers disagree. The strict reader says where.
    if len(nodes) < len(pieces) or root not in nodes or root in targets or not targets <= nodes.keys():
        return None
    followed = _look_up(follows, nodes, root)
    if followed is None:
        return None
    # Fewer targets than edges: some node has several parents.
    return Contents(version, root, nodes, {}, len(targets) < len(own), followed)


def find_nodes(data: bytes) -> dict[NodeLabel, tuple[int, int]] | None:
    """Return where each node is in a lock that `read_quickly` reads (offset and length); None: it does not read it."""
    end = data[data.rfind(b"\n    }\n  },") :]
    if end not in _ENDS or not data.startswith(_BEGIN):
        return None
    found: dict[NodeLabel, tuple[int, int]] = {}
    start = len(_BEGIN)
    for piece in data[start : -len(end)].split(_BETWEEN):
        known = _known.get(piece) or _learn(piece)
        if known is None:
            return None
        found[known.label] = (start, len(piece))
        start += len(piece) + len(_BETWEEN)
    return found


def read_node(piece: bytes) -> LockNode:
    """Return the node in a lock's bytes from the offset and of the length that `find_nodes` gives for it.

    The bytes are decoded and not checked: `find_nodes` did that. Raises: ValueError: they are no node.
    """
    node = _nodes.get(piece)
    if node is None:
        try:
            (node,) = _decoder.decode(b'{"%b\n    }}' % piece).values()
        except (ValueError, RecursionError):
            raise ValueError("no node of a lock") from None
        if len(_nodes) < _MOST_KNOWN:
            _nodes[piece] = node
    return node


def _learn(piece: bytes) -> _Known | None:
    """Return the node that a piece of text is; None if anything about it is unusual.

    Duplicate keys and unknown attributes vanish in decoding, and with each at least one comma: there is none of them
    if the commas of the text are as many as what was decoded needs. A comma inside a string only leads the strict way.
    """
    try:
        # The two characters that were cut off with `_BETWEEN`. Two nodes in one piece fail to unpack.
        ((label, node),) = _decoder.decode(b'{"%b\n    }}' % piece).items()
    except (ValueError, RecursionError):
        return None
    own: list[NodeLabel] = []
    follows: list[lockgraph.Edge] = []
    # n members have n - 1 commas between them.
    commas = -1
    for attrs in (node.locked, node.original):
        if attrs is not None:
            # One before the member itself and one fewer than attributes inside it.
            commas += len(attrs)
            if "rev" in attrs and not is_commit_id(attrs["rev"]):
                return None
    for name, target in node.inputs.items():
        if isinstance(target, tuple):
            follows.append((label, name))
            # `[]`, which follows the flake itself, has no comma inside but still one before the next input.
            commas += len(target) or 1
        else:
            own.append(target)
            commas += 1
    commas += not node.flake
    if node.parent is not None:
        commas += len(node.parent) or 1
    # `max`: a root without inputs has no member at all.
    if piece.count(b",") != max(commas, 0) or (node.locked is None and label != lockgraph.ROOT):
        return None
    known = _Known(label, node, tuple(own), tuple(follows))
    if len(_known) < _MOST_KNOWN:
        _known[piece] = known
    return known


def _look_up(follows: Sequence[lockgraph.Edge], nodes: lockgraph.Nodes, root: NodeLabel) -> lockgraph.Followed | None:
    """Return where all follows lead; None if one leads nowhere or back to itself."""
    # It depends on the whole lock, so it cannot be kept with a node; the lock keeps it, and `resolve` is a look-up.
    followed: lockgraph.Followed = {}
    try:
        for edge in follows:
            if lockgraph.resolve_edge(nodes, root, edge, followed) is None:
                return None
    except lockgraph.FollowsCycleError:
        return None
    return followed
