"""What of an upstream's locks reaches a dependent is what Nix changes in its lock when it moves that one input.

By real Nix, on random workspaces; FLAKESYNC_FIDELITY is twenty times their number for each version; at least three.
"""

import json
import os
import random
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from flakesync.analysis.inert import find_inert
from flakesync.survey.graph import Edge
from flakesync.survey.read import read_survey
from flakesync.terms import Rev
from flakesync.workspace.manifest import load_workspace
from tests.fidelity.test_values_of_content import random_take
from tests.support.nix import RealNix
from tests.support.nixspace import Space, Take, Takes, flake_nix, read

GRAPHS = max(3, int(os.environ.get("FLAKESYNC_FIDELITY", "20")) // 20)
FIRST = int(os.environ.get("FLAKESYNC_FIDELITY_FIRST", "0"))
SOURCES = ("nixpkgs", "tools", "data")
FROM = (2, 19)
"""From here on `nix flake update NAME` moves one input; before, it is `nix flake lock --update-input NAME`.

Before, the folder of a flake is in the address too, and an address without it is taken for another one.
"""


def build(root: Path, seed: int, *, folders: bool) -> Space:
    """Return a random workspace in which locks alone have moved since the repos were locked to each other.

    folders: whether repos have flakes in folders too.
    """
    chance = random.Random(seed)
    space = Space(root)
    for source in SOURCES[1:]:
        space.make(source, {"flake.nix": flake_nix("")})
    known: dict[str, dict[str, dict[str, Take | str]]] = {}
    for number in range(chance.randint(3, 7)):
        flakes = {
            dir: random_inputs(chance, known) for dir in (".", *(["sub"] if folders and chance.random() < 0.3 else []))
        }
        known[f"r{number}"] = flakes
        below = {dir: takes for dir, takes in flakes.items() if dir != "."}
        space.add(f"r{number}", flakes["."], files=None, **below)
    for source in SOURCES[1:]:
        space.commit(source, {"flake.nix": flake_nix("", note="two")})
    for name in known:
        if chance.random() < 0.8:
            relock(space, chance, name, known[name])
    return space


def random_inputs(chance: random.Random, known: Mapping[str, Mapping[str, Takes]]) -> dict[str, Take | str]:
    """Return inputs of a flake: sources and repos, some of whose inputs follow, also through others."""
    takes: dict[str, Take | str] = {source: Take() for source in SOURCES if chance.random() < 0.6}
    for upstream in [name for name in known if chance.random() < 0.5]:
        dir = chance.choice([*known[upstream]])
        theirs = known[upstream][dir]
        take = replace(random_take(chance, takes, theirs), dir=None if dir == "." else dir)
        through = [
            f"{other}/{inner}" for other, each in takes.items()
            if isinstance(each, Take) and each.flake and other in known for inner in known[other][each.dir or "."]
        ]  # fmt: skip
        if theirs and through and chance.random() < 0.3:
            take = replace(take, follows={**take.follows, chance.choice([*theirs]): chance.choice(through)})
        led = {path.partition("/")[0] for each in theirs.values() if isinstance(each, Take)
               for path in each.follows.values() if "/" in path}  # fmt: skip
        # What leads through an input of the upstream would lead nowhere, were that another one here.
        take = replace(take, follows={inner: path for inner, path in take.follows.items() if inner not in led})
        takes[upstream] = take
    return takes


def relock(space: Space, chance: random.Random, name: str, flakes: Mapping[str, Takes]) -> None:
    """Commit locks to a repo in which some of the inputs have moved to the newest there is."""
    moved: dict[str, Takes] = {}
    for dir, takes in flakes.items():
        file = "flake.lock" if dir == "." else f"{dir}/flake.lock"
        now: dict[str, Take | str] = {}
        for label, take in takes.items():
            assert isinstance(take, Take)
            old = Rev(str(space.locked(name, label, rev=space.tip(name), file=file)["rev"]))
            now[label] = replace(take, at=space.tip(label) if chance.random() < 0.5 else old)
        moved[dir] = now
    space.lock(name, moved)


def inputs_of(lock: bytes) -> dict[tuple[str, ...], object]:
    """Return what each input of a lock is, by its path: what its node is locked to, or what it follows."""
    document = json.loads(lock)
    nodes = document["nodes"]
    found: dict[tuple[str, ...], object] = {}

    def walk(path: tuple[str, ...], label: str) -> None:
        for name, target in nodes[label].get("inputs", {}).items():
            if isinstance(target, list):
                found[*path, name] = target
                continue
            node = nodes[target]
            found[*path, name] = (node["locked"], node["original"], node.get("flake", True))
            walk((*path, name), target)

    walk((), document["root"])
    return found


def moved_by_nix(nix: RealNix, folder: Path, files: Mapping[str, bytes], name: str) -> bytes:
    """Return the lock of a flake after Nix has moved one input of it to the newest commit."""
    folder.mkdir(exist_ok=True)
    for file, data in files.items():
        (folder / file).write_bytes(data)
    update = ["flake", "update", name, "--flake"] if nix.version >= FROM else None
    argv = [*update, f"path:{folder}"] if update else ["flake", "lock", f"path:{folder}", "--update-input", name]
    done = subprocess.run([nix.path, *argv], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return (folder / "flake.lock").read_bytes()


def compared(nix: RealNix, root: Path, seed: int) -> Iterator[bool]:
    """Compare each edge whose upstream has moved locks alone, and yield whether it is inert."""
    space = build(root / "space", seed, folders=nix.version >= FROM)
    survey = read_survey(load_workspace(space.manifest(pins={})))
    for edge in survey.graph.edges:
        answer = survey.history.get((edge.upstream, edge.branch, edge.locked_rev)) if edge.locked_rev else None
        if edge.kind != "flake" or edge.follows is not None or answer is None or answer.position != "behind":
            continue
        assert (edge.locked_rev, answer.tip) in survey.differences.lock_only
        files = files_of(space, edge)
        new = inputs_of(moved_by_nix(nix, root / "scratch", files, edge.input[0]))
        old = inputs_of(files["flake.lock"])
        differing = {path for path in old.keys() | new.keys() if old.get(path) != new.get(path)} - {edge.input}
        inert = find_inert(survey, edge) is not None
        assert inert == (not differing), f"seed {seed}, {edge.dependent}/{edge.flake} {edge.input}: {differing}"
        yield inert


def files_of(space: Space, edge: Edge) -> dict[str, bytes]:
    """Return the flake.nix and flake.lock of the flake that takes an edge."""
    prefix = "" if edge.flake == "." else f"{edge.flake}/"
    path, tip = space.path(edge.dependent), space.tip(edge.dependent)
    return {file: read(path, tip, prefix + file) for file in ("flake.nix", "flake.lock")}


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("use_nix")
@pytest.mark.parametrize("first", range(FIRST, FIRST + GRAPHS, 20))
def test_what_is_inert_is_what_nix_leaves_alone(tmp_path: Path, nix: RealNix, first: int) -> None:
    found: list[bool] = []
    for seed in range(first, min(first + 20, FIRST + GRAPHS)):
        found += compared(nix, tmp_path / str(seed), seed)
    assert set(found) == {True, False}
