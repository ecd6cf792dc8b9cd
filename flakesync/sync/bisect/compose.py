"""Composed locks: some inputs as an update has them, the others as they were; no Nix, and nothing is fetched."""

from collections.abc import Collection, Mapping
from dataclasses import replace

import msgspec

from flakesync.nix.lock.contents import VERSIONS
from flakesync.nix.lock.file import LockFile, LockNode
from flakesync.nix.lock.graph import FollowsCycleError
from flakesync.terms import InputPath, NodeLabel


def compose(
    base: LockFile, full: LockFile, moved: Collection[InputPath], chosen: Collection[InputPath]
) -> LockFile | None:
    """Return the lock in which the chosen inputs, with all below them, are as in `full`, and all else is as in `base`.

    moved: what `full` moves; nothing chosen gives `base` itself, all of it `full`. None: it takes Nix's algorithm to
    tell, because one moved input is below another and only one of them is chosen, or because a follows would lead to an
    input that the other lock alone has.
    """
    chosen = frozenset(chosen)
    if not chosen:
        return base
    if chosen == frozenset(moved):
        return full
    if any(_is_below(one, other) and (one in chosen) != (other in chosen) for one in moved for other in moved):
        return None
    return _joined(_as_tree(base), _as_tree(full), chosen)


def _joined(base: LockFile, full: LockFile, chosen: Collection[InputPath]) -> LockFile | None:
    nodes = {**_apart(base, "base"), **_apart(full, "full")}
    for path in chosen:
        if any(_is_below(path, other) for other in chosen):
            continue
        parent, taken = base.resolve(path[:-1]), full.resolve(path)
        if parent is None or taken is None or path[-1] not in base.nodes[parent].inputs:
            return None
        label = _label("base", parent)
        inputs = {**nodes[label].inputs, path[-1]: _label("full", taken)}
        nodes[label] = msgspec.structs.replace(nodes[label], inputs=inputs)
    lock = replace(base, root=_label("base", base.root), nodes=nodes).renamed()
    return lock if _leads_somewhere(lock) else None


def _as_tree(lock: LockFile) -> LockFile:
    """Return a lock as Nix writes it once anything in it changes."""
    return lock if lock.version == VERSIONS[-1] and lock.is_tree else lock.renamed()


def _apart(lock: LockFile, name: str) -> Mapping[NodeLabel, LockNode]:
    """Return the nodes of a lock under labels that another lock's nodes do not have."""
    return {
        _label(name, label): msgspec.structs.replace(
            node,
            inputs={
                key: target if isinstance(target, tuple) else _label(name, target)
                for key, target in node.inputs.items()
            },
        )
        for label, node in lock.nodes.items()
    }


def _label(name: str, label: NodeLabel) -> NodeLabel:
    return NodeLabel(f"{name}:{label}")


def _leads_somewhere(lock: LockFile) -> bool:
    """Tell whether each follows of a lock leads to an input."""
    follows = (target for node in lock.nodes.values() for target in node.inputs.values() if isinstance(target, tuple))
    try:
        return all(lock.resolve(path) is not None for path in follows)
    except FollowsCycleError:
        return False


def _is_below(path: InputPath, other: InputPath) -> bool:
    return len(path) > len(other) and path[: len(other)] == other
