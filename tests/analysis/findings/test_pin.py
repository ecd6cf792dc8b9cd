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


@pytest.mark.parametrize("ref", [None, "v1"])
@pytest.mark.parametrize("globs", [None, ("*",), ("*", "*/*")])
def test_pins_of_different_repositories_at_the_same_ref_govern_each_its_own(
    ref: str | None, globs: tuple[str, ...] | None
) -> None:
    url = f"/{ref}" if ref is not None else ""
    pins = [pin("x", f"github:one/x{url}", inputs=globs), pin("y", f"github:two/y{url}", inputs=globs)]
    flakes: dict[str, Inputs] = {
        "app": {"a": locks.github("one", "x", rev=OLD, ref=ref), "b": locks.github("two", "y", rev=OLD, ref=ref)}
    }
    for ordered in (pins, pins[::-1]):
        report = drift_of(scene(flakes, pins=ordered), {"x": Target(NEW), "y": Target(NEXT)})
        assert [(found.kind, found.input, found.wanted_rev) for found in report.findings] == [
            ("pin", "a", NEW),
            ("pin", "b", NEXT),
        ]


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


def test_an_input_that_follows_is_governed_through_the_node_it_leads_to() -> None:
    pins = takes("pins", inputs={"nixpkgs": nixpkgs(OLD, last_modified=NOW - 12 * DAY_S)})
    app: Inputs = {"a": ("nixpkgs",), "nixpkgs": ("pins", "nixpkgs"), "pins": pins}
    report = pinned({"app": app, "pins": {"nixpkgs": nixpkgs(NEW, last_modified=NOW - 2 * DAY_S)}})
    assert [(each.rev, each.repos) for each in report.pins[0].locked] == [(NEW, ["pins"]), (OLD, ["app"])]
    assert kinds(report) == [("pin", "app", "a"), ("pin", "app", "nixpkgs")]
    detail = "not at pin nixpkgs, 10 days behind, through pins/nixpkgs: moves when pins moves"
    assert {finding.detail for finding in report.findings} == {detail}


def test_following_an_input_that_the_pin_governs_is_told_of_that_one_alone() -> None:
    assert kinds(pinned({"app": {"np": ("nixpkgs",), "nixpkgs": nixpkgs(OLD)}})) == [("pin", "app", "nixpkgs")]


def test_an_input_that_follows_what_another_pin_governs_is_told_of_both() -> None:
    pins = [pin("a", NIXPKGS, inputs=("nixpkgs",)), pin("b", NIXPKGS, inputs=("np",))]
    app: Inputs = {"np": ("nixpkgs",), "nixpkgs": nixpkgs(OLD)}
    found = scene({"app": app}, pins=pins)
    report = drift_of(found, {"a": Target(NEW), "b": Target(NEXT)})
    assert [each.detail for each in report.findings] == [
        "not at pin a",
        "not at pin b, through nixpkgs: moves when nixpkgs moves",
    ]


@pytest.mark.parametrize("followed", [(), ("lib",), ("sub",)])
def test_a_follows_of_the_flake_itself_or_of_anything_else_is_no_pins(followed: tuple[str, ...]) -> None:
    app: Inputs = {"lib": takes("lib"), "nixpkgs": followed, "sub": locks.folder("./sub", {})}
    assert pinned({"app": app, "lib": {}}).pins[0].locked == []


def test_a_follows_of_another_ref_is_governed_by_globs_alone() -> None:
    pins = locks.github("other", "pins", inputs={"nixpkgs": nixpkgs(OLD, ref="nixos-unstable")})
    flakes: dict[str, Inputs] = {"app": {"nixpkgs": ("pins", "nixpkgs"), "pins": pins}}
    assert pinned(flakes).pins[0].locked == []
    assert kinds(pinned(flakes, inputs=("nixpkgs",))) == [("pin", "app", "nixpkgs")]


def test_the_target_of_a_repo_that_follows_its_pins_is_where_that_leads() -> None:
    pins = locks.github("other", "pins", inputs={"nixpkgs": nixpkgs(NEW)})
    flakes: dict[str, Inputs] = {"lead": {"nixpkgs": ("pins", "nixpkgs"), "pins": pins}, "app": {"np": nixpkgs(OLD)}}
    found = scene(flakes, pins=[pin("nixpkgs", NIXPKGS, target="repo:lead")])
    finding = one(drift_of(found, {}))
    assert (finding.repo, finding.wanted_rev) == ("app", NEW)


@pytest.mark.parametrize("old", [False, True])
def test_the_inputs_of_a_folder_of_the_repo_are_governed_like_root_inputs(old: bool) -> None:
    sub = locks.folder("./sub", {"nixpkgs": nixpkgs(OLD), "np": ("pins", "nixpkgs")}, old=old)
    pins = locks.github("other", "pins", inputs={"nixpkgs": nixpkgs(OLD)})
    report = pinned({"app": {"pins": pins, "sub": sub}})
    assert kinds(report) == [("pin", "app", "sub/nixpkgs"), ("pin", "app", "sub/np")]
