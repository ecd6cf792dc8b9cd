"""Every type of source is had without a nix, from servers and commits that are here."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bundle.every_type import SITES, make_flake
from tests.support.forge.world import World, make_world
from tests.support.nix import RealNix


@pytest.fixture
def world(any_nix: RealNix, tmp_path: Path) -> Iterator[World]:
    """A flake with inputs of every type, and a PATH without nix."""
    with make_world(tmp_path / "world", any_nix, SITES) as world:
        make_flake(world)
        programs = tmp_path / "programs"
        programs.mkdir()
        for folder in ("/usr/bin", "/bin"):
            for program in Path(folder).iterdir():
                if not program.name.startswith("nix") and not (programs / program.name).exists():
                    (programs / program.name).symlink_to(program)
        world.env = {**world.env, "PATH": str(programs)}
        yield world


@pytest.mark.slow  # tests/bundle/test_e2e.py takes such a bundle to the other side
def test_a_bundle_is_made_without_nix_and_has_the_source_of_every_type_of_input_once(world: World) -> None:
    lock = json.loads((world.clone("app") / "flake.lock").read_text())
    hashes = {node["locked"]["narHash"] for node in lock["nodes"].values() if "narHash" in node.get("locked", {})}
    bundled = world.flakesync("bundle", "-o", "bundle")
    assert bundled["failed"] == []
    manifest = json.loads((world.root / "bundle.json").read_bytes())
    assert [source["nar_hash"] for source in manifest["sources"]] == sorted(hashes)
    made = [source for source in manifest["sources"] if source["from"] is not None]
    assert {"gh", "ghe", "gits", "gssh", "tar"} <= {use["input"] for source in made for use in source["nodes"]}
    # What is in a bundle is there without a network; what is not was never kept.
    assert world.flakesync("bundle", "-o", "bundle", "--offline") == bundled
    again = world.flakesync("bundle", "-o", "again", "--offline", statuses=(1,))
    assert {each["code"] for each in again["failed"]} == {"source-missing"}  # type: ignore[attr-defined]
