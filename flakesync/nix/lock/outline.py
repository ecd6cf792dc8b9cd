"""The outline of a lock: which repositories a flake takes, so that most of a known lock need not be decoded.

Of a thousand locks drift looks at few nodes: those of pins and of repos of the workspace. An outline names the
repositories, and has the nodes of the flake's own inputs still encoded. There is one only of a lock in which nothing is
out of the ordinary; everything else is looked at node by node, as without outlines.
"""

from collections.abc import Container, Iterator

import msgspec

from flakesync.nix.lock.file import LockFile
from flakesync.nix.lock.node import LockNode
from flakesync.nix.reference.source import Origin

Place = tuple[str, str]
"""Host and path of a repository, equal to its Identity."""

_GIT = frozenset({"git", "github", "gitlab", "sourcehut"})
_DIRTY = ("dirtyRev", "dirtyShortRev")


class Outline(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a lock without anything unusual in it is made of.

    Each input of the flake's own has a node of its own, no folder, that is locked to a commit of the repository that
    its reference names. places: these repositories, in byte order of the inputs' names. nodes: (name, LockNode) of
    each, encoded. below: the repositories of all other nodes, each once.
    """

    places: tuple[Place, ...]
    nodes: msgspec.Raw
    below: tuple[Place, ...]

    def inputs_of(self, wanted: Container[Place]) -> Iterator[bytes]:
        """Yield the encoded name and node of the flake's own inputs that are of these repositories."""
        at = [number for number, place in enumerate(self.places) if place in wanted]
        if at:
            nodes = _pieces.decode(self.nodes)
            for number in at:
                yield bytes(nodes[number])

    def all_inputs(self) -> Iterator[bytes]:
        """Yield the encoded name and node of every input of the flake's own."""
        return map(bytes, _pieces.decode(self.nodes))


_pieces = msgspec.msgpack.Decoder(list[msgspec.Raw])
_input = msgspec.msgpack.Decoder(tuple[str, LockNode])
_decoder = msgspec.msgpack.Decoder(Outline)


def decode_input(piece: bytes) -> tuple[str, LockNode]:
    """Return name and node of an input. Raises: ValueError: it is nothing that `encode_outline` has written."""
    return _input.decode(piece)


def encode_outline(lock: LockFile) -> bytes:
    """Return the encoded outline of a lock; empty: something is unusual about it, and it has none."""
    if not lock.is_tree:
        return b""
    places: list[Place] = []
    inputs: list[tuple[str, LockNode]] = []
    own = {lock.root}
    for name, target in lock.root_inputs():
        if isinstance(target, tuple):
            return b""
        node = lock.nodes[target]
        if type(node) is not LockNode or node.is_folder or not _is_plain(node.origin):
            return b""
        places += [(node.origin.found.host, node.origin.found.path)] if node.origin.found is not None else []
        inputs.append((name, node))
        own.add(target)
    deeper = (node.origin.repository for label, node in lock.nodes.items() if label not in own and node.locked)
    below: set[Place] = {(each.host, each.path) for each in deeper if each is not None}
    nodes = msgspec.Raw(msgspec.msgpack.encode(inputs))
    return msgspec.msgpack.encode(Outline(tuple(places), nodes, tuple(sorted(below))))


def decode_outline(data: bytes | memoryview) -> Outline | None:
    """Return an outline that was kept; None: the lock has none, or what was kept is none."""
    if not data:
        return None
    try:
        return _decoder.decode(data)
    except ValueError:
        return None


def _is_plain(origin: Origin) -> bool:
    """Tell whether an input is a commit of the git repository that its reference names."""
    locked, original, rev = origin.locked, origin.original, origin.rev
    return (
        locked.get("type") in _GIT
        and original.get("type") in _GIT
        and rev is not None
        and bool(rev.strip("0"))
        and not any(key in locked for key in _DIRTY)
        and origin.source is not None
        and origin.source[0] == origin.found
    )
