"""What `follow` says of a lock is what real Nix makes of the edited flake.nix, byte for byte, on random workspaces.

FLAKESYNC_FIDELITY is five times the number of workspaces for each version; at least two.
"""

import os
import subprocess
from pathlib import Path

import pytest
import tomli_w

from flakesync.nix.lock.file import LockFile
from flakesync.survey.follow.model import FlakeFollows
from flakesync.survey.follow.wanted import find_follows
from flakesync.sync.lockers import Request
from flakesync.sync.lockers.native.locker import NativeLocker
from flakesync.sync.lockers.native.sources import Sources
from flakesync.sync.lockers.native.values import NotNativeError
from flakesync.terms import Rev
from flakesync.workspace.clones.flake_nix import read_flake_nix
from flakesync.workspace.manifest import load_workspace
from flakesync.workspace.snapshot import RepoAtCommit, RepoState, read_snapshot
from tests.fidelity.graphs import World, lock_in_place, nix_lock
from tests.fidelity.test_values_of_content import WALK, build
from tests.support import repos
from tests.support.nix import RealNix
from tests.support.nixspace import Space

GRAPHS = max(2, int(os.environ.get("FLAKESYNC_FIDELITY", "10")) // 5)
FIRST = int(os.environ.get("FLAKESYNC_FIDELITY_FIRST", "0"))
_CHUNK = 5


def _manifest(world: World, names: list[str], nix_min: str) -> Path:
    """Write a manifest with pins on what is taken most; which copies may follow is up to the seed."""
    match = world.random.choice(["same-ref", "same-repository"])
    sources = ["nixpkgs", "data", *names[:2]]
    pins = {
        name: {"source": f"git+file://{world.root / name}?ref=main", "inputs": ["*"], "follow-match": match}
        for name in sources
    }
    flakes = {name: [dir or "." for (repo, dir) in world.flakes if repo == name] for name in names}
    tables = {
        name: {"path": f"./{name}", "url": f"git+file://{world.root / name}", "flakes": flakes[name]} for name in names
    }
    file = world.root / "workspace.toml"
    settings = {"name": "acme", "base": "main", "nix-min": nix_min, "read": "local"}
    file.write_text(tomli_w.dumps({"workspace": settings, "pins": pins, "repos": tables}))
    return file


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("use_nix")
@pytest.mark.parametrize("first", range(FIRST, FIRST + GRAPHS, _CHUNK))
def test_the_lock_after_a_follow_is_the_one_that_nix_writes(nix: RealNix, tmp_path: Path, first: int) -> None:
    for seed in range(first, min(first + _CHUNK, FIRST + GRAPHS)):
        folder = tmp_path / str(seed)
        folder.mkdir()
        world = World(seed, folder / "space", nix)
        names = world.build()
        if world.overrides and nix.version < (2, 20):
            continue  # it fetches anew what another flake gives a reference, whatever else changes
        workspace = load_workspace(_manifest(world, names, nix.id))
        snapshot = read_snapshot(workspace, cache=folder / "cache", offline=True)
        for found in find_follows(snapshot, snapshot.states):
            if found.wanted:
                _compare(nix, world, snapshot.states[found.repo], found, f"seed {seed}, {found.repo} {found.flake}")


def _compare(nix: RealNix, world: World, state: RepoState, found: FlakeFollows, told: str) -> None:
    old = read_flake_nix(state, found.flake, "flake.lock")
    assert old is not None
    assert sum(each.saved for each in found.wanted) == found.before - found.after
    told += f", nix {nix.full_version}\n{found.new.decode()}"
    if b"path:" in found.new:
        path = world.root / found.repo
        repos.commit(path, {found.file: found.new}, date=world.date())
        written = lock_in_place(nix, path, "" if found.flake == "." else found.flake)
    else:
        written = nix_lock(nix, world.root.parent / "scratch", found.new, old.data)
    assert written is not None, f"Nix refuses: {told}"
    if all(each.pin is None for each in found.wanted):
        assert written == old.data, told
        return
    assert written.decode() == found.lock.to_bytes().decode(), told
    assert _natively(world, state, found, old.data) in (None, written), told
    assert len(LockFile.parse(old.data).nodes) - len(LockFile.parse(written).nodes) == found.before - found.after


def _natively(world: World, state: RepoState, found: FlakeFollows, old: bytes) -> bytes | None:
    """Return the lock that the native locker writes for the edited flake.nix; None: it leaves that to Nix."""
    path = world.root / found.repo
    rev = repos.commit(path, {found.file: found.new}, branch="edited", parents=[_rev(state)], date=world.date())
    stale = frozenset(each.edit.input for each in found.wanted)
    request = Request(path, rev, found.flake, LockFile.parse(old), [], found.repo, stale)
    try:
        return NativeLocker(Sources({}, (), world.root.parent / "native")).lock(request).to_bytes()
    except NotNativeError:
        return None


def _rev(state: RepoState) -> Rev:
    assert isinstance(state, RepoAtCommit)
    return state.rev


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("use_nix")
@pytest.mark.parametrize("first", range(FIRST, FIRST + GRAPHS, _CHUNK))
def test_a_flake_that_evaluates_does_so_after_a_follow(nix: RealNix, tmp_path: Path, first: int) -> None:
    for seed in range(first, min(first + _CHUNK, FIRST + GRAPHS)):
        space = build(tmp_path / str(seed), seed)
        pins = {
            name: {"source": f"git+{space.url(name)}?ref=main", "inputs": ["*"]}
            for name in ("nixpkgs", "tools", "data", *space.names[:2])
        }
        manifest = space.manifest({"nix-min": "2.8", "read": "local", "base": "main"}, pins=pins)
        snapshot = read_snapshot(load_workspace(manifest), cache=tmp_path / "cache", offline=True)
        for found in find_follows(snapshot, snapshot.states):
            if found.file and _evaluate(nix, space, found.repo):
                files = {found.file: found.new, "flake.lock": found.lock.to_bytes()}
                space.commit(found.repo, files)
                assert _evaluate(nix, space, found.repo), f"seed {seed}, {found.repo}\n{found.new.decode()}"


def _evaluate(nix: RealNix, space: Space, repo: str) -> bool:
    """Tell whether a repo's flake evaluates, four inputs down, with the lock that it has."""
    place = f"git+{space.url(repo)}?ref=main&rev={space.tip(repo)}"
    expression = f'{WALK} walk 4 (builtins.getFlake "{place}")'
    command = [str(nix.path), "eval", "--json", "--impure", "--no-write-lock-file", "--expr", expression]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode == 0
