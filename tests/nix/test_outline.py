"""Outlines of locks: what they say is what the lock says, and unusual locks have none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakesync.errors import LockError
from flakesync.nix.lock.file import LockFile
from flakesync.nix.lock.outline import decode_outline, encode_outline
from flakesync.nix.reference.identity import Identity
from flakesync.terms import FlakeDir
from flakesync.workspace.clones.flakes import FlakeState
from tests.support import locks

ROOT = FlakeDir(".")


def both(document: locks.Json) -> tuple[FlakeState, FlakeState | None]:
    """Return a flake with this lock as it is first read, and as a later run has it; None: its lock has no outline."""
    data = locks.to_bytes(document)
    lock = LockFile.parse(data)
    outline = decode_outline(encode_outline(lock, data))
    later = FlakeState(ROOT, LockFile.parse_later(data), outline=outline) if outline is not None else None
    return FlakeState(ROOT, lock), later


def plain_lock(seed: int, nodes: int) -> locks.Json:
    """Return a random lock without the unusual: own inputs that are no commits become the newest of a repository."""
    document = locks.random_lock(seed, nodes=nodes)
    root = document["nodes"]["root"].get("inputs", {})
    for name, target in list(root.items()):
        if isinstance(target, list):
            del root[name]
        elif document["nodes"][target]["locked"]["type"] == "tarball":
            node = locks.github("acme", name)
            document["nodes"][target] |= {"locked": node.locked, "original": node.original}
    return document


@given(seed=st.integers(0, 10_000), nodes=st.integers(1, 30))
def test_an_outline_says_what_its_lock_says(seed: int, nodes: int) -> None:
    document = plain_lock(seed, nodes)
    try:
        read, later = both(document)
    except LockError:
        return  # a follows led to an input that is no more
    if not read.inputs:  # laid out in another way
        assert later is None
        return
    assert later is not None
    assert later.inputs == read.inputs
    assert later.following == read.following == ()
    assert list(later.taken) == list(read.taken)
    assert later.unusual_inputs == ()
    own = {item.node.origin.repository for item in read.inputs}
    for repository in {*read.copies, Identity("example.com", "none")}:
        assert list(later.inputs_of({repository})) == list(read.inputs_of({repository}))
        assert later.has_below({repository}) or (repository in own or repository not in read.copies)
    assert later.copies == read.copies
    assert later.lock == read.lock


def node(**changed: object) -> locks.Input:
    """Return an input that has nothing unusual but what is given of its `locked`."""
    usual = locks.github("acme", "lib")
    return locks.Input({**usual.locked, **changed}, usual.original)


@pytest.mark.parametrize(
    "inputs",
    [
        {"lib": locks.github("acme", "lib"), "other": ("lib",)},
        {"lib": locks.tarball("https://example.com/lib.tar.gz")},
        {"lib": locks.folder("./lib", {})},
        {"lib": locks.folder("./lib", {}, old=True)},
        {"lib": node(rev="0" * 40)},
        {"lib": node(dirtyRev="1" * 40 + "-dirty")},
        {"lib": node(owner="evil")},
        {"lib": locks.Input(locks.github("acme", "lib").locked, {"type": "indirect", "id": "lib"})},
        {"lib": locks.Input({"type": "path", "path": "/srv/lib"}, {"type": "path", "path": "/srv/lib"})},
    ],
)
def test_what_is_unusual_has_no_outline(inputs: locks.Inputs) -> None:
    assert both(locks.lock(inputs))[1] is None


def test_nodes_with_several_parents_have_no_outline() -> None:
    document = locks.lock({"a": locks.github("acme", "a"), "b": locks.github("acme", "b")})
    document["nodes"]["a"]["inputs"] = {"b": "b"}
    assert both(document)[1] is None


def test_keys_that_are_not_known_have_no_outline() -> None:
    document = locks.lock({"a": locks.github("acme", "a")})
    document["nodes"]["a"]["buildTime"] = True
    assert both(document)[1] is None


def test_an_address_of_a_folder_whose_name_is_no_utf_8_has_no_outline() -> None:
    assert both(locks.lock({"a": locks.git("file:///srv/%FF/a")}))[1] is None


def test_a_lock_is_read_when_something_of_it_is_asked_for() -> None:
    later = LockFile.parse_later(b"{", file="lib/flake.lock")
    with pytest.raises(LockError, match=r"lib/flake\.lock"):
        _ = later.nodes
    with pytest.raises(AttributeError):
        _ = LockFile.parse_later(locks.to_bytes(locks.small_lock())).none  # type: ignore[attr-defined]


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x93", b"\x90", b"\x94\x90\x91\xa1a\xc4\x00\x90"])
def test_what_is_no_outline_is_none(data: bytes) -> None:
    assert decode_outline(data) is None


def test_a_node_that_is_not_where_its_outline_says_is_refused() -> None:
    data = locks.to_bytes(locks.lock({"lib": locks.github("acme", "lib")}))
    outline = decode_outline(encode_outline(LockFile.parse(data), data))
    assert outline is not None
    with pytest.raises(ValueError, match="no node"):
        outline.node(LockFile.parse_later(b" " + data), 0)
