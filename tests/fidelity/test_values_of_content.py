"""What a workspace evaluates to after a night is the same whether only content propagates or everything does.

By real Nix, on random workspaces; FLAKESYNC_FIDELITY is twenty times their number for each version; at least three.
"""

import json
import os
import random
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.nix import RealNix
from tests.support.nixspace import UPDATE_BRANCH, Space, Take, flake_nix, run_sync

GRAPHS = max(3, int(os.environ.get("FLAKESYNC_FIDELITY", "20")) // 20)
FIRST = int(os.environ.get("FLAKESYNC_FIDELITY_FIRST", "0"))
SOURCES = ("nixpkgs", "tools", "data")
WALK = """
let
  walk = depth: flake: {
    note = flake.note or null;
    new = builtins.pathExists (flake.outPath + "/new.nix");
    inputs = if depth == 0 then { } else builtins.mapAttrs (_: walk (depth - 1)) (flake.inputs or { });
  };
in
"""


def build(root: Path, seed: int) -> Space:
    """Return a random workspace, in which sources have moved on and some repos have real commits."""
    chance = random.Random(seed)
    space = Space(root)
    for source in SOURCES[1:]:
        space.make(source, {"flake.nix": flake_nix("")})
    known: dict[str, Mapping[str, Take | str]] = {}
    for number in range(chance.randint(2, 6)):
        takes: dict[str, Take | str] = {source: Take() for source in SOURCES if chance.random() < 0.7}
        for upstream in [name for name in known if chance.random() < 0.6]:
            takes[upstream] = random_take(chance, takes, known[upstream])
        space.add(f"r{number}", takes)
        known[f"r{number}"] = takes
    for source in SOURCES[1:]:
        space.commit(source, {"flake.nix": flake_nix("", note="two")})
    for name in known:
        if chance.random() < 0.3:
            space.commit(name, {"new.nix": "1"})
    return space


def random_take(chance: random.Random, mine: Mapping[str, Take | str], theirs: Mapping[str, Take | str]) -> Take:
    """Return a way to take a repo: some inputs of it follow, one is cut off; or only its files."""
    follows: dict[str, str] = {}
    for name in theirs:
        if name in mine and chance.random() < 0.6:
            follows[name] = name
        elif chance.random() < 0.1:
            follows[name] = ""
    return Take(follows=follows, flake=chance.random() < 0.9)


def night(space: Space, propagate: str) -> int:
    """Sync; return how many inputs stay as nothing reaches them."""
    pins = {source: {"source": f"git+{space.url(source)}?ref=main"} for source in SOURCES}
    ran = run_sync(space.manifest({"propagate": propagate}, pins=pins), locker="auto")
    assert not ran.errors
    return len(ran.plan.inert)


def values(space: Space, nix: RealNix) -> object:
    """Return what every repo evaluates to, at its update branch where it has one."""
    references = {}
    for name in space.names:
        rev = space.ref(name) or space.tip(name)
        branch = UPDATE_BRANCH if space.ref(name) else "main"
        references[name] = f"git+file://{space.path(name)}?ref={branch}&rev={rev}"
    entries = " ".join(f'{name} = walk 3 (builtins.getFlake "{url}");' for name, url in references.items())
    argv = [str(nix.path), "eval", "--impure", "--json", "--expr", f"{WALK} {{ {entries} }}"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=space.root)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("use_nix")
@pytest.mark.parametrize("seed", range(FIRST, FIRST + GRAPHS))
def test_content_gives_the_values_that_everything_gives(tmp_path: Path, nix: RealNix, seed: int) -> None:
    all_of_it, content = build(tmp_path / "always", seed), build(tmp_path / "content", seed)
    assert night(all_of_it, "always") == 0
    night(content, "content")
    assert values(content, nix) == values(all_of_it, nix)
