"""`follow = "write"`: sync writes follows that are missing, and takes overrides away that override nothing."""

from pathlib import Path

import pytest

from flakesync.sync.lockers.auto import LockerChoice
from tests.support.nix import RealNix
from tests.support.nixspace import UPDATE_BRANCH, Space, Take, drift_of, read, run_sync


def make(root: Path) -> tuple[Space, Path]:
    space = Space(root)
    space.add("lib")
    space.add("app", {"nixpkgs": Take(), "lib": Take(), "old": Take("lib", follows={"gone": "nixpkgs"})})
    space.add("site", {"app": Take(), "nixpkgs": Take()})
    source = f"git+{space.url('nixpkgs')}?ref=main"
    return space, space.manifest(pins={"nixpkgs": {"source": source, "follow": "write"}})


def flake_nix_of(space: Space, name: str) -> str:
    return read(space.path(name), space.tip(name, UPDATE_BRANCH), "flake.nix").decode()


@pytest.mark.parametrize("locker", ["auto", "nix"])
def test_sync_writes_follows_and_removes_what_overrides_nothing(
    tmp_path: Path, use_nix: RealNix, locker: LockerChoice
) -> None:
    space, manifest = make(tmp_path / "w")
    ran = run_sync(manifest, locker=locker)
    assert ran.errors == {}
    text = flake_nix_of(space, "app")
    assert 'lib.inputs.nixpkgs.follows = "nixpkgs";' in text
    assert 'old.inputs.nixpkgs.follows = "nixpkgs";' in text
    assert "gone" not in text
    assert 'app.inputs.nixpkgs.follows = "nixpkgs";' in flake_nix_of(space, "site")
    assert [found.kind for found in drift_of(manifest)] == []
    tips = {name: space.ref(name) for name in space.names}
    assert set(run_sync(manifest, locker=locker).statuses.values()) == {"unchanged"}
    assert {name: space.ref(name) for name in space.names} == tips


def test_without_it_sync_writes_none(tmp_path: Path, use_nix: RealNix) -> None:
    space, _ = make(tmp_path / "w")
    run_sync(space.manifest(), locker="auto")
    assert "lib.inputs" not in flake_nix_of(space, "app")
