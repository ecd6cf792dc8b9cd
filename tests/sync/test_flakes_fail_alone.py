"""One flake of a repo whose lock cannot be written fails alone; the others go on, and the outcome names it."""

from pathlib import Path

import pytest

from tests.support.landing import Landing
from tests.support.nix import RealNix
from tests.support.nixspace import Space, Take, run_sync


def spoiled(space: Space, folder: str = "dev/") -> None:
    """Have the flake in a folder of app take what is not there."""
    nixpkgs = f'nixpkgs.url = "git+{space.url("nixpkgs")}?ref=main";'
    gone = f'gone.url = "git+{space.url("nowhere")}?ref=main";'
    space.commit("app", {f"{folder}flake.nix": f"{{ inputs = {{ {nixpkgs} {gone} }}; outputs = _: {{ }}; }}"})


@pytest.fixture
def space(any_nix: RealNix, use_nix: RealNix, tmp_path: Path) -> Space:
    return Space(tmp_path / "space").add("app", {"nixpkgs": Take()}, dev={"nixpkgs": Take()})


def test_the_other_flakes_of_the_repo_are_updated_and_it_is_named(space: Space) -> None:
    spoiled(space)
    ran = run_sync(space.manifest())
    assert ran.statuses == {"app": "updated"}
    assert space.locked("app", "nixpkgs")["rev"] == space.tip("nixpkgs")
    assert space.locked("app", "nixpkgs", file="dev/flake.lock")["rev"] == space.first_nixpkgs
    (left,) = ran.document.left
    assert (left.kind, left.flake, left.fails) == ("stale-lock", "dev", True)
    assert "dev/flake.lock could not be written: " in left.reason
    assert [change.flake for change in ran["app"].changes] == ["."]


def test_it_is_named_again_by_the_next_run_which_makes_the_same_commit(space: Space) -> None:
    spoiled(space)
    run_sync(space.manifest())
    made = space.ref("app")
    assert [left.flake for left in run_sync(space.manifest()).document.left] == ["dev"]
    assert space.ref("app") == made


def test_where_no_flake_can_be_locked_the_repo_fails(space: Space) -> None:
    spoiled(space)
    spoiled(space, "")
    assert run_sync(space.manifest()).statuses == {"app": "failed"}
    assert space.ref("app") is None


def test_what_was_tested_is_not_landed_without_one_of_its_flakes(space: Space) -> None:
    landing = Landing(space)
    assert landing.sync().statuses == {"app": "updated"}
    landing.publish()
    spoiled(space)
    assert landing.land().statuses == {"app": "failed"}
