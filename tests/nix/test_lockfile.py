import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flakesync.errors import LockError
from flakesync.nix.lock.file import LockFile, LockNode
from flakesync.nix.lock.quick import read_quickly
from flakesync.nix.lock.strict import read_strictly
from flakesync.terms import NodeLabel
from tests.support import locks
from tests.support.nix import RealNix

seeds = st.integers(0, 2**32)
sizes = st.integers(1, 40)


def parse(document: locks.Json) -> LockFile:
    return LockFile.parse(locks.to_bytes(document))


# Reading and writing


@given(seeds, sizes)
@example(856, 856)
def test_writing_what_was_read_gives_the_same_bytes(seed: int, nodes: int) -> None:
    data = locks.to_bytes(locks.random_lock(seed, nodes=nodes))
    assert LockFile.parse(data).to_bytes() == data


@given(seeds, sizes, st.sampled_from([5, 6]))
def test_reading_what_was_written_gives_the_same_lock(seed: int, nodes: int, version: int) -> None:
    lock = parse(locks.random_shared_lock(seed, nodes=nodes, version=version))
    assert LockFile.parse(lock.to_bytes()) == lock


@given(seeds, sizes)
def test_layout_and_order_of_keys_do_not_matter(seed: int, nodes: int) -> None:
    document = locks.random_lock(seed, nodes=nodes)
    lock = parse(document)
    backwards = json.loads(json.dumps(document), object_pairs_hook=lambda pairs: dict(reversed(pairs)))
    for data in (json.dumps(backwards), json.dumps(backwards, indent="\t", separators=(" ,", " : "))):
        again = LockFile.parse(data.encode())
        assert again == lock
        assert again.to_bytes() == lock.to_bytes()


@given(seeds, st.integers(2, 40))
def test_both_ways_of_reading_agree(seed: int, nodes: int) -> None:
    document = locks.random_lock(seed, nodes=nodes)
    quickly = read_quickly(locks.to_bytes(document))
    assert quickly is not None, "a lock of Nix is read the quick way"
    strictly = parse(document | {"note": "an unknown key sends a lock the strict way"})
    assert strictly.nodes == quickly.nodes == parse(document).nodes
    assert read_strictly(locks.to_bytes(document), "flake.lock") == quickly


@given(seeds, st.integers(2, 40))
def test_locks_of_version_6_are_read_the_quick_way_too(seed: int, nodes: int) -> None:
    data = locks.to_bytes(locks.random_shared_lock(seed, nodes=nodes, version=6))
    quickly = read_quickly(data)
    assert quickly is not None
    assert read_strictly(data, "flake.lock") == quickly


PLAIN = """\
{
  "nodes": {
    "a": {
      "locked": {
        "rev": "REV",
        "type": "git",
        "url": "https://a.example/a"
      },
      "original": {
        "type": "git",
        "url": "https://a.example/a"
      }
    },
    "root": {
      "inputs": {
        "a": "a",
        "b": [
          "a"
        ]
      }
    }
  },
  "root": "root",
  "version": 7
}
""".replace("REV", "e" * 40)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"type": "git",\n        "url": "https://a.example/a"\n      },', '"type": "git"\n      },'),
        ('"rev": "eeee', '"rev": "EEEE'),
        ('"rev": "eeee', '"rev": "e'),
        ('"original"', '"parent": [],\n      "original"'),
        ('"original"', '"flake": false,\n      "original"'),
        ('          "a"\n        ]', "        ]"),
        ('"a": "a"', '"c": []'),
    ],
    ids=["an attribute less", "rev in capitals", "short rev", "parent", "no flake", "follows the flake", "no target"],
)
def test_what_the_quick_way_takes_is_what_the_strict_way_reads(old: str, new: str) -> None:
    assert old in PLAIN
    data = PLAIN.replace(old, new, 1).encode()
    quickly = read_quickly(data)
    try:
        strictly = read_strictly(data, "flake.lock")
    except LockError:
        assert quickly is None
    else:
        assert quickly in (None, strictly)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"root": "root",\n  "version"', '"root": "a",\n  "version"'),
        ('"version": 7', '"version": 8'),
        ('"version": 7', '"version":7'),
        ('"rev": "eeee', '"rev": "'),
        ('"rev": "e', '"rev": "f", "rev": "e'),
        ('"type": "git",\n        "url": "https://a.example/a"\n      }\n', '"type": "git"\n      },\n      "x": 1\n'),
        ('"inputs": {\n        "a": "a"', '"inputs": {\n        "a": "root"'),
        ('"inputs": {\n        "a": "a"', '"inputs": {\n        "a": "nobody"'),
        ('          "a"\n        ]', '          "nobody"\n        ]'),
        ('          "a"\n        ]', '          "b"\n        ]'),
        ('"root": {', '"a": {'),
        ('"locked"', '"Locked"'),
    ],
)  # fmt: skip
def test_what_is_unusual_is_left_to_the_strict_way(old: str, new: str) -> None:
    assert read_quickly(PLAIN.encode()) is not None
    assert old in PLAIN
    assert read_quickly(PLAIN.replace(old, new, 1).encode()) is None


