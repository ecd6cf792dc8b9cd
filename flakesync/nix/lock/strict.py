"""The strict reader of a flake.lock: slower than the quick one, it tells what is unusual from what is wrong.

It mirrors `LockFile::LockFile` of `src/libflake/lockfile.cc`: what Nix takes is taken, and an error names the place of
what it does not.
"""

from collections.abc import Mapping, Sequence

from flakesync.nix.lock import graph as lockgraph
from flakesync.nix.lock.contents import VERSIONS, Contents
from flakesync.nix.lock.node import (
    FLAG_ATTRS,
    GREATEST_NUMBER,
    NUMBER_ATTRS,
    TEXT_ATTRS,
    LockNode,
    LockNodeWithExtra,
    is_commit_id,
)
from flakesync.nix.lock.syntax import bad_lock, decode
from flakesync.terms import InputPath, NodeLabel, show_path

_NODE_KEYS = frozenset({"flake", "info", "inputs", "locked", "original", "parent"})
_TOP_KEYS = frozenset({"nodes", "root", "version"})


def read_strictly(data: bytes, file: str) -> Contents:
    """Return the checked contents of the lock. Raises LockError (`bad-lock`), with the place."""
    top = _object(decode(data, file), (), file)
    version = _member(top, "version", (), file)
    if type(version) is not int:
        raise bad_lock(file, ("version",), f"must be a whole number, not {_kind(version)}")
    if version not in VERSIONS:
        hint = "let Nix write it anew: nix flake update" if version < VERSIONS[0] else "update flakesync"
        raise bad_lock(file, ("version",), f"the format version {version} is none of 5, 6 and 7", hint=hint)
    nodes = {
        NodeLabel(label): _node(_object(value, ("nodes", label), file), label, file)
        for label, value in _object(_member(top, "nodes", (), file), ("nodes",), file).items()
    }
    root = NodeLabel(_text(_member(top, "root", (), file), ("root",), file))
    if root not in nodes:
        raise bad_lock(file, ("root",), f"there is no node {_quote(root)}")
    shared = _check_own_edges(nodes, root, file)
    followed = _check_follows(nodes, root, file)
    extra = {key: value for key, value in top.items() if key not in _TOP_KEYS}
    return Contents(version, root, nodes, extra, shared, followed)


def _node(value: Mapping[str, object], label: str, file: str) -> LockNode:
    place = ("nodes", label)
    locked = original = parent = None
    inputs: dict[str, NodeLabel | InputPath] = {}
    flake = value.get("flake", True)
    if not isinstance(flake, bool):
        raise bad_lock(file, (*place, "flake"), f"must be true or false, not {_kind(flake)}")
    if value.get("inputs") is not None:  # Nix takes null, which some tools write, for no inputs
        place_of_inputs = (*place, "inputs")
        for name, target in _object(value["inputs"], place_of_inputs, file).items():
            inputs[name] = _target(target, (*place_of_inputs, name), file)
    if "locked" in value:
        # Version 5 keeps what is known of the source tree beside `locked`; as in Nix, it wins.
        info = _attrs(value["info"], (*place, "info"), file) if "info" in value else {}
        locked = _source(_attrs(value["locked"], (*place, "locked"), file) | info, (*place, "locked"), file)
    if "original" in value:
        place_of_original = (*place, "original")
        original = _source(_attrs(value["original"], place_of_original, file), place_of_original, file)
    if "parent" in value:
        parent = _path(value["parent"], (*place, "parent"), file)
    unknown = {key: item for key, item in value.items() if key not in _NODE_KEYS}
    if unknown:
        return LockNodeWithExtra(flake, inputs, locked, original, parent, unknown)
    return LockNode(flake, inputs, locked, original, parent)


def _attrs(value: object, place: Sequence[str], file: str) -> dict[str, str | int | bool]:
    attrs: dict[str, str | int | bool] = {}
    for name, item in _object(value, place, file).items():
        here = (*place, name)
        match item:
            case bool() if name not in TEXT_ATTRS and name not in NUMBER_ATTRS:
                attrs[name] = item
            case str() if name not in NUMBER_ATTRS and name not in FLAG_ATTRS:
                attrs[name] = item
            case int() if not isinstance(item, bool) and name not in TEXT_ATTRS and name not in FLAG_ATTRS:
                if not 0 <= item <= GREATEST_NUMBER:
                    raise bad_lock(file, here, "must be a number from 0 to 2^63 - 1")
                attrs[name] = item
            case _:
                raise bad_lock(file, here, f"must be {_expected(name)}, not {_kind(item)}")
    return attrs


