"""A lock node alone, as rules that look at nodes get it."""

import json

from flakesync.nix.lock.file import LockFile
from flakesync.nix.lock.node import LockNode
from tests.support.locks import Input, lock


def node_of(made: Input) -> LockNode:
    """Return the node of an input, read from a lock."""
    found = LockFile.parse(json.dumps(lock({"it": made})).encode()).node(("it",))
    assert found is not None
    return found
