"""A second copy of a pinned source deeper in the lock."""

from tests.support import locks
from tests.support.drift import NEW, OLD, one, pinned
from tests.support.locks import Inputs
from tests.support.workspaces import nixpkgs


def test_a_second_copy_deeper_in_the_lock_names_the_follows_that_removes_it() -> None:
    flakes: dict[str, Inputs] = {
        "app": {"pkgs": nixpkgs(NEW), "x": locks.github("other", "x", inputs={"nixpkgs": nixpkgs(OLD)})}
    }
    finding = one(pinned(flakes))
    assert (finding.kind, finding.input, finding.locked_rev, finding.wanted_rev) == ("duplicate", "x/nixpkgs", OLD, NEW)
    assert finding.detail == 'a second copy of nixpkgs; to remove it: inputs.x.inputs.nixpkgs.follows = "pkgs"'


def test_a_follows_that_old_nix_ignores_says_so() -> None:
    deep = locks.github("other", "y", inputs={"nixpkgs": nixpkgs(OLD)})
    flakes: dict[str, Inputs] = {"app": {"nixpkgs": nixpkgs(NEW), "x": locks.github("other", "x", inputs={"y": deep})}}
    finding = one(pinned(flakes))
    assert finding.input == "x/y/nixpkgs"
    assert finding.detail.endswith('inputs.x.inputs.y.inputs.nixpkgs.follows = "nixpkgs" (needs Nix 2.30)')


def test_without_an_input_to_follow_the_advice_is_to_make_one() -> None:
    flakes: dict[str, Inputs] = {"app": {"x": locks.github("other", "x", inputs={"nixpkgs": nixpkgs(OLD)})}}
    assert one(pinned(flakes)).detail.endswith("an input for pin nixpkgs that it can follow")


def test_a_copy_at_the_target_and_a_follows_are_no_duplicates() -> None:
    same = locks.github("other", "x", inputs={"nixpkgs": nixpkgs(NEW)})
    follows = locks.github("other", "y", inputs={"nixpkgs": ("nixpkgs",)})
    assert pinned({"app": {"nixpkgs": nixpkgs(NEW), "x": same, "y": follows}}).findings == []
