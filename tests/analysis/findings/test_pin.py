"""An input that is not at its pin's target, and which inputs a pin governs."""

import pytest

from flakesync.survey.pins import Target
from flakesync.terms import Rev
from tests.support import locks
from tests.support.drift import NEW, NEXT, NIXPKGS, OLD, A, B, drift_of, kinds, one, pinned
from tests.support.locks import Input, Inputs
from tests.support.workspaces import DAY_S, NOW, nixpkgs, pin, scene, takes


def test_an_input_that_is_not_at_its_pin_is_a_finding() -> None:
    finding = one(pinned({"app": {"nixpkgs": nixpkgs(OLD)}, "lib": {"nixpkgs": nixpkgs(NEW)}}))
    assert (finding.kind, finding.repo, finding.flake, finding.input) == ("pin", "app", ".", "nixpkgs")
    assert (finding.locked_rev, finding.wanted_rev) == (OLD, NEW)
    assert finding.detail == "not at pin nixpkgs"


def test_how_far_a_pin_is_behind_is_said_in_days() -> None:
    flakes = {
        "app": {"nixpkgs": nixpkgs(OLD, last_modified=NOW - 12 * DAY_S)},
        "lib": {"nixpkgs": nixpkgs(NEW, last_modified=NOW - 2 * DAY_S)},
    }
    assert one(pinned(flakes)).detail == "not at pin nixpkgs, 10 days behind"


def test_the_input_may_have_any_name_and_several_inputs_are_several_findings() -> None:
    flakes = {"app": {"pkgs": nixpkgs(OLD), "other": nixpkgs(NEXT)}}
    assert kinds(pinned(flakes)) == [("pin", "app", "other"), ("pin", "app", "pkgs")]


def test_a_commit_that_flake_nix_names_is_shown_as_fixed() -> None:
    fixed = Input(nixpkgs(OLD).locked, {**locks.github("NixOS", "nixpkgs").original, "rev": OLD})
    found = scene({"app": {"nixpkgs": fixed}}, pins=[pin("nixpkgs", "github:NixOS/nixpkgs")])
    assert one(drift_of(found, {"nixpkgs": Target(NEW)})).detail == "not at pin nixpkgs, fixed by its flake.nix"


def test_two_pins_of_one_source_govern_their_own_refs() -> None:
    pins = [pin("stable", NIXPKGS), pin("unstable", "github:NixOS/nixpkgs/nixos-unstable")]
    flakes: dict[str, Inputs] = {
        "app": {"a": nixpkgs(OLD), "b": nixpkgs(OLD, "nixos-unstable"), "c": nixpkgs(OLD, None)}
    }
    report = drift_of(scene(flakes, pins=pins), {"stable": Target(NEW), "unstable": Target(NEXT)})
    assert [(found.kind, found.input, found.wanted_rev) for found in report.findings] == [
        ("pin", "a", NEW),
        ("pin", "b", NEXT),
        ("ref", "c", None),
    ]
    assert report.findings[2].detail == "github.com/nixos/nixpkgs at the default branch, which no pin has"


def test_a_branch_may_be_spelled_in_full() -> None:
    assert kinds(pinned({"app": {"nixpkgs": nixpkgs(OLD, "refs/heads/nixos-25.11")}})) == [("pin", "app", "nixpkgs")]


def test_globs_choose_inputs_of_any_ref_and_depth() -> None:
    flakes: dict[str, Inputs] = {
        "app": {
            "fenix": locks.github("nix-community", "fenix", inputs={"nixpkgs": nixpkgs(OLD, "nixos-unstable")}),
            "nixpkgs": nixpkgs(OLD, "nixos-24.05"),
            "other": nixpkgs(OLD),
        }
    }
    report = pinned(flakes, inputs=("nixpkgs", "*/nixpkgs"))
    assert kinds(report) == [("pin", "app", "fenix/nixpkgs"), ("pin", "app", "nixpkgs")]


