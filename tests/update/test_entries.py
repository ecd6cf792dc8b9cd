"""The input paths of a lock, where nodes share others."""

from flakesync.nix.lock.file import LockFile
from flakesync.update.difference import differences, entries
from tests.support import locks


def shared(**inputs: dict[str, object]) -> LockFile:
    """Return a lock of version 6. inputs: of `a`, by which a root takes that node alone."""
    node = locks.git("https://acme.example/a")
    nodes = {"root": {"inputs": {"a": "a"}}, "a": {"locked": node.locked, "original": node.original, "inputs": inputs}}
    return LockFile.parse(locks.to_bytes({"nodes": nodes, "root": "root", "version": 6}))


def test_a_node_that_is_its_own_input_has_one_path() -> None:
    cyclic = shared(again="a")  # type: ignore[arg-type]
    assert list(entries(cyclic)) == [("a",)]
    assert differences(shared(), cyclic) == differences(cyclic, shared()) == []