def test_a_node_that_is_known_from_another_lock_is_the_same_value() -> None:
    first, second = (read_quickly(PLAIN.replace('"b": [', f'"{name}": [').encode()) for name in "bc")
    assert first is not None
    assert second is not None
    assert first.nodes[NodeLabel("a")] is second.nodes[NodeLabel("a")]


@pytest.mark.parametrize(
    "text",
    ["é\u2028\U0001f600", '"quoted" \\ /', "\b\f\n\r\t", "\x01\x1f\x7f", "a, b: {c}", ""],
    ids=["unicode", "quotes", "short-escapes", "controls", "punctuation", "empty"],
)
def test_strings_are_written_with_the_escapes_of_nix(text: str) -> None:
    document = locks.lock({"lib": locks.git(f"https://example.com/{text}")})
    data = locks.to_bytes(document)
    lock = LockFile.parse(data)
    assert lock.to_bytes() == data
    assert lock.nodes == parse(document | {"note": 1}).nodes


def test_keys_are_sorted_by_bytes() -> None:
    names = ["a", "Z", "nixpkgs_10", "nixpkgs_2", "nixpkgs", "\uffff", "\U0001f600", "_"]
    document = locks.lock({name: locks.github("acme", "lib") for name in names})
    lock = LockFile.parse(json.dumps(document).encode())
    assert lock.to_bytes() == locks.to_bytes(document)
    assert [name for name, _ in lock.root_inputs()] == sorted(names, key=str.encode)


def test_a_node_shows_what_the_lock_says() -> None:
    lock = parse(locks.small_lock())
    lib, source, tool = lock.node(("lib",)), lock.node(("source",)), lock.node(("tool",))
    assert lib is not None
    assert source is not None
    assert tool is not None
    assert lib.inputs == {"nixpkgs": "nixpkgs"}
    assert lib.locked is not None
    assert lib.locked["rev"] == locks.rev_of("acme/lib")
    assert lib.original == {"owner": "acme", "repo": "lib", "type": "github"}
    assert (lib.flake, source.flake) == (True, False)
    assert tool.inputs == {"nixpkgs": ("nixpkgs",)}
    assert (lib.parent, dict(lib.extra)) == (None, {})
    assert lock.nodes[lock.root].locked is None


def test_the_root_input_is_not_the_node_of_its_name() -> None:
    lock = parse(locks.small_lock())
    assert dict(lock.root_inputs())["nixpkgs"] == "nixpkgs_2"
    nixpkgs = lock.node(("nixpkgs",))
    assert nixpkgs is not None
    assert nixpkgs.locked is not None
    assert nixpkgs.locked["rev"] == locks.rev_of("new")


# What is tolerated


def tolerated(change: str) -> locks.Json:
    document = locks.small_lock()
    nodes: Any = document["nodes"]
    match change:
        case "unknown-top-key":
            document["comment"] = {"by": ["hand", None, 1.5]}
        case "unknown-node-key":
            nodes["lib"]["buildTime"] = True
        case "unknown-attribute":
            nodes["lib"]["locked"]["newAttr"] = True
            nodes["lib"]["original"]["another"] = 7
        case "unknown-type":
            nodes["lib"]["locked"] = {"type": "teleport", "narHash": "x", "where": "there"}
        case "no-narHash":
            del nodes["lib"]["locked"]["narHash"]
        case "no-original":
            del nodes["lib"]["original"]
        case "parent":
            nodes["lib"]["locked"] = nodes["lib"]["original"] = {"path": "./lib", "type": "path"}
            nodes["lib"]["parent"] = []
            nodes["nixpkgs"]["parent"] = ["lib", "nixpkgs"]
        case "other-root-key":
            document["root"] = "top"
            nodes["top"] = nodes.pop("root")
        case "no-inputs":
            document["nodes"] = {"root": {}}
        case "follows-root":
            nodes["tool"]["inputs"]["self-made"] = []
        case "stale-node":
            nodes["stale"] = {
                "inputs": {"gone": "nowhere", "up": "root", "f": ["no", "such"]},
                "original": {"type": "x"},
            }
        case "stale-cycle":
            nodes["s1"] = nodes["tool"] | {"inputs": {"a": "s2"}}
            nodes["s2"] = nodes["tool"] | {"inputs": {"a": "s1"}}
        case "sha256-revs":
            nodes["lib"]["locked"]["rev"] = "ab" * 32
        case _:
            raise AssertionError(change)
    return document


