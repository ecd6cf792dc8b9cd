"""What both readers of a lock return."""

from collections.abc import Mapping
from typing import NamedTuple

from flakesync.nix.lock.graph import Followed
from flakesync.nix.lock.node import LockNode
from flakesync.terms import NodeLabel

VERSIONS = (5, 6, 7)
"""The versions of the format that are read; the last is the one that is written."""


class Contents(NamedTuple):
    """What is in a lock. shared: some node has several parents. extra: top-level keys that flakesync does not know."""

    version: int
    root: NodeLabel
    nodes: Mapping[NodeLabel, LockNode]
    extra: Mapping[str, object]
    shared: bool
    followed: Followed
