"""A workspace with every type of input crosses an air gap: made without Nix, evaluated and built without a network."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bundle.apart import NIX_STORE, Apart, from_cache, has_namespaces, make_apart
from tests.bundle.every_type import SITES, make_flake
from tests.support import repos
from tests.support.forge.world import World, make_world
from tests.support.nix import RealNix, programs_without_nix

TOKEN = "secret-of-the-sender"


@pytest.fixture
def world(nix: RealNix, tmp_path: Path) -> Iterator[World]:
    """The connected side, with each version of Nix, which flakesync itself does not find."""
    with make_world(tmp_path / "world", nix, SITES) as world:
        make_flake(world)
        world.env = {**world.env, "PATH": str(programs_without_nix(tmp_path / "bin")), "GITHUB_TOKEN": TOKEN}
        yield world


def cross(world: World, apart: Apart, *argv: str) -> Path:
    """Send the workspace to the other side; return the clone of `app` there."""
    bundled = world.flakesync("bundle", "-o", str(apart.root / "bundle"), *argv)
    assert bundled["failed"] == []
    apart.imports(str(apart.root / "bundle"), "--cache", "sources", "--repos", "git")
    app = apart.root / "app"
    repos.run_git("clone", "-q", str(apart.root / "git/app.git"), str(app), cwd=apart.root)
    return app


def works(apart: Apart, app: Path, lock: bytes, *, read_only: bool = False) -> None:
    """Evaluate, build and check the flake there; its lock and its files stay as they are."""
    cache = apart.root / "sources"
    mounts = [cache] if read_only and apart.store_dir == NIX_STORE else []
    there = from_cache(cache)
    assert (app / "flake.lock").read_bytes() == lock
    said = apart.must("nix", "eval", "--raw", ".#v", cwd=app, read_only=mounts, env=there)
    assert all(f"\n{name}" in said for name in ("gh", "gsub", "tar", "path"))
    apart.must("nix", "build", "--no-link", cwd=app, read_only=mounts, env=there)
    apart.must("nix", "flake", "check", cwd=app, read_only=mounts, env=there)
    assert (app / "flake.lock").read_bytes() == lock
    assert repos.run_git("status", "--porcelain", cwd=app) == ""


@pytest.mark.slow_but_newest
def test_inputs_of_every_type_are_there_without_a_network_and_the_lock_stays(world: World, tmp_path: Path) -> None:
    if not has_namespaces():
        pytest.skip("this machine gives no namespaces")
    lock = (world.clone("app") / "flake.lock").read_bytes()
    nodes = len(json.loads(lock)["nodes"]) - 1
    assert nodes >= (22 if world.nix.version >= (2, 26) else 20)
    apart = make_apart(tmp_path / "apart", world.nix, hidden=[tmp_path / "world"])
    app = cross(world, apart)
    works(apart, app, lock, read_only=True)


@pytest.mark.slow
def test_a_store_in_another_place_takes_them_from_a_cache_written_for_it(world: World, tmp_path: Path) -> None:
    lock = (world.clone("app") / "flake.lock").read_bytes()
    apart = make_apart(tmp_path / "apart", world.nix, store_dir=str(tmp_path / "apart/state/store"))
    works(apart, cross(world, apart), lock)