@pytest.mark.parametrize(
    "change",
    [
        "unknown-top-key", "unknown-node-key", "unknown-attribute", "unknown-type", "no-narHash", "no-original",
        "parent", "other-root-key", "no-inputs", "follows-root", "stale-node", "stale-cycle", "sha256-revs",
    ],
)  # fmt: skip
def test_tolerated_oddities_are_read_and_kept(change: str) -> None:
    data = locks.to_bytes(tolerated(change))
    lock = LockFile.parse(data)
    assert lock.to_bytes() == data
    assert all(lock.node(path) is not None for path, _ in lock.walk())


@pytest.mark.parametrize("layout", [bytes, lambda data: json.dumps(json.loads(data)).encode()])
def test_a_byte_order_mark_is_passed_over_and_not_written(layout: Callable[[bytes], bytes]) -> None:
    data = locks.to_bytes(locks.small_lock())
    lock = LockFile.parse(b"\xef\xbb\xbf" + layout(data))
    assert lock == LockFile.parse(data)
    assert lock.to_bytes() == data


def test_unknown_keys_of_a_node_are_at_hand_and_survive_a_change() -> None:
    lock = parse(tolerated("unknown-node-key"))
    node = lock.node(("lib",))
    assert node is not None
    assert node.extra == {"buildTime": True}
    changed = lock.replace(("lib",), original={"type": "indirect", "id": "lib"})
    assert json.loads(changed.to_bytes())["nodes"]["lib"]["buildTime"] is True


@pytest.mark.parametrize("empty", [{}, None])
def test_empty_inputs_are_no_inputs(empty: object) -> None:
    """Nix 2.8 and 2.34 take null as well, which nix-auto-follow once wrote."""
    document = locks.small_lock()
    plain = locks.to_bytes(document)
    document["nodes"]["source"]["inputs"] = empty
    assert LockFile.parse(locks.to_bytes(document)).to_bytes() == plain


def test_a_flake_that_is_said_to_be_one_is_one() -> None:
    document = locks.small_lock()
    plain = locks.to_bytes(document)
    document["nodes"]["lib"]["flake"] = True
    assert LockFile.parse(locks.to_bytes(document)).to_bytes() == plain


# Versions 5 and 6


@pytest.mark.parametrize("version", [5, 6, 7])
def test_info_is_merged_into_locked_and_wins(version: int) -> None:
    document = locks.small_lock()
    document["version"] = version
    locked = document["nodes"]["lib"]["locked"]
    document["nodes"]["lib"]["info"] = {"narHash": "sha256-other", "revCount": 3}
    node = parse(document).node(("lib",))
    assert node is not None
    assert node.locked == locked | {"narHash": "sha256-other", "revCount": 3}


def shared() -> locks.Json:
    """`a` and `b` share `c`, and `c` takes `a`, as in version 5."""
    source = {"locked": locks.github("acme", "lib").locked, "original": locks.github("acme", "lib").original}
    return {
        "nodes": {
            "root": {"inputs": {"a": "a", "b": "b"}},
            "a": {"inputs": {"c": "c"}, **source},
            "b": {"inputs": {"c": "c"}, **source},
            "c": {"inputs": {"a": "a"}, **source},
        },
        "root": "root",
        "version": 6,
    }


def test_a_shared_node_is_walked_once_per_path_and_never_below_itself() -> None:
    assert [path for path, _ in parse(shared()).walk()] == [
        ("a",),
        ("a", "c"),
        ("b",),
        ("b", "c"),
        ("b", "c", "a"),
    ]


def test_a_path_round_a_cycle_of_nodes_leads_somewhere() -> None:
    assert parse(shared()).resolve(("a", "c") * 2_000) == "c"


def test_naming_anew_makes_a_shared_graph_a_tree() -> None:
    tree = parse(shared()).renamed()
    assert tree.version == 7
    assert {label: dict(node.inputs) for label, node in tree.nodes.items()} == {
        "root": {"a": "a", "b": "b"},
        "a": {"c": "c"},
        "b": {"c": "c_2"},
        "c": {"a": ("a",)},
        "c_2": {"a": "a_2"},
        "a_2": {"c": ("b", "c")},
    }


