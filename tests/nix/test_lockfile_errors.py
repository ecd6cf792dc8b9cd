import json
import random
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakesync.errors import LockError
from flakesync.nix.lock.file import LockFile
from tests.support import locks


def refused(data: bytes) -> LockError:
    with pytest.raises(LockError) as caught:
        LockFile.parse(data, file="app/flake.lock")
    error = caught.value
    assert error.code == "bad-lock"
    assert error.file == "app/flake.lock"
    assert error.message.startswith("app/flake.lock: ")
    return error


SMALL = locks.to_bytes(locks.small_lock())
REV = locks.rev_of("acme/lib").encode()


TINY = b"""\
{
  "nodes": {
    "root": {}
  },
  "root": "root",
  "version": 7
}
"""


@pytest.mark.parametrize(
    ("data", "place", "words"),
    [
        (b"", None, "is empty"),
        (b" \n", None, "is empty"),
        (b"../../flake.lock", "line 1, column 1", "not JSON"),
        (TINY[:-3], "line 6, column 15", "not JSON"),
        (TINY[: TINY.index(b'root",')], "line 5, column 11", "Unterminated string"),
        (TINY + b"x", "line 8, column 1", "Extra data"),
        (TINY.replace(b'"nodes": {', b'"nodes": {,'), "line 2, column 13", "not JSON"),
        (TINY.replace(b"  },\n", b"  },\n<<<<<<< HEAD\n"), "line 5, column 1", "not JSON"),
        (TINY.replace(b': "root"', b': "ro\xfft"'), "line 5, column 14", "not UTF-8"),
        (TINY.replace(b': "root"', b': "\\ud800"'), "line 5, column 18", "not JSON"),
        (TINY.replace(b': "root"', "ééé".encode()), "line 5, column 9", "not JSON"),
        (TINY.replace(b"7", b"NaN"), "line 6, column 14", "not JSON"),
        (TINY.replace(b"7", b"7" * 5_000), None, "out of range"),
        (TINY.decode().encode("utf-16"), "line 1, column 1", "not UTF-8"),
        (b"\xef\xbb\xbf" * 2 + TINY, "line 1, column 1", "not JSON"),
        (b"\n\xef\xbb\xbf" + TINY, "line 2, column 1", "not JSON"),
        (TINY + b"\xef\xbb\xbf", "line 8, column 1", "not JSON"),
        (b"\xef\xbb\xbf", None, "is empty"),
        (b"[" * 100_000, None, "nested too deeply"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, None, "nested too deeply"),
        (TINY.replace(b"7", b'7, "x": ' + b"[" * 70 + b"]" * 70), None, "nested too deeply"),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else value,
)  # fmt: skip
def test_what_is_not_json_names_line_and_column(data: bytes, place: str | None, words: str) -> None:
    error = refused(data)
    assert error.place == place
    assert words in error.message


def test_a_merge_conflict_and_a_symbolic_link_are_recognised() -> None:
    conflict = refused(SMALL.replace(b"  },\n", b"  },\n<<<<<<< HEAD\n"))
    assert conflict.hint is not None
    assert "merge conflict" in conflict.hint
    link = refused(b"../../flake.lock\n")
    assert link.hint is not None
    assert "symbolic link" in link.hint


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        (b'"root": "root"', b'"root": "root", "root": "root"', "root"),
        (b'"lib": {\n      "inputs"', b'"lib": {}, "lib": {\n      "inputs"', "nodes.lib"),
        (b'"rev": "%s"' % REV, b'"rev": "x", "rev": "%s"' % REV, "nodes.lib.locked.rev"),
        (b'"rev": "%s"' % REV, b'"rev" : "x" ,"\\u0072ev":"%s"' % REV, "nodes.lib.locked.rev"),
        (b'"version": 7', b'"version": 7, "x": [{"a,b": 1, "a,b": 2}]', 'x.0."a,b"'),
    ],
    ids=["top", "node", "attribute", "escaped", "unknown"],
)  # fmt: skip
def test_a_key_that_occurs_twice_is_named(old: bytes, new: bytes, place: str) -> None:
    assert SMALL.count(old) == 1
    error = refused(SMALL.replace(old, new))
    assert error.place == place
    assert "occurs twice" in error.message


def set_at(*keys: str, to: object) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = to

    return change


def input_of_lib(to: object) -> Callable[[Any], None]:
    return set_at("nodes", "lib", "inputs", "nixpkgs", to=to)


def locked_of_lib(**attrs: object) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        document["nodes"]["lib"]["locked"].update(attrs)

    return change


