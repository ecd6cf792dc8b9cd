"""Synthetic locks of the shapes that real ones have; the same seed always gives the same lock.

A lock is described as a tree of inputs and named by a second, independent implementation of Nix's rule, so that it can
serve as an oracle for the real one.
"""

import base64
import hashlib
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

Json = dict[str, Any]
"""A JSON object that tests take apart and break."""

NAMES = (
    "crane", "devshell", "fenix", "flake-compat", "flake-parts", "flake-utils", "gitignore", "haskellNix",
    "home-manager", "hyprutils", "nix-darwin", "nixpkgs", "nixpkgs-stable", "nixpkgs-unstable", "nixpkgs_2",
    "pre-commit-hooks", "rust-overlay", "systems", "treefmt-nix", "utils",
)  # fmt: skip
_FIRST_COMMIT = 1_600_000_000


@dataclass(frozen=True)
class Input:
    """One input with a node of its own. `inputs`: name → Input, or the input path that it follows."""

    locked: Json
    original: Json
    inputs: "Mapping[str, Input | tuple[str, ...]]" = field(default_factory=dict)
    flake: bool = True
    parent: tuple[str, ...] | None = None


Inputs = Mapping[str, Input | tuple[str, ...]]


def rev_of(name: str) -> str:
    """Return a commit id that depends on `name` only."""
    return hashlib.sha1(name.encode()).hexdigest()


def nar_hash_of(name: str) -> str:
    """Return an SRI hash that depends on `name` only."""
    return "sha256-" + base64.b64encode(hashlib.sha256(name.encode()).digest()).decode()


def github(
    owner: str, repo: str, *, rev: str | None = None, ref: str | None = None, flake: bool = True,
    inputs: Inputs | None = None, last_modified: int = _FIRST_COMMIT, dir: str | None = None,
) -> Input:  # fmt: skip
    """Return an input `github:OWNER/REPO[/REF]`, locked at `rev` (default: one made from the name)."""
    rev = rev or rev_of(f"{owner}/{repo}")
    common: Json = {"owner": owner, "repo": repo, "type": "github"} | ({"dir": dir} if dir else {})
    locked = common | {"lastModified": last_modified, "narHash": nar_hash_of(rev), "rev": rev}
    return Input(locked, common | ({"ref": ref} if ref else {}), inputs or {}, flake)


def git(
    url: str, *, rev: str | None = None, ref: str | None = None, flake: bool = True, inputs: Inputs | None = None,
    last_modified: int = _FIRST_COMMIT, rev_count: int = 1,
) -> Input:  # fmt: skip
    """Return an input `git+URL[?ref=REF]`, locked at `rev` (default: one made from the URL)."""
    rev = rev or rev_of(url)
    original: Json = {"type": "git", "url": url} | ({"ref": ref} if ref else {})
    known = {"lastModified": last_modified, "narHash": nar_hash_of(rev), "rev": rev, "revCount": rev_count}
    return Input(original | {"ref": ref or "refs/heads/main"} | known, original, inputs or {}, flake)


def folder(path: str, inputs: Inputs, *, parent: tuple[str, ...] = (), old: bool = False) -> Input:
    """Return an input `path:PATH` of the flake at the input path `parent`; old: as Nix up to 2.25 locks it."""
    original: Json = {"type": "path", "path": path}
    if old:
        return Input(original | {"lastModified": 1, "narHash": nar_hash_of(path)}, original, inputs)
    return Input(original, original, inputs, parent=parent)


def tarball(url: str) -> Input:
    """Return an input locked to a tarball, with no rev."""
    original: Json = {"type": "tarball", "url": url}
    return Input(original | {"narHash": nar_hash_of(url)}, original)


def lock(inputs: Inputs) -> Json:
    """Return the version 7 lock of a flake with these inputs, its nodes named as Nix names them."""
    nodes: Json = {}

    def add(candidate: str, node: Json, children: Inputs) -> str:
        label, number = candidate, 2
        while label in nodes:
            label, number = f"{candidate}_{number}", number + 1
        nodes[label] = node
        for name, child in sorted(children.items()):
            if isinstance(child, tuple):
                target: object = list(child)
            else:
                own: Json = {"locked": dict(child.locked), "original": dict(child.original)}
                own |= {"parent": list(child.parent)} if child.parent is not None else {}
                target = add(name, own | ({} if child.flake else {"flake": False}), child.inputs)
            node.setdefault("inputs", {})[name] = target
        return label

    return {"nodes": nodes, "root": add("root", {}, inputs), "version": 7}


def to_bytes(document: Json) -> bytes:
    """Return the JSON bytes that Nix would write for `document`."""
    # As json.dumps does it with sorted keys and an indentation, which is three times as slow.
    return msgspec.json.format(msgspec.json.encode(document, order="sorted"), indent=2) + b"\n"


def small_lock() -> Json:
    """Return a lock with one of each: a flake with its own nixpkgs, one with a follows, a source, a git input.

    The root's `nixpkgs` is the node `nixpkgs_2`, as in 15 % of real locks the label is not the name.
    """
    return lock({
        "lib": github("acme", "lib", inputs={"nixpkgs": github("NixOS", "nixpkgs", rev=rev_of("old"))}),
        "nixpkgs": github("NixOS", "nixpkgs", ref="nixos-25.11", rev=rev_of("new")),
        "source": github("acme", "data", flake=False),
        "tool": git("ssh://git@gitlab.example.com/acme/tool", ref="main", inputs={"nixpkgs": ("nixpkgs",)}),
    })  # fmt: skip