@given(seeds, sizes, st.sampled_from([5, 6]))
def test_a_shared_graph_and_its_tree_have_the_same_paths(seed: int, nodes: int, version: int) -> None:
    lock = parse(locks.random_shared_lock(seed, nodes=min(nodes, 12), version=version))
    tree = lock.renamed()
    assert [(path, lock.nodes[label].locked) for path, label in lock.walk()] == [
        (path, tree.nodes[label].locked) for path, label in tree.walk()
    ]
    assert len(tree.nodes) == 1 + sum(1 for _ in tree.walk())
    assert LockFile.parse(tree.to_bytes()) == tree
    assert tree.renamed() == tree


# Paths


@given(seeds, sizes)
def test_the_walk_is_the_plain_recursive_one(seed: int, nodes: int) -> None:
    for document in (
        locks.random_lock(seed, nodes=nodes),
        locks.random_shared_lock(seed, nodes=min(nodes, 12), version=6),
    ):
        assert list(parse(document).walk()) == list(locks.own_paths(document))


@given(seeds, sizes)
def test_every_walked_path_resolves_to_its_node(seed: int, nodes: int) -> None:
    lock = parse(locks.random_lock(seed, nodes=nodes))
    for path, label in lock.walk():
        assert lock.resolve(path) == label


@given(seeds, sizes)
def test_a_follows_leads_where_its_target_leads(seed: int, nodes: int) -> None:
    lock = parse(locks.random_lock(seed, nodes=nodes, follows=1.0))
    for path, label in [((), lock.root), *lock.walk()]:
        for name, target in lock.nodes[label].inputs.items():
            if isinstance(target, tuple):
                assert lock.resolve((*path, name)) == lock.resolve(target) is not None


def test_no_path_is_the_root_and_an_unknown_one_is_none() -> None:
    lock = parse(locks.small_lock())
    assert lock.resolve(()) == "root"
    assert lock.resolve(("nope",)) is None
    assert lock.resolve(("tool", "nixpkgs", "nope")) is None
    assert lock.node(("lib", "nope")) is None


def test_a_path_goes_on_behind_a_follows() -> None:
    lock = parse(
        locks.lock({
            "app": locks.github("acme", "app", inputs={"lib": ("lib",), "top": ()}),
            "lib": locks.github("acme", "lib", inputs={"deep": ("tool", "nixpkgs")}),
            "tool": locks.github("acme", "tool", inputs={"nixpkgs": locks.github("NixOS", "nixpkgs")}),
        })
    )  # fmt: skip
    assert lock.resolve(("app", "lib", "deep")) == "nixpkgs"
    assert lock.resolve(("app", "top", "app", "top", "tool")) == "tool"
    assert lock.resolve(("app", "lib", "nope", "deep")) is None
    assert lock.resolve(("app", "lib", "deep", "nope", "nope")) is None


def test_a_lock_without_a_name_is_called_flake_lock() -> None:
    with pytest.raises(LockError, match=r"^flake\.lock\b"):
        LockFile.parse(b"{")


def test_replacing_renames_nothing_in_a_lock_of_version_7_and_makes_one_of_version_6_such_a_lock() -> None:
    for version, label in ((7, "any-name"), (6, "lib")):
        document = locks.lock({"lib": locks.github("acme", "lib")})
        document["nodes"]["any-name"] = document["nodes"].pop("lib")
        document["nodes"]["root"]["inputs"]["lib"] = "any-name"
        changed = parse({**document, "version": version}).replace(("lib",), locked={"type": "path", "path": "/x"})
        assert (changed.version, set(changed.nodes)) == (7, {"root", label})


def test_five_thousand_follows_in_a_row_are_followed() -> None:
    lock = parse(locks.follows_chain(5_000))
    assert lock.resolve(("i5000",)) == "i0"
    assert LockFile.parse(lock.to_bytes()).renamed() == lock


def test_five_thousand_inputs_below_each_other_are_walked_and_named() -> None:
    lock = parse(locks.input_chain(5_000))
    assert lock.resolve(("a",) * 5_000) == "a_5000"
    assert sum(1 for _ in lock.walk()) == 5_000
    assert lock.renamed() == lock


@pytest.mark.slow
def test_a_lock_of_forty_megabytes_is_read_and_written() -> None:
    source = locks.github("acme", "lib", ref="main")
    node = {"locked": source.locked, "original": source.original}
    labels = [f"input-{index:06}" for index in range(90_000)]
    nodes: locks.Json = {**dict.fromkeys(labels, node), "root": {"inputs": dict(zip(labels, labels, strict=True))}}
    data = locks.to_bytes({"nodes": nodes, "root": "root", "version": 7})
    assert len(data) > 40_000_000
    lock = LockFile.parse(data)
    assert sum(1 for _ in lock.walk()) == 90_000
    assert lock.to_bytes() == data


