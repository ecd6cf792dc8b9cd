"""What the manifest says of follows: its values, what they are where they are left out, and what is wrong."""

from pathlib import Path

import pytest

from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.workspace.manifest import InvalidManifest, Workspace
from flakesync.workspace.manifest import parse_workspace as parse
from flakesync.workspace.settings.follow import (
    FollowRules,
    finds_through_follows,
    reads_deep_overrides,
    show_version,
)

NIXPKGS = 'source = "github:NixOS/nixpkgs/nixos-25.11"'


def load(*, workspace: str = "", pin: str = "", defaults: str = "", repo: str = "") -> Workspace:
    tables = f"[workspace]\n{workspace}\n[pins.nixpkgs]\n{NIXPKGS}\n{pin}\n[defaults]\n{defaults}\n"
    return parse(Path("/nowhere/workspace.toml"), f'{tables}[repos.lib]\nurl = "github:a/lib"\n{repo}\n'.encode())


def test_every_key_arrives_with_its_value() -> None:
    pin = 'follow = "write"\nfollow-match = "same-repository"\nkeep = ["a/*"]\nstand-ins = ["github:a/b"]'
    found = load(workspace='nix-min = "2.30"', pin=pin, defaults='keep = ["b/*"]', repo='follow = "off"')
    rules = FollowRules(mode="write", match="same-repository", keep=("a/*",), stand_ins=(FlakeRef.parse("github:a/b"),))
    assert found.pins[0].follow == rules
    assert found.nix_min == (2, 30)
    assert (found.repos[0].keep, found.repos[0].follow) == (("b/*",), "off")


def test_left_out_they_report_the_same_ref_for_the_oldest_nix() -> None:
    found = load()
    assert found.pins[0].follow == FollowRules(mode="report", match="same-ref", keep=(), stand_ins=())
    assert (found.nix_min, found.repos[0].keep, found.repos[0].follow) == ((2, 8), (), None)
    assert load(defaults='follow = "off"').repos[0].follow == "off"
    assert load(defaults='keep = ["a"]', repo="keep = []").repos[0].keep == ()


@pytest.mark.parametrize(
    ("tables", "place", "message", "hint"),
    [
        ({"workspace": "nix-min = 2.30"}, "workspace.nix-min", "must be a string, not a float", "2.30 is 2.3"),
        ({"workspace": 'nix-min = "2.4"'}, "workspace.nix-min", "`2.4` is older than 2.8", None),
        ({"workspace": 'nix-min = "new"'}, "workspace.nix-min", "`new` is no version of Nix", 'nix-min = "2.26"'),
        ({"pin": 'follow = "wirte"'}, "pins.nixpkgs.follow", "must be one of", "did you mean `write`?"),
        ({"pin": 'follow-match = "ref"'}, "pins.nixpkgs.follow-match", "must be one of", None),
        ({"pin": 'keep = ["**"]'}, "pins.nixpkgs.keep[0]", "uses `**`", None),
        ({"pin": 'stand-ins = ["nixpkgs"]'}, "pins.nixpkgs.stand-ins[0]", "does not say where", None),
        ({"pin": f'stand-ins = ["github:a/b/{"a" * 40}"]'}, "pins.nixpkgs.stand-ins[0]", "names a rev", "stays at it"),
        ({"repo": 'follow = "no"'}, "repos.lib.follow", "must be one of", None),
        ({"repo": "stand-ins = []"}, "repos.lib.stand-ins", "unknown key", "[pins.NAME]"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    tables: dict[str, str], place: str, message: str, hint: str | None
) -> None:
    with pytest.raises(InvalidManifest) as caught:
        load(**tables)
    (problem,) = caught.value.problems
    assert problem.place == place
    assert message in problem.message
    assert hint is None or hint in (problem.hint or "")


def test_what_a_version_of_nix_reads_and_finds() -> None:
    versions = [(2, 8), (2, 18, 1), (2, 19), (2, 29), (2, 30), (2, 34, 1), (2, 91)]
    assert [show_version(each) for each in versions if reads_deep_overrides(each)] == ["2.30", "2.34.1", "2.91"]
    assert [show_version(each) for each in versions if finds_through_follows(each)] == [
        "2.19",
        "2.29",
        "2.30",
        "2.34.1",
    ]