def delete(*keys: str) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        for key in keys[:-1]:
            document = document[key]
        del document[keys[-1]]

    return change


@pytest.mark.parametrize(
    ("change", "place", "words"),
    [
        (delete("version"), "version", "is missing"),
        (set_at("version", to=4), "version", "4 is none of 5, 6 and 7"),
        (set_at("version", to=8), "version", "8 is none of"),
        (set_at("version", to=True), "version", "must be a whole number"),
        (set_at("version", to="7"), "version", "must be a whole number, not text"),
        (set_at("version", to=7.0), "version", "must be a whole number, not"),
        (delete("root"), "root", "is missing"),
        (set_at("root", to=["root"]), "root", "must be text, not a list"),
        (set_at("root", to="gone"), "root", "no node 'gone'"),
        (delete("nodes"), "nodes", "is missing"),
        (set_at("nodes", to=[]), "nodes", "must be an object, not a list"),
        (set_at("nodes", "lib", to=None), "nodes.lib", "must be an object, not null"),
        (set_at("nodes", "lib", "inputs", to=[]), "nodes.lib.inputs", "must be an object"),
        (input_of_lib(1), "nodes.lib.inputs.nixpkgs", "list of input names, not the number 1"),
        (input_of_lib(["a", 1]), "nodes.lib.inputs.nixpkgs.1", "must be text"),
        (input_of_lib("gone"), "nodes.lib.inputs.nixpkgs", "no node 'gone'"),
        (input_of_lib("root"), "nodes.lib.inputs.nixpkgs", "back to the root"),
        (input_of_lib(["gone"]), "nodes.lib.inputs.nixpkgs", "follows 'gone', which is no input"),
        (input_of_lib(["tool", "x", "y"]), "nodes.lib.inputs.nixpkgs", "follows 'tool/x/y'"),
        (input_of_lib(["lib", "nixpkgs"]), "nodes.lib.inputs.nixpkgs", "leads back to it"),
        (set_at("nodes", "root", "inputs", "lib", to=["lib", "x"]), "nodes.root.inputs.lib", "leads back to it"),
        (set_at("nodes", "root", "inputs", "lib", to=["lib"]), "nodes.root.inputs.lib", "leads back to it"),
        (set_at("nodes", "lib", "flake", to=0), "nodes.lib.flake", "must be true or false"),
        (set_at("nodes", "lib", "parent", to="lib"), "nodes.lib.parent", "must be a list"),
        (set_at("nodes", "lib", "info", to={"narHash": None}), "nodes.lib.info.narHash", "must be text, not null"),
        (delete("nodes", "lib", "locked"), "nodes.lib.locked", "is missing"),
        (set_at("nodes", "lib", "locked", to=None), "nodes.lib.locked", "must be an object, not null"),
        (set_at("nodes", "lib", "original", to=None), "nodes.lib.original", "must be an object, not null"),
        (set_at("nodes", "lib", "original", to="github:a/b"), "nodes.lib.original", "must be an object, not text"),
        (delete("nodes", "lib", "locked", "type"), "nodes.lib.locked.type", "is missing"),
        (set_at("nodes", "lib", "original", to={}), "nodes.lib.original.type", "is missing"),
        (locked_of_lib(rev=5), "nodes.lib.locked.rev", "must be text, not the number 5"),
        (locked_of_lib(rev="main"), "nodes.lib.locked.rev", "full commit id"),
        (locked_of_lib(rev="--upload-pack=x"), "nodes.lib.locked.rev", "full commit id"),
        (locked_of_lib(rev="a" * 40 + "\n"), "nodes.lib.locked.rev", "full commit id"),
        (set_at("nodes", "lib", "original", "rev", to="abcdef"), "nodes.lib.original.rev", "full commit id"),
        (locked_of_lib(lastModified="1"), "nodes.lib.locked.lastModified", "a whole number, not text"),
        (locked_of_lib(lastModified=-1), "nodes.lib.locked.lastModified", "from 0 to"),
        (locked_of_lib(lastModified=2**63), "nodes.lib.locked.lastModified", "from 0 to"),
        (locked_of_lib(lastModified=1.0), "nodes.lib.locked.lastModified", "not the number 1.0"),
        (locked_of_lib(lastModified=True), "nodes.lib.locked.lastModified", "not true"),
        (locked_of_lib(submodules=1), "nodes.lib.locked.submodules", "must be true or false"),
        (locked_of_lib(new=[]), "nodes.lib.locked.new", "text, a whole number, true or false"),
        (set_at("nodes", "lib", "locked", "a b", to=None), 'nodes.lib.locked."a b"', "not null"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_place(change: Callable[[Any], None], place: str, words: str) -> None:
    document = locks.small_lock()
    change(document)
    error = refused(locks.to_bytes(document))
    assert error.place == place
    assert re.search(rf"{re.escape(words)}(?!\w)", error.message)


def test_a_follows_cycle_of_several_inputs_is_found() -> None:
    document = locks.follows_chain(5_000)
    document["nodes"]["root"]["inputs"]["i1"] = ["i5000"]
    error = refused(locks.to_bytes(document))
    assert error.place is not None
    assert error.place.startswith("nodes.root.inputs.i")
    assert "leads back" in error.message


@pytest.mark.slow
def test_a_bomb_of_shared_nodes_is_refused() -> None:
    source = locks.github("acme", "lib")
    node = {"locked": source.locked, "original": source.original}
    nodes: locks.Json = {f"n{i}": node | {"inputs": {"a": f"n{i + 1}", "b": f"n{i + 1}"}} for i in range(60)}
    document = {"nodes": {**nodes, "n60": node, "root": {"inputs": {"a": "n0"}}}, "root": "root", "version": 5}
    assert "too many or too deep" in refused(locks.to_bytes(document)).message
    assert "too many or too deep" in refused(locks.to_bytes(locks.input_chain(20_000))).message


def test_control_characters_of_a_lock_do_not_reach_the_terminal() -> None:
    document = locks.small_lock()
    document["nodes"]["lib"]["inputs"]["\x1b[31mred\u202e"] = "\x1b]0;title\x07gone"
    error = refused(locks.to_bytes(document))
    assert error.message.isprintable()
    assert error.place is not None
    assert error.place.isprintable()


def test_an_endless_name_does_not_make_an_endless_message() -> None:
    for target in ("x" * 100_000, ["x"] * 100_000):
        document = locks.small_lock()
        document["nodes"]["lib"]["inputs"]["y" * 100_000] = target
        assert len(refused(locks.to_bytes(document)).message) < 400


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def usable(data: bytes) -> bool:
    """Return whether `data` is a lock, having used it in every way; an error is fine, any other exception is not."""
    try:
        lock = LockFile.parse(data)
    except LockError:
        return False
    assert LockFile.parse(lock.to_bytes()) == lock
    tree = lock.renamed()
    assert LockFile.parse(tree.to_bytes()) == tree
    for path, label in lock.walk():
        assert lock.resolve(path) == label
        for name in lock.nodes[label].inputs:
            assert lock.resolve((*path, name)) is not None
    return True


@given(st.integers(0, 2**32), JSON)
def test_any_value_in_any_place_gives_a_lock_or_an_error(seed: int, value: object) -> None:
    rng = random.Random(seed)
    document = locks.random_lock(seed, nodes=6) if seed % 2 else locks.random_shared_lock(seed, nodes=6)
    inside: Any = document
    while True:
        key = rng.choice([*inside] if isinstance(inside, dict) else range(len(inside)))
        if not isinstance(inside[key], dict | list) or not inside[key] or rng.random() < 0.2:
            break
        inside = inside[key]
    inside[key] = rng.choice([value, rng.choice([*document["nodes"]]), [*document["nodes"]][:2]])
    text = json.dumps(document)
    # With an unknown key a lock is read the strict way: it must not make a difference.
    assert usable(text.encode()) == usable(json.dumps({"zzz": 1, **document}).encode())


@given(st.integers(0, 2**32), st.binary(max_size=3), st.integers(0, 3))
def test_any_edit_of_the_bytes_gives_a_lock_or_an_error(seed: int, inserted: bytes, removed: int) -> None:
    data = locks.to_bytes(locks.random_lock(seed, nodes=4))
    at = random.Random(seed).randrange(len(data))
    usable(data[:at] + inserted + data[at + removed :])


@given(st.integers(0, 2**32), st.data())
def test_a_repeated_member_is_always_found(seed: int, data: st.DataObject) -> None:
    lines = locks.to_bytes(locks.random_lock(seed, nodes=6)).splitlines(keepends=True)
    members = [index for index, line in enumerate(lines) if line.endswith(b'",\n') and b'": ' in line]
    index = data.draw(st.sampled_from(members))
    again = data.draw(st.sampled_from([lines[index], lines[index].replace(b'": ', b'"\t:')]))
    error = refused(b"".join([*lines[:index], again, *lines[index:]]))
    assert "occurs twice" in error.message
