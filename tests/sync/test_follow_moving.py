"""Follows below an input that moves in the same run: what counts is what it has then."""

from pathlib import Path

from flakesync.nix.lock.file import LockFile
from tests.support.nix import RealNix
from tests.support.nixspace import UPDATE_BRANCH, Space, Take, read, run_sync


def test_an_override_stays_where_the_input_that_comes_with_the_run_has_what_it_overrides(
    tmp_path: Path, use_nix: RealNix
) -> None:
    space = Space(tmp_path / "w")
    space.add("lib", {})
    space.add("app", {"nixpkgs": Take(), "lib": Take(follows={"nixpkgs": "nixpkgs"})})
    space.lock("lib", {".": {"nixpkgs": Take()}})
    source = f"git+{space.url('nixpkgs')}?ref=main"
    manifest = space.manifest(pins={"nixpkgs": {"source": source, "follow": "write"}})
    ran = run_sync(manifest, locker="auto")
    assert ran.errors == {}
    update = space.tip("app", UPDATE_BRANCH)
    assert b'lib.inputs.nixpkgs.follows = "nixpkgs";' in read(space.path("app"), update, "flake.nix")
    lock = LockFile.parse(read(space.path("app"), update, "flake.lock"))
    assert lock.resolve(("lib", "nixpkgs")) == lock.resolve(("nixpkgs",))


def test_nothing_is_written_for_an_input_that_goes_with_the_run(tmp_path: Path, use_nix: RealNix) -> None:
    space = Space(tmp_path / "w")
    space.add("lib")
    space.add("app", {"nixpkgs": Take(), "lib": Take()})
    space.lock("lib", {".": {}})
    space.commit("lib", {"flake.lock": None})
    source = f"git+{space.url('nixpkgs')}?ref=main"
    manifest = space.manifest(pins={"nixpkgs": {"source": source, "follow": "write"}})
    ran = run_sync(manifest, locker="auto")
    assert ran.errors == {}
    update = space.tip("app", UPDATE_BRANCH)
    assert b"follows" not in read(space.path("app"), update, "flake.nix")
