"""Read the bytes of a flake.lock: everything is checked once, here, so that the rest of flakesync can rely on it.

There are two ways through. Nearly every lock is as Nix wrote it and goes the quick one: its text is cut into nodes, and
a node that another lock had too (the same nixpkgs at the same commit) is neither decoded nor checked again. Whatever
is unusual about a lock (another layout, unknown keys, or anything wrong) sends it the strict way (lockstrict).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from flakesync.nix.lock import graph as lockgraph
from flakesync.nix.lock.node import LockNode, is_commit_id
from flakesync.terms import NodeLabel

VERSIONS = (5, 6, 7)

_BEGIN = b'{\n  "nodes": {\n    "'
_BETWEEN = b'\n    },\n    "'
_ENDS = {b'\n    }\n  },\n  "root": "root",\n  "version": %d\n}\n' % version: version for version in VERSIONS}
_MOST_KNOWN = 1 << 16


class Contents(NamedTuple):
    """What is in a lock. shared: some node has several parents. extra: top-level keys that flakesync does not know."""

    version: int
    root: NodeLabel
    nodes: Mapping[NodeLabel, LockNode]
    extra: Mapping[str, object]
    shared: bool
    followed: lockgraph.Followed


class _Known(NamedTuple):
    """A node, and what its inputs are: the labels of nodes of their own, and those that follow others."""

    label: NodeLabel
    node: LockNode
    own: tuple[NodeLabel, ...]
    follows: tuple[lockgraph.Edge, ...]


_known: dict[bytes, _Known] = {}
_decoder = msgspec.json.Decoder(dict[NodeLabel, LockNode])


def read(data: bytes, file: str) -> Contents:
    """Return the checked contents of the lock; `file` is only for messages.

    Raises:
        LockError: `bad-lock`, with the place.
    """
    contents = _read_usual(data)
    if contents is None:
        from flakesync.nix.lock.strict import read_strictly

        contents = read_strictly(data, file)
    if contents.shared or len(contents.nodes) > lockgraph.MAX_DEPTH:
        try:
            lockgraph.check_size(contents.nodes, contents.root)
        except lockgraph.TooBigError:
            from flakesync.nix.lock.contents import bad_lock

            raise bad_lock(file, ("nodes",), "the input paths are too many or too deep") from None
    return contents


def _read_usual(data: bytes) -> Contents | None:
    """Return the contents of a lock that is laid out as Nix does it and has nothing unusual in it, else None.

    What stands between `_BEGIN`, `_BETWEEN` and one of `_ENDS` is cut out as text. Each piece has to be a whole JSON
    member with its last brace put back, so that together they are the JSON that the file is, whatever stands in them.
    """
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
        if known[2]:
            own += known[2]
        if known[3]:
            follows += known[3]
    targets = set(own)
    root = lockgraph.ROOT
    if len(nodes) < len(pieces) or root not in nodes or root in targets or not targets <= nodes.keys():
        return None
    followed = _look_up(follows, nodes, root)
    if followed is None:
        return None
    return Contents(version, root, nodes, {}, len(targets) < len(own), followed)


def _learn(piece: bytes) -> _Known | None:
    """Return the node that a piece of text is; None if anything about it is unusual.

    Duplicate keys and unknown attributes vanish in decoding, and with each at least one comma: there is none of them
    if the commas of the text are as many as what was decoded needs. A comma inside a string only leads the strict way.
    """
    try:
        ((label, node),) = _decoder.decode(b'{"%b\n    }}' % piece).items()
    except (ValueError, RecursionError):
        return None
    own: list[NodeLabel] = []
    follows: list[lockgraph.Edge] = []
    commas = -1
    for attrs in (node.locked, node.original):
        if attrs is not None:
            commas += len(attrs)
            if "rev" in attrs and not is_commit_id(attrs["rev"]):
                return None
    for name, target in node.inputs.items():
        if isinstance(target, tuple):
            follows.append((label, name))
            commas += len(target) or 1
        else:
            own.append(target)
            commas += 1
    commas += not node.flake
    if node.parent is not None:
        commas += len(node.parent) or 1
    if piece.count(b",") != max(commas, 0) or (node.locked is None and label != lockgraph.ROOT):
        return None
    known = _Known(label, node, tuple(own), tuple(follows))
    if len(_known) < _MOST_KNOWN:
        _known[piece] = known
    return known


def _look_up(follows: Sequence[lockgraph.Edge], nodes: lockgraph.Nodes, root: NodeLabel) -> lockgraph.Followed | None:
    followed: lockgraph.Followed = {}
    try:
        for edge in follows:
            if lockgraph.resolve_edge(nodes, root, edge, followed) is None:
                return None
    except lockgraph.FollowsCycleError:
        return None
    return followed