# Changes


def test_replacing_changes_one_node_and_leaves_the_old_lock_alone() -> None:
    document = locks.small_lock()
    lock = parse(document)
    new = {"type": "github", "owner": "NixOS", "repo": "nixpkgs", "rev": locks.rev_of("newer")}
    changed = lock.replace(("nixpkgs",), locked=new)
    assert lock.to_bytes() == locks.to_bytes(document)
    document["nodes"]["nixpkgs_2"]["locked"] = new
    assert changed.to_bytes() == locks.to_bytes(document)


def test_replacing_through_a_follows_changes_the_node_it_leads_to() -> None:
    lock = parse(locks.small_lock())
    new = {"type": "indirect", "id": "nixpkgs"}
    assert lock.replace(("tool", "nixpkgs"), original=new) == lock.replace(("nixpkgs",), original=new)


def test_replacing_in_a_shared_graph_changes_one_path_only() -> None:
    new = {"type": "path", "path": "/x"}
    changed = parse(shared()).replace(("b", "c"), locked=new)
    assert changed.version == 7
    assert [path for path, label in changed.walk() if changed.nodes[label].locked == new] == [("b", "c")]


@pytest.mark.parametrize("path", [(), ("nope",), ("lib", "nope")])
def test_what_is_no_input_cannot_be_replaced(path: tuple[str, ...]) -> None:
    with pytest.raises(KeyError):
        parse(locks.small_lock()).replace(path, locked={"type": "path"})


# Names


@given(seeds, sizes)
def test_labels_are_given_as_nix_gives_them(seed: int, nodes: int) -> None:
    document = locks.random_lock(seed, nodes=nodes)
    lock = parse(document)
    assert lock.renamed().to_bytes() == lock.to_bytes()
    odd = json.loads(json.dumps(document))
    odd["nodes"] = {f"label of {label}": node for label, node in document["nodes"].items()}
    odd["root"] = "label of root"
    for node in odd["nodes"].values():
        for name, target in node.get("inputs", {}).items():
            node["inputs"][name] = f"label of {target}" if isinstance(target, str) else target
    assert parse(odd).renamed() == lock


def test_names_that_look_like_numbered_ones_compete_in_visiting_order() -> None:
    lib = locks.github("acme", "lib")
    lock = parse(
        locks.lock({
            "a": locks.github("acme", "a", inputs={"lib": lib, "lib_2": lib}),
            "b": locks.github("acme", "b", inputs={"lib": lib, "root": lib}),
            "lib": lib,
            "lib_2": lib,
            "root": lib,
        })
    )  # fmt: skip
    assert dict(lock.root_inputs()) == {"a": "a", "b": "b", "lib": "lib_4", "lib_2": "lib_2_2", "root": "root_3"}
    assert lock.renamed() == lock


def test_naming_anew_drops_what_nothing_leads_to() -> None:
    assert parse(tolerated("stale-node")).renamed() == parse(locks.small_lock())


def test_a_lock_written_by_nix_is_written_and_named_alike(nix: RealNix, tmp_path: Path) -> None:
    """Names that compete, a follows into a dependency, one to the root, a source: all from local folders."""

    def flake(name: str, inputs: str) -> str:
        (tmp_path / name).mkdir()
        (tmp_path / name / "flake.nix").write_text(f"{{ inputs = {{ {inputs} }}; outputs = _: {{ }}; }}\n")
        return f'"path:{tmp_path / name}"'

    leaf = flake("leaf", "")
    mid = flake("mid", f"leaf.url = {leaf}; leaf_2.url = {leaf}; root.url = {leaf}; up.follows = '''';")
    flake(
        "top",
        f"a.url = {mid}; leaf.url = {leaf}; leaf_2.url = {leaf}; root.url = {leaf}; "
        f'src = {{ url = {leaf}; flake = false; }}; to.follows = "a/leaf"; '
        f'z.url = {mid}; z.inputs.leaf.follows = "leaf";',
    )
    subprocess.run(
        [nix.path, "flake", "lock", f"path:{tmp_path / 'top'}"],
        env=nix.env(), check=True, stdin=subprocess.DEVNULL, capture_output=True,
    )  # fmt: skip
    data = (tmp_path / "top" / "flake.lock").read_bytes()
    lock = LockFile.parse(data)
    assert lock.to_bytes() == data
    assert lock.renamed().to_bytes() == data
    assert isinstance(lock.node(("z", "leaf")), LockNode)
    assert lock.resolve(("to",)) == lock.resolve(("a", "leaf"))
