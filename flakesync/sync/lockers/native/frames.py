"""A call of Nix's lock algorithm, which is recursive, as a value."""

from collections.abc import Mapping

import msgspec

from flakesync.nix.expression.inputs import InputSpec
from flakesync.nix.lock.node import LockNode
from flakesync.nix.reference.flakeref import Attr, FlakeRef
from flakesync.sync.lockers.native.new_nodes import Inputs
from flakesync.sync.lockers.native.values import Beside, Fetched, nothing_beside
from flakesync.terms import InputPath, NodeLabel

Moves = Mapping[InputPath, Fetched]
Attrs = Mapping[str, Attr] | None


class Input(msgspec.Struct, frozen=True):
    """One input of a node that is being computed, from a flake.nix or (spec None) from a lock.

    ref: None for one that only follows, or whose reference stands in `node`. follows: from the root of the new lock.
    node: where a lock is trusted, its node. above: the path of the flake that names it.
    beside: reads the flakes that lie beside that.
    """

    spec: InputSpec | None
    follows: InputPath | None
    flake: bool
    node: LockNode | None = None
    above: InputPath = ()
    beside: Beside = nothing_beside


class Frame(msgspec.Struct, frozen=True):
    """A call of computeLocks. old, old_nodes: the node whose entries may be kept, and the graph that it is of.

    made: the inputs of the new node, to be filled. follows_prefix: what the follows of the old graph are relative to.
    trusted: the inputs were read off the lock. fresh: something above was fetched anew. parents: the references
    that are being fetched, outermost first. beside: where the inputs were read off a flake.nix, reads those beside it.
    """

    inputs: Mapping[str, Input]
    made: Inputs
    path: InputPath
    old: LockNode | None
    old_nodes: Mapping[NodeLabel, LockNode]
    follows_prefix: InputPath
    trusted: bool
    fresh: bool
    parents: tuple[FlakeRef, ...]
    beside: Beside = nothing_beside


def old_child(frame: Frame, name: str) -> LockNode | None:
    """Return the node that the old lock has for an input; None for a follows, and where there is none."""
    # Not by path from the root: an input fetched anew brings a graph of its own, and `frame.old` is a node of that one.
    target = frame.old.inputs.get(name) if frame.old is not None else None
    return None if target is None or isinstance(target, tuple) else frame.old_nodes[target]
