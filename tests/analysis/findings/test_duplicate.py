"""A second copy of a pinned source deeper in the lock."""

from dataclasses import replace

from flakesync.survey.pins import Target
from tests.support import locks
from tests.support.drift import NEW, NEXT, NIXPKGS, OLD, drift_of, kinds, one, pinned
from tests.support.locks import Inputs, folder
from tests.support.workspaces import nixpkgs, pin, scene


def test_a_second_copy_deeper_in_the_lock_names_the_follows_that_removes_it() -> None:
    flakes: dict[str, Inputs] = {
        "app": {"pkgs": nixpkgs(NEW), "x": locks.github("other", "x", inputs={"nixpkgs": nixpkgs(OLD)})}
    }
    finding = one(pinned(flakes))
    assert (finding.kind, finding.input, finding.locked_rev, finding.wanted_rev) == ("duplicate", "x/nixpkgs", OLD, NEW)
    assert (
        finding.detail == 'a second copy of nixpkgs beside pkgs; to remove it: inputs.x.inputs.nixpkgs.follows = "pkgs"'
    )


def test_a_follows_that_old_nix_ignores_says_so() -> None:
    deep = locks.github("other", "y", inputs={"nixpkgs": nixpkgs(OLD)})
    flakes: dict[str, Inputs] = {"app": {"nixpkgs": nixpkgs(NEW), "x": locks.github("other", "x", inputs={"y": deep})}}
    finding = one(pinned(flakes))
    assert finding.input == "x/y/nixpkgs"
    assert finding.detail.endswith('inputs.x.inputs.y.inputs.nixpkgs.follows = "nixpkgs" (needs Nix 2.30)')


def test_the_only_copies_of_a_lock_whose_root_has_none_are_no_duplicates() -> None:
    x = locks.github("other", "x", inputs={"nixpkgs": nixpkgs(OLD)})
    assert pinned({"app": {"x": x}}).findings == []


def test_what_the_root_follows_is_its_own_and_no_second_copy() -> None:
    pins = locks.github("other", "pins", inputs={"nixpkgs": nixpkgs(OLD)})
    assert kinds(pinned({"app": {"nixpkgs": ("pins", "nixpkgs"), "pins": pins}})) == [("pin", "app", "nixpkgs")]


def test_a_copy_beside_the_one_that_the_root_follows_is_to_follow_the_same() -> None:
    pins = locks.github("other", "pins", inputs={"nixpkgs": nixpkgs(NEW)})
    x = locks.github("other", "x", inputs={"np": nixpkgs(OLD)})
    finding = one(pinned({"app": {"nixpkgs": ("pins", "nixpkgs"), "pins": pins, "x": x}}))
    assert (finding.kind, finding.input) == ("duplicate", "x/np")
    assert finding.detail == (
        'a second copy of nixpkgs beside nixpkgs; to remove it: inputs.x.inputs.np.follows = "nixpkgs"'
    )


def test_of_two_refs_the_one_of_the_copy_is_followed() -> None:
    x = locks.github("other", "x", inputs={"nixpkgs": nixpkgs(OLD)})
    flakes: dict[str, Inputs] = {"app": {"a": nixpkgs(NEW, ref="nixos-unstable"), "stable": nixpkgs(NEW), "x": x}}
    (finding,) = (each for each in pinned(flakes).findings if each.kind == "duplicate")
    assert finding.detail.endswith('inputs.x.inputs.nixpkgs.follows = "stable"')


def test_following_another_ref_says_which_that_is() -> None:
    x = locks.github("other", "x", inputs={"nixpkgs": nixpkgs(OLD)})
    flakes: dict[str, Inputs] = {"app": {"a": nixpkgs(NEW, ref="nixos-unstable"), "x": x}}
    (finding,) = (each for each in pinned(flakes).findings if each.kind == "duplicate")
    assert finding.detail.endswith('inputs.x.inputs.nixpkgs.follows = "a" (which is at nixos-unstable)')


def test_a_copy_at_a_ref_that_no_pin_has_is_not_called_the_pins() -> None:
    x = locks.github("other", "x", inputs={"nixpkgs": nixpkgs(OLD, ref="nixos-23.05")})
    finding = one(pinned({"app": {"nixpkgs": nixpkgs(NEW), "x": x}}))
    assert finding.wanted_rev is None
    assert finding.detail == (
        "a second copy of the repository of nixpkgs (at nixos-23.05) beside nixpkgs; "
        'to remove it: inputs.x.inputs.nixpkgs.follows = "nixpkgs"'
    )


def test_of_several_pins_of_a_repository_the_copy_is_counted_for_the_one_of_its_ref() -> None:
    pins = [pin("unstable", "github:NixOS/nixpkgs/nixos-unstable"), pin("stable", NIXPKGS)]
    x = locks.github("other", "x", inputs={"nixpkgs": nixpkgs(OLD)})
    own: Inputs = {"a": nixpkgs(NEXT, "nixos-unstable"), "b": nixpkgs(NEW), "x": x}
    for ordered in (pins, pins[::-1]):
        found = scene({"app": own}, pins=ordered)
        finding = one(drift_of(found, {"stable": Target(NEW), "unstable": Target(NEXT)}))
        assert (finding.input, finding.wanted_rev) == ("x/nixpkgs", NEW)
        assert finding.detail.startswith("a second copy of stable beside b; ")