@dataclass
class _Draft:
    name: str
    own: "dict[str, _Draft]" = field(default_factory=dict)
    follows: dict[str, tuple[str, ...]] = field(default_factory=dict)


def random_lock(seed: int, *, nodes: int = 20, follows: float = 0.3) -> Json:
    """Return a lock with `nodes` nodes, the root among them, and about `follows` follows to each of them."""
    rng = random.Random(seed)
    root = _Draft("root")
    drafts: list[tuple[_Draft, tuple[str, ...]]] = [(root, ())]
    paths: list[tuple[str, ...]] = []
    while len(drafts) < nodes:
        # Real locks are shallow: a fifth of the inputs are the root's own.
        parent, path = drafts[0] if rng.random() < 0.2 else rng.choice(drafts[: 2 * nodes // 3 + 1])
        name = _new_name(rng, parent)
        parent.own[name] = _Draft(name)
        drafts.append((parent.own[name], (*path, name)))
        paths.append((*path, name))
    for _ in range(round(nodes * follows) if paths else 0):
        parent, path = rng.choice(drafts)
        name = _new_name(rng, parent)
        # Earlier follows may be followed as well, which cannot make a cycle.
        parent.follows[name] = rng.choice(paths) if rng.random() < 0.95 else ()
        paths.append((*path, name))
    return lock(_finish(root, rng))


def _new_name(rng: random.Random, parent: _Draft) -> str:
    name = rng.choice(NAMES)
    while name in parent.own or name in parent.follows:
        name += rng.choice("-abXYZ09")
    return name


def _finish(draft: _Draft, rng: random.Random) -> Inputs:
    inputs: dict[str, Input | tuple[str, ...]] = dict(draft.follows)
    for name, child in draft.own.items():
        inputs[name] = _random_source(name, _finish(child, rng), rng)
    return inputs


def _random_source(name: str, inputs: Inputs, rng: random.Random) -> Input:
    rev = f"{rng.getrandbits(160):040x}"
    when = _FIRST_COMMIT + rng.randrange(200_000_000)
    ref = rng.choice((None, None, None, "main", "nixos-25.11", "release/2.x"))
    if rng.random() < 0.06 and not inputs:
        return tarball(f"https://example.com/{name}/{rev[:8]}.tar.gz")
    if rng.random() < 0.1:
        url = f"ssh://git@gitlab.example.com/acme/{name}"
        return git(url, rev=rev, ref=ref, inputs=inputs, last_modified=when, rev_count=rng.randrange(1, 90_000))
    flake = bool(inputs) or rng.random() < 0.85
    owner = rng.choice(("NixOS", "acme", "numtide", "cachix"))
    return github(owner, name, rev=rev, ref=ref, flake=flake, inputs=inputs, last_modified=when)


def random_shared_lock(seed: int, *, nodes: int = 12, version: int = 5, cycles: bool = True) -> Json:
    """Return a lock of version 5 or 6: nodes with several parents, also above themselves, and no follows lists."""
    rng = random.Random(seed)
    labels = ["root", *(f"n{index}" for index in range(1, nodes))]
    graph: Json = {}
    for index, label in enumerate(labels):
        graph[label] = {}
        if index == 0:
            continue
        source = _random_source(label, {}, rng)
        locked = dict(source.locked)
        graph[label] = {"locked": locked, "original": source.original}
        if version == 5:
            graph[label]["info"] = {key: locked.pop(key) for key in ("lastModified", "narHash") if key in locked}
        # Everybody can be reached: some earlier node is a parent.
        graph[labels[rng.randrange(index)]].setdefault("inputs", {})[f"i{index}"] = label
    for _ in range(nodes // 2 if nodes > 2 else 0):
        start, end = rng.sample(range(nodes), 2)
        if end == 0 or (start > end and not cycles):
            continue
        graph[labels[start]].setdefault("inputs", {})[f"s{end}"] = labels[end]
    return {"nodes": graph, "root": "root", "version": version}


def follows_chain(length: int) -> Json:
    """Return a lock in which each of `length` root inputs follows the one before it."""
    inputs: dict[str, Input | tuple[str, ...]] = {"i0": github("acme", "lib")}
    inputs.update((f"i{index}", (f"i{index - 1}",)) for index in range(1, length + 1))
    return lock(inputs)


def input_chain(length: int) -> Json:
    """Return a lock in which each of `length` inputs is the only input of the one before it."""
    source = github("acme", "lib")
    graph: Json = {"root": {"inputs": {"a": "a"}}}
    for index in range(1, length + 1):
        node: Json = {"locked": dict(source.locked), "original": dict(source.original)}
        if index < length:
            node["inputs"] = {"a": f"a_{index + 1}"}
        graph["a" if index == 1 else f"a_{index}"] = node
    return {"nodes": graph, "root": "root", "version": 7}


def own_paths(document: Json) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield every input path with a node of its own, parents first, names in order: the plain recursive way."""

    def below(path: tuple[str, ...], label: str, above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
        for name, target in sorted(document["nodes"][label].get("inputs", {}).items()):
            if isinstance(target, str) and target not in (*above, label):
                yield (*path, name), target
                yield from below((*path, name), target, (*above, label))

    yield from below((), document["root"], ())
