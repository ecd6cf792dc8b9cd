"""`flakesync move`: branches are looked for, the manifest is edited, and what is left to do is told."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Ran
from tests.support.nixspace import read
from tests.support.releases import Releases
from tests.support.repos import run_git

Flakesync = Callable[..., Ran]


@pytest.fixture
def releases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Releases:
    made = Releases(tmp_path / "w")
    made.before()
    monkeypatch.chdir(made.space.root)
    return made


def text_of(releases: Releases) -> str:
    return (releases.space.root / "workspace.toml").read_text()


def test_it_writes_the_release_and_tells_what_sync_will_edit(releases: Releases, flakesync: Flakesync) -> None:
    space = releases.space
    flake = read(space.path("lib"), space.tip("lib"), "flake.nix").decode()
    space.commit("lib", {"flake.nix": flake.replace("outputs", "# 25.11, not\n  # 125.110\n  outputs")})
    before = text_of(releases)
    ran = flakesync("move", "26.05")
    assert ran.status == 0, ran.err
    assert text_of(releases) == before.replace('release = "25.11"\n', 'release = "26.05"\nreplaces = ["25.11"]\n')
    nixpkgs, hm = space.tip("nixpkgs", "nixos-26.05")[:7], space.tip("hm", "release-26.05")[:7]
    assert ran.out.splitlines() == [
        f"nixpkgs  nixos-25.11    → nixos-26.05    {nixpkgs}",
        f"hm       release-25.11  → release-26.05  {hm}",
        "workspace.toml changed: release, replaces",
        "",
        "2 repos, 3 inputs to move in 2 waves; run `flakesync sync`",
        *[each for each in ran.out.splitlines() if each.startswith("  ")],
    ]
    rows = [" ".join(each.split()) for each in ran.out.splitlines() if each.startswith("  ")]
    assert [each.split(" ", 2)[2] for each in rows] == [
        "nixpkgs: nixos-25.11 → nixos-26.05",
        "hm: release-25.11 → release-26.05",
        "nixpkgs: nixos-25.11 → nixos-26.05",
        "also says 25.11: # 25.11, not (not touched)",
    ]


def test_it_changes_nothing_when_it_is_done_again_and_keeps_both_releases_of_two_moves(
    releases: Releases, flakesync: Flakesync
) -> None:
    flakesync("move", "26.05")
    once = text_of(releases)
    again = flakesync("move", "26.05")
    assert (again.status, text_of(releases)) == (0, once)
    assert again.out.startswith("2 repos, 3 inputs to move")
    for name, branch in (("nixpkgs", "nixos-26.11"), ("hm", "release-26.11")):
        releases.space.commit(name, {"release": branch}, branch=branch)
    assert flakesync("move", "26.11").status == 0
    assert 'release = "26.11"\nreplaces = ["25.11", "26.05"]\n' in text_of(releases)
    assert "2 repos, 3 inputs" in flakesync("move", "--check").out
    assert flakesync("move", "25.11").status == 0
    assert 'release = "25.11"\nreplaces = ["26.05", "26.11"]\n' in text_of(releases)
    assert "no input is left to move" in flakesync("move", "--check").out


def test_a_branch_that_is_missing_stops_it_before_anything_is_written(releases: Releases, flakesync: Flakesync) -> None:
    run_git("branch", "-D", "release-26.05", cwd=releases.space.path("hm"))
    before = text_of(releases)
    ran = flakesync("move", "26.05")
    assert ran.status == 2
    assert ran.err.splitlines()[-2:] == [
        f"error[no-branch]: git+{releases.space.url('hm')} has no branch release-26.05",
        "hint: leave it at release-25.11 for now: --except hm",
    ]
    assert text_of(releases) == before
    left = flakesync("move", "26.05", "--except", "hm")
    assert left.status == 0, left.err
    assert f'source = "git+{releases.space.url("hm")}?ref=release-25.11"' in text_of(releases)
    assert "hm:" not in left.out
    once = text_of(releases)
    assert flakesync("move", "26.05", "--except", "hm").status == 0
    assert text_of(releases) == once


def test_one_pin_moves_to_another_branch_and_remembers_the_one_it_had(releases: Releases, flakesync: Flakesync) -> None:
    ran = flakesync("move", "hm", "release-26.05")
    assert ran.status == 0, ran.err
    assert '?ref=release-26.05"\nreplaces = ["release-25.11"]' in text_of(releases)
    assert "1 repo, 1 input to move" in ran.out
    missing = flakesync("move", "nixpkgs", "nixos-27.05")
    assert missing.status == 2
    assert "has no branch nixos-27.05" in missing.err
    assert "hint" not in missing.err


def test_dry_run_writes_nothing_and_json_has_it_all(releases: Releases, flakesync: Flakesync) -> None:
    before = text_of(releases)
    ran = flakesync("move", "26.05", "--dry-run", "--json")
    assert (ran.status, text_of(releases)) == (0, before)
    document = json.loads(ran.out)
    assert document["schema"] == "flakesync/move/1"
    assert (document["release"], document["dry_run"], document["written"]) == ("26.05", True, ["release", "replaces"])
    assert [(pin["name"], pin["from"], pin["to"]) for pin in document["pins"]] == [
        ("nixpkgs", "nixos-25.11", "nixos-26.05"),
        ("hm", "release-25.11", "release-26.05"),
    ]
    assert [(repo["repo"], [edit["input"] for edit in repo["edits"]]) for repo in document["repos"]] == [
        ("app", ["nixpkgs", "hm"]),
        ("lib", ["nixpkgs"]),
    ]
    assert "would change: release, replaces" in flakesync("move", "26.05", "--dry-run").out


def test_check_tells_what_is_left_and_exits_with_one(releases: Releases, flakesync: Flakesync) -> None:
    assert flakesync("move", "--check").status == 0
    releases.manifest()
    ran = flakesync("move", "--check")
    assert ran.status == 1
    assert "3 inputs to move" in ran.out


def test_an_input_that_only_a_person_can_edit_is_named_with_its_place(releases: Releases, flakesync: Flakesync) -> None:
    space = releases.space
    flake = read(space.path("lib"), space.tip("lib"), "flake.nix").decode()
    space.commit("lib", {"flake.nix": flake.replace("?ref=nixos-25.11", '?ref=" + "nixos-25.11')})
    ran = flakesync("move", "26.05")
    assert ran.status == 1
    (said,) = [each for each in ran.out.splitlines() if "!" in each]
    assert "lib  ! flake.nix:3:" in said
    assert "1 repo, 2 inputs to move in 1 wave;" in ran.out
    assert said.endswith("change it yourself")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("move",), "name a release, or a pin and its new branch"),
        (("move", "26.05", "--check"), "--check takes no release"),
        (("move", "26.05", "--offline"), "error[offline]"),
        (("move", "2 6"), "is no release"),
        (("move", "hm"), "name the new branch of pin hm"),
        (("move", "nope", "x"), "error[unknown-pin]"),
        (("move", "26.05", "--except", "nipkgs"), "did you mean `nixpkgs`"),
        (("move", "hm", "a b"), "is not a branch name"),
        (("move", "hm", "x", "--except", "hm"), "--except is for a move to a release"),
    ],
)
def test_what_cannot_be_meant_is_an_error_and_writes_nothing(
    releases: Releases, flakesync: Flakesync, arguments: tuple[str, ...], said: str
) -> None:
    before = text_of(releases)
    ran = flakesync(*arguments)
    assert ran.status == 2
    assert said in ran.err
    assert text_of(releases) == before


def test_without_a_release_it_says_how_to_have_one(releases: Releases, flakesync: Flakesync) -> None:
    releases.space.manifest()
    ran = flakesync("move", "26.05")
    assert ran.status == 2
    assert "error[release-missing]" in ran.err
    assert "nixos-{release}" in ran.err


def test_a_pin_with_a_commit_as_its_target_is_told(releases: Releases, flakesync: Flakesync) -> None:
    file = releases.space.root / "workspace.toml"
    rev = releases.space.tip("hm", "release-25.11")
    file.write_text(text_of(releases).replace('release-{release}"', f'release-{{release}}"\ntarget = "{rev}"'))
    ran = flakesync("move", "26.05", "--dry-run")
    assert ran.status == 0
    assert "pins.hm.target is a commit of the branch before" in ran.err