def _expected(name: str) -> str:
    if name in TEXT_ATTRS:
        return "text"
    if name in NUMBER_ATTRS:
        return "a whole number"
    return "true or false" if name in FLAG_ATTRS else "text, a whole number, true or false"


def _source(attrs: dict[str, str | int | bool], place: Sequence[str], file: str) -> Mapping[str, str | int | bool]:
    if "type" not in attrs:
        raise bad_lock(file, (*place, "type"), "is missing")
    if "rev" in attrs and not is_commit_id(attrs["rev"]):
        raise bad_lock(file, (*place, "rev"), "must be a full commit id: 40 or 64 hex digits")
    return attrs


def _target(value: object, place: Sequence[str], file: str) -> NodeLabel | InputPath:
    if isinstance(value, str):
        return NodeLabel(value)
    if isinstance(value, list):
        return _path(value, place, file)
    raise bad_lock(file, place, f"must be the name of a node or a list of input names, not {_kind(value)}")


def _path(value: object, place: Sequence[str], file: str) -> InputPath:
    if not isinstance(value, list):
        raise bad_lock(file, place, f"must be a list of input names, not {_kind(value)}")
    return tuple(_text(item, (*place, str(index)), file) for index, item in enumerate(value))


def _text(value: object, place: Sequence[str], file: str) -> str:
    if not isinstance(value, str):
        raise bad_lock(file, place, f"must be text, not {_kind(value)}")
    return value


def _object(value: object, place: Sequence[str], file: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise bad_lock(file, place, f"must be an object, not {_kind(value)}")
    return value


def _member(value: Mapping[str, object], key: str, place: Sequence[str], file: str) -> object:
    if key not in value:
        raise bad_lock(file, (*place, key), "is missing")
    return value[key]


def _quote(text: str) -> str:
    return repr(text) if len(text) <= 100 else repr(text[:100] + "…")


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return "text"
        case int() | float():
            return f"the number {value!r:.30}"
        case list():
            return "a list"
        case _:
            return "an object"


def _check_own_edges(nodes: lockgraph.Nodes, root: NodeLabel, file: str) -> bool:
    """Check what can be reached from the root, as Nix does: other nodes are left-overs and may be wrong.

    Returns whether some node has several parents.
    """
    # Left-overs are kept and written back, so a lock that Nix takes is not refused for a node that nothing leads to.
    shared = False
    reached = {root}
    queue = [root]
    for label in queue:
        if label != root and nodes[label].locked is None:
            raise bad_lock(file, ("nodes", label, "locked"), "is missing")
        for name, target in nodes[label].inputs.items():
            if isinstance(target, tuple):
                continue
            place = ("nodes", label, "inputs", name)
            if target not in nodes:
                raise bad_lock(file, place, f"there is no node {_quote(target)}")
            if target == root:
                raise bad_lock(file, place, "leads back to the root node", hint="an empty list follows the root flake")
            if target in reached:
                shared = True
            else:
                reached.add(target)
                queue.append(target)
    return shared


def _check_follows(nodes: lockgraph.Nodes, root: NodeLabel, file: str) -> lockgraph.Followed:
    followed: lockgraph.Followed = {}
    for label in lockgraph.reachable(nodes, root):
        for name, target in nodes[label].inputs.items():
            if not isinstance(target, tuple):
                continue
            place = ("nodes", label, "inputs", name)
            try:
                found = lockgraph.resolve_edge(nodes, root, (label, name), followed)
            except lockgraph.FollowsCycleError:
                raise bad_lock(file, place, f"follows {_quote(show_path(target))}, which leads back to it") from None
            if found is None:
                raise bad_lock(file, place, f"follows {_quote(show_path(target))}, which is no input of this flake")
    return followed
