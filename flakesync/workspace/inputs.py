"""What a flake takes, read off its lock once: its own inputs with their sources, and every copy of a repository."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from urllib.parse import unquote

import msgspec

from flakesync.nix.lock.file import LockFile, LockNode
from flakesync.nix.reference.flakeref import Attr, Identity, identity_of
from flakesync.terms import InputPath, NodeLabel, Rev

Source = tuple[Identity, str | None]
"""What moves to one commit together: a repository and a ref (None: its default branch).

The "ref" of an archive is the version that its URL names; that of an indirect reference is `flake:ID`.
"""

ARCHIVES = ("tarball", "file")


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


def rev_of(attrs: Mapping[str, Attr]) -> Rev | None:
    """Return the commit that a `locked` or `original` of a LockFile names (it takes no other text), or None."""
    rev = attrs.get("rev")
    return Rev(rev) if isinstance(rev, str) else None


def is_fixed(original: Mapping[str, Attr]) -> bool:
    """Tell whether an `original` names one commit, by `rev` or by a full tag reference."""
    ref = original.get("ref")
    return "rev" in original or (isinstance(ref, str) and ref.startswith("refs/tags/"))


def source_of(original: Mapping[str, Attr], locked: Mapping[str, Attr] | None = None) -> Source | None:
    """Return the source of an `original`; an indirect one (a registry name) is identified by its `locked`."""
    identity = identity_of(original)
    if identity is None:
        if locked is None or original.get("type") != "indirect":
            return None
        identity = identity_of(locked)
        return (identity, f"flake:{original.get('id')}") if identity is not None else None
    ref = original.get("ref")
    if ref is not None:
        return identity, str(ref).removeprefix("refs/heads/")
    return identity, _version(identity, original) if original.get("type") in ARCHIVES else None


def _version(identity: Identity, original: Mapping[str, Attr]) -> str | None:
    """Return what tells the archives of one repository apart; None where the identity is of the archive itself."""
    place = str(original.get("url")).partition("?")[0].partition("://")[2]
    path = unquote(place.partition("/")[2]).strip("/")
    if identity.host == "channels.nixos.org" or identity.path.startswith(path):
        return None
    return path.removesuffix(".tar.gz")


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
    # Locks share the nodes that they have in common (lockread), and so their inputs; what is kept keeps the node's id.
    key = (id(node), path)
    known = _known.get(key)
    if known is None:
        locked = node.locked
        assert locked is not None
        original = node.original if node.original is not None else locked
        source, found = source_of(original, locked), identity_of(locked)
        known = _known[key] = OwnInput(path, node, original, locked, rev_of(locked), source, is_fixed(original), found)
    return known


_known: dict[tuple[int, InputPath], OwnInput] = {}


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
        known = _repositories.get(id(node))
        if known is None:
            known = _repositories[id(node)] = node, _repository(node)
        if known[1] is not None:
            found.setdefault(known[1], []).append(label)
    return found


_repositories: dict[int, tuple[LockNode, Identity | None]] = {}


def _repository(node: LockNode) -> Identity | None:
    if node.locked is None:
        return None
    return identity_of(node.original or node.locked) or identity_of(node.locked)