def test_a_glob_does_not_choose_inputs_of_other_repositories() -> None:
    assert pinned({"app": {"nixpkgs": locks.github("acme", "nixpkgs-fork")}}, inputs=("nixpkgs",)).findings == []


def test_among_globs_the_pin_of_the_own_ref_goes_first() -> None:
    pins = [pin("a", "github:NixOS/nixpkgs/nixos-24.05", inputs=("*",)), pin("b", NIXPKGS)]
    found = scene({"app": {"nixpkgs": nixpkgs(OLD)}}, pins=pins)
    assert one(drift_of(found, {"a": Target(NEW), "b": Target(NEXT)})).wanted_rev == NEXT


def test_an_input_that_follows_is_nobodys_to_move() -> None:
    flakes: dict[str, Inputs] = {"app": {"nixpkgs": nixpkgs(OLD), "pkgs": ("nixpkgs",)}}
    assert kinds(pinned(flakes)) == [("pin", "app", "nixpkgs")]


def test_a_pinned_repo_of_the_workspace_is_the_pins() -> None:
    found = scene(
        {"app": {"lib": takes("lib", rev=A)}, "lib": {}},
        pins=[pin("lib", "github:acme/lib")],
        branches={"lib": {"main": [A, B]}},
    )
    finding = one(drift_of(found, {"lib": Target(B)}))
    assert (finding.kind, finding.wanted_rev) == ("pin", B)


def archive(version: str, rev: Rev | None, **more: object) -> Input:
    url = f"https://flakehub.com/f/NixOS/nixpkgs/{version}"
    pinned_url = f"https://api.flakehub.com/f/pinned/NixOS/nixpkgs/{version}.1/id/source.tar.gz"
    known = {"rev": rev} if rev else {}
    nar_hash = locks.nar_hash_of(rev or version)
    return Input(
        {"type": "tarball", "url": pinned_url, "narHash": nar_hash, **known, **more}, {"type": "tarball", "url": url}
    )


def test_two_versions_of_an_archive_are_two_sources() -> None:
    pins = [
        pin("a", "https://flakehub.com/f/NixOS/nixpkgs/0.1"),
        pin("b", "https://flakehub.com/f/NixOS/nixpkgs/0.2505.tar.gz"),
    ]
    found = scene(
        {"app": {"x": archive("0.1", OLD), "y": archive("0.2505", OLD), "z": archive("0.2411", OLD)}}, pins=pins
    )
    report = drift_of(found, {"a": Target(NEW), "b": Target(NEXT)})
    assert [(found.kind, found.input, found.wanted_rev) for found in report.findings] == [
        ("pin", "x", NEW),
        ("pin", "y", NEXT),
        ("ref", "z", None),
    ]


@pytest.mark.parametrize("host", ["nixos.org/channels", "channels.nixos.org"])
def test_a_channel_has_two_addresses(host: str) -> None:
    url = f"https://{host}/nixos-25.11/nixexprs.tar.xz"
    channel = Input(locks.tarball(url).locked | {"rev": OLD}, {"type": "tarball", "url": url})
    found = scene(
        {"app": {"nixpkgs": channel}}, pins=[pin("n", "https://channels.nixos.org/nixos-25.11/nixexprs.tar.xz")]
    )
    assert one(drift_of(found, {"n": Target(NEW)})).wanted_rev == NEW


def test_an_archive_without_a_commit_is_compared_by_its_hash() -> None:
    pins = [pin("n", "https://flakehub.com/f/NixOS/nixpkgs/0.1")]
    here = Target(NEW, None, {"type": "tarball", "narHash": locks.nar_hash_of("0.1")})
    found = scene({"app": {"nixpkgs": archive("0.1", None)}}, pins=pins)
    assert drift_of(found, {"n": here}).findings == []
    finding = one(drift_of(found, {"n": Target(NEW)}))
    assert (finding.kind, finding.locked_rev, finding.wanted_rev) == ("pin", None, NEW)
    assert finding.detail == "not at pin n, its lock names no commit"