def test_what_a_pin_governs_is_followed_rather_than_what_another_pin_does() -> None:
    # The copy has the ref of no pin, so it counts for the first one of its repository; `a` comes first by name alone.
    pins = [pin("stable", NIXPKGS), pin("unstable", "github:NixOS/nixpkgs/nixos-unstable")]
    x = locks.github("other", "x", inputs={"nixpkgs": nixpkgs(OLD, ref="nixos-23.05")})
    own: Inputs = {"a": nixpkgs(NEXT, "nixos-unstable"), "b": nixpkgs(NEW), "x": x}
    finding = one(drift_of(scene({"app": own}, pins=pins), {"stable": Target(NEW), "unstable": Target(NEXT)}))
    assert finding.detail.endswith('inputs.x.inputs.nixpkgs.follows = "b"')
    assert finding.detail.startswith("a second copy of the repository of stable (at nixos-23.05) beside b; ")


def test_a_copy_that_its_flake_takes_from_the_registry_is_of_the_repository_that_its_lock_names() -> None:
    copy = replace(nixpkgs(OLD), original={"type": "indirect", "id": "pkgs"})
    x = locks.github("other", "x", inputs={"nixpkgs": copy})
    found = scene({"app": {"nixpkgs": nixpkgs(NEW), "x": x}}, pins=[pin("nixpkgs", NIXPKGS)])
    finding = one(drift_of(found, {"nixpkgs": Target(NEW)}))
    assert (finding.kind, finding.input) == ("duplicate", "x/nixpkgs")
    assert "(the registry's pkgs)" in finding.detail


def test_a_copy_of_which_the_lock_keeps_no_reference_is_of_what_it_is_locked_to() -> None:
    x = locks.github("other", "x", inputs={"nixpkgs": nixpkgs(OLD)})
    document = locks.lock({"pkgs": nixpkgs(NEW), "x": x})
    (copy,) = (each for each in document["nodes"].values() if each.get("locked", {}).get("rev") == OLD)
    del copy["original"]
    found = scene({"app": {".": document}}, pins=[pin("nixpkgs", NIXPKGS)])
    assert kinds(drift_of(found, {"nixpkgs": Target(NEW)})) == [("duplicate", "app", "x/nixpkgs")]


def test_a_copy_is_of_the_repository_that_its_flake_names_where_the_lock_has_another() -> None:
    copy = replace(nixpkgs(OLD), locked=locks.github("somebody", "nixpkgs", rev=OLD).locked)
    x = locks.github("other", "x", inputs={"nixpkgs": copy})
    found = scene({"app": {"nixpkgs": nixpkgs(NEW), "x": x}}, pins=[pin("nixpkgs", NIXPKGS)])
    assert kinds(drift_of(found, {"nixpkgs": Target(NEW)})) == [("duplicate", "app", "x/nixpkgs")]


def test_a_copy_below_a_folder_of_the_repo_is_removed_in_that_folder() -> None:
    x = locks.github("other", "x", inputs={"nixpkgs": nixpkgs(OLD)})
    sub = folder("./sub", {"np": nixpkgs(NEW), "x": x})
    finding = one(pinned({"app": {"sub": sub}}))
    assert (finding.kind, finding.input) == ("duplicate", "sub/x/nixpkgs")
    assert finding.detail.endswith('in the flake.nix of sub: inputs.x.inputs.nixpkgs.follows = "np" (then update sub)')


def test_a_name_that_nix_would_not_read_is_quoted() -> None:
    x = locks.github("other", "x", inputs={"nix.pkgs": nixpkgs(OLD)})
    finding = one(pinned({"app": {"nixpkgs": nixpkgs(NEW), "x": x}}))
    assert finding.detail.endswith('inputs.x.inputs."nix.pkgs".follows = "nixpkgs"')


def test_a_copy_at_the_target_and_a_follows_are_no_duplicates() -> None:
    same = locks.github("other", "x", inputs={"nixpkgs": nixpkgs(NEW)})
    follows = locks.github("other", "y", inputs={"nixpkgs": ("nixpkgs",)})
    assert pinned({"app": {"nixpkgs": nixpkgs(NEW), "x": same, "y": follows}}).findings == []


def test_of_two_that_are_alike_the_one_of_the_same_name_is_followed() -> None:
    x = locks.github("other", "x", inputs={"nixpkgs": nixpkgs(OLD)})
    finding = one(pinned({"app": {"a": nixpkgs(NEW), "nixpkgs": nixpkgs(NEW), "x": x}}))
    assert finding.detail.endswith('inputs.x.inputs.nixpkgs.follows = "nixpkgs"')


def test_what_flake_nix_fixes_is_followed_only_where_nothing_else_is() -> None:
    x = locks.github("other", "x", inputs={"np": nixpkgs(OLD, ref="nixos-24.05")})
    fixed = replace(
        nixpkgs(OLD, ref=None), original={"type": "github", "owner": "NixOS", "repo": "nixpkgs", "rev": OLD}
    )
    own: Inputs = {"a": fixed, "b": nixpkgs(NEW, ref="nixos-unstable"), "x": x}
    pins = [pin("stable", "github:NixOS/nixpkgs/nixos-25.11"), pin("nixpkgs", "github:NixOS/nixpkgs")]
    targets = {"stable": Target(NEW), "nixpkgs": Target(NEW)}
    for inputs, beside in ((own, "b"), ({"a": fixed, "x": x}, "a")):
        report = drift_of(scene({"app": inputs}, pins=pins), targets)
        (finding,) = (each for each in report.findings if each.kind == "duplicate")
        assert f"beside {beside}; to remove it:" in finding.detail
