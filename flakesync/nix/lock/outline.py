"""The outline of a lock: which repositories a flake takes, so that most of a known lock need not be decoded.

Of a thousand locks drift looks at few nodes: those of pins and of repos of the workspace. An outline names the
repositories, and says where in the lock the nodes of the flake's own inputs are. There is one only of a lock in which
nothing is out of the ordinary; everything else is looked at node by node, as without outlines.
"""

from collections.abc import Container
from struct import Struct
from typing import TYPE_CHECKING, cast

import msgspec

from flakesync.nix.lock.file import LockFile
from flakesync.nix.lock.node import LockNode
from flakesync.nix.lock.quick import find_nodes, read_node
from flakesync.nix.reference.source import Origin

if TYPE_CHECKING:
    from flakesync.terms import NodeLabel

Place = tuple[str, str]
"""Host and path of a repository, equal to its Identity."""

_GIT = frozenset({"git", "github", "gitlab", "sourcehut"})
_DIRTY = ("dirtyRev", "dirtyShortRev")
_SPAN = Struct("<II")
_Kept = tuple[tuple[Place, ...], tuple[str, ...], bytes, tuple[Place, ...]]
_decoder = msgspec.msgpack.Decoder(_Kept)
# Many flakes take the same repositories by the same names: each is kept once.
_places: dict[Place, Place] = {}
_names: dict[str, str] = {}


class Outline(msgspec.Struct, frozen=True, gc=False):
    """What a lock without anything unusual in it is made of.

    Each input of the flake's own has a node of its own, no folder, that is locked to a commit of the repository that
    its reference names. places: these repositories, in byte order of the inputs' names. names: of the inputs. spans:
    where each node is in the file: offset and length, four bytes each. below: the repositories of all other nodes, each
    once.
    """

    places: tuple[Place, ...]
    names: tuple[str, ...]
    spans: bytes
    below: tuple[Place, ...]

    def numbers_of(self, wanted: Container[Place]) -> list[int]:
        """Return which of the flake's own inputs are of these repositories, by their place in `names`."""
        return [number for number, place in enumerate(self.places) if place in wanted]

    def node(self, lock: LockFile, number: int) -> tuple[str, LockNode]:
        """Return name and node of an input of the flake's own. lock: whose outline it is."""
        name, data = self.names[number], lock.unread
        if data is None:
            return name, lock.nodes[cast("NodeLabel", lock.nodes[lock.root].inputs[name])]
        start, length = _SPAN.unpack_from(self.spans, number * _SPAN.size)
        return name, read_node(data[start : start + length])


def encode_outline(lock: LockFile, data: bytes) -> bytes:
    """Return the encoded outline of the lock in `data`; empty: something is unusual about it, and it has none."""
    spans = find_nodes(data) if lock.is_tree else None
    if spans is None:
        return b""
    places: list[Place] = []
    names: list[str] = []
    found: list[bytes] = []
    own = {lock.root}
    for name, target in lock.root_inputs():
        if isinstance(target, tuple):
            return b""
        node = lock.nodes[target]
        if type(node) is not LockNode or node.is_folder or not _is_plain(node.origin):
            return b""
        places += [(node.origin.found.host, node.origin.found.path)] if node.origin.found is not None else []
        names.append(name)
        found.append(_SPAN.pack(*spans[target]))
        own.add(target)
    deeper = (node.origin.repository for label, node in lock.nodes.items() if label not in own and node.locked)
    below: set[Place] = {(each.host, each.path) for each in deeper if each is not None}
    kept: _Kept = (tuple(places), tuple(names), b"".join(found), tuple(sorted(below)))
    try:
        return msgspec.msgpack.encode(kept)
    except UnicodeEncodeError:  # a folder of this machine whose name is no UTF-8
        return b""


def decode_outline(kept: bytes | memoryview) -> Outline | None:
    """Return an outline that was kept; None: its lock has none, or what was kept is none."""
    if not kept:
        return None
    try:
        places, names, spans, below = _decoder.decode(kept)
    except ValueError:
        return None
    if not len(places) == len(names) == len(spans) // _SPAN.size:
        return None
    places, below = tuple(map(_places.setdefault, places, places)), tuple(map(_places.setdefault, below, below))
    return Outline(places, tuple(map(_names.setdefault, names, names)), spans, below)


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
