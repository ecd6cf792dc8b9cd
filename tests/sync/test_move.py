"""What a pin replaces is moved on: flake.nix and flake.lock in one commit, in every repo, in order."""

import subprocess
from pathlib import Path

import pytest

from flakesync.nix.lock.file import LockFile
from flakesync.sync.lockers.auto import LockerChoice
from tests.support import repos
from tests.support.nix import RealNix
from tests.support.nixspace import Take, drift_of, flake_nix, read, run_sync
from tests.support.releases import HM_NEW, HM_OLD, NEW, OLD, Releases
from tests.support.repos import run_git


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    return Releases(tmp_path / "w")


def test_before_a_sync_drift_and_plan_say_what_is_left(releases: Releases) -> None:
    found = [f for f in drift_of(releases.manifest(), at="base") if f.kind in ("ref", "stale-lock")]
    assert [(f.kind, f.repo, f.input) for f in found] == [
        ("ref", "app", "hm"),
        ("ref", "app", "nixpkgs"),
        ("ref", "lib", "nixpkgs"),
    ]
    assert found[0].wanted_rev == releases.space.tip("hm", HM_NEW)
    assert found[1].detail == "nixos-25.11 in flake.nix:3, pin nixpkgs has nixos-26.05"


@pytest.mark.slow_between
@pytest.mark.parametrize("locker", ["auto", "nix"])
def test_one_run_moves_all_repos_and_nix_takes_their_locks(
    releases: Releases, nix: RealNix, use_nix: RealNix, locker: LockerChoice
) -> None:
    ran = run_sync(releases.manifest(), locker=locker)
    assert ran.errors == {}
    assert ran.statuses == {"lib": "updated", "app": "updated", "cli": "updated"}
    assert [[name for name, _ in wave] for wave in ran.plan.waves] == [["lib"], ["app"], ["cli"]]
    edits = {(each.input, each.edit.line, each.edit.from_, each.edit.to) for each in ran["app"].changes if each.edit}
    assert edits == {("nixpkgs", 3, OLD, NEW), ("hm", 4, HM_OLD, HM_NEW)}
    for name in ("lib", "app", "cli"):
        require_taken(releases, name)
        lock = LockFile.parse(releases.update(name, "flake.lock"))
        assert not any(OLD in str(node.original) for node in lock.nodes.values())
    assert releases.space.locked("app", "nixpkgs")["rev"] == releases.space.tip("nixpkgs", NEW)


def require_taken(releases: Releases, name: str, *files: str) -> None:
    """Require that Nix takes the lock of a repo's update as it is. files: others that the flake needs."""
    folder = releases.space.root / f"{name}-check"
    for file in ("flake.nix", "flake.lock", *files):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(releases.update(name, file))
    argv = ["nix", "flake", "lock", "--no-update-lock-file", f"path:{folder}"]
    subprocess.run(argv, check=True, capture_output=True)


def test_the_next_night_makes_no_commit_anew(releases: Releases, use_nix: RealNix) -> None:
    manifest = releases.manifest()
    run_sync(manifest, locker="auto")
    tips = {name: releases.space.ref(name) for name in releases.space.names}
    again = run_sync(manifest, locker="auto")
    assert set(again.statuses.values()) == {"unchanged"}
    assert {name: releases.space.ref(name) for name in releases.space.names} == tips
    assert [f.kind for f in drift_of(manifest)] == []


def test_an_input_that_only_a_person_can_edit_fails_its_repo_and_skips_those_who_take_it(
    releases: Releases, use_nix: RealNix
) -> None:
    space = releases.space
    text = read(space.path("lib"), space.tip("lib"), "flake.nix").decode()
    space.commit("lib", {"flake.nix": text.replace(f'?ref={OLD}";', f'?ref=" + "{OLD}";')})
    ran = run_sync(releases.manifest(), locker="auto")
    assert ran.statuses == {"lib": "failed", "app": "skipped", "cli": "skipped"}
    assert ran.errors["lib"] == "cannot-edit"
    error = ran["lib"].error
    assert error is not None
    assert "lib/flake.nix:3:" in error.message
    assert error.hint is not None
    assert NEW in error.hint
    assert space.ref("lib") is None


def test_what_the_manifest_holds_is_not_edited(releases: Releases, use_nix: RealNix) -> None:
    releases.space.manifest()
    manifest = releases.manifest()
    with manifest.open("a") as file:
        file.write('[defaults]\nhold = ["nixpkgs"]\n')
    ran = run_sync(manifest, locker="auto")
    assert [(stays.repo, stays.reason) for stays in ran.plan.held if stays.input == ("nixpkgs",)] == [
        ("app", "hold"),
        ("lib", "hold"),
    ]
    assert OLD.encode() in releases.update("app", "flake.nix")
    assert HM_NEW.encode() in releases.update("app", "flake.nix")


def test_a_branch_that_has_the_edits_is_landed_when_the_base_has_them(releases: Releases, use_nix: RealNix) -> None:
    manifest = releases.manifest()
    run_sync(manifest, locker="auto")
    space = releases.space
    for name in space.names:  # as a squash merge: the same files in another commit
        files = {file: releases.update(name, file).decode() for file in ("flake.nix", "flake.lock")}
        repos.commit(space.path(name), files, message="Squashed")
    ran = run_sync(manifest, locker="auto")
    assert "lib" not in ran.statuses or ran.statuses["lib"] == "unchanged"
    assert not any(change.edit for _, changes in ran.plan.changes() for change in changes)


def test_an_input_of_a_folder_of_the_repo_is_edited_there(releases: Releases, use_nix: RealNix) -> None:
    space = releases.space
    url = f"git+{space.url('nixpkgs')}?ref={OLD}"
    sub = flake_nix(f'\n    nixpkgs.url = "{url}";')
    space.add("top", {"nixpkgs": Take(ref=OLD, at=space.tip("nixpkgs", OLD))})
    path = space.path("top")
    repos.commit(path, {"flake.nix": flake_nix('\n    sub.url = "path:./sub";'), "sub/flake.nix": sub})
    subprocess.run(["nix", "flake", "lock", str(path)], check=True, capture_output=True)
    repos.commit(path, {"flake.lock": (path / "flake.lock").read_text()})
    ran = run_sync(releases.manifest(), locker="auto")
    assert ran.errors == {}
    assert [(each.input, each.edit and each.edit.file) for each in ran["top"].changes] == [
        ("sub/nixpkgs", "sub/flake.nix")
    ]
    assert releases.update("top", "sub/flake.nix").decode() == sub.replace(OLD, NEW)
    assert space.locked("top", "sub/nixpkgs")["rev"] == space.tip("nixpkgs", NEW)


def test_a_linked_flake_nix_is_edited_where_it_is(releases: Releases, use_nix: RealNix) -> None:
    space = releases.space
    path = space.path("lib")
    text = read(path, space.tip("lib"), "flake.nix").decode()
    run_git("rm", "-q", "flake.nix", cwd=path)
    (path / "nix").mkdir()
    (path / "nix/flake.nix").write_text(text)
    (path / "flake.nix").symlink_to("nix/flake.nix")
    run_git("add", "-A", cwd=path)
    run_git("commit", "-q", "-m", "Link", cwd=path)
    ran = run_sync(releases.manifest(), locker="auto")
    assert ran.errors == {}
    assert releases.update("lib", "nix/flake.nix").decode() == text.replace(OLD, NEW)


def test_what_is_no_reference_to_the_old_branch_stays(releases: Releases) -> None:
    space = releases.space
    at = space.tip("nixpkgs", OLD)
    space.add("odd", {
        "nixpkgs": Take(ref=OLD, at=at, fixed=True),
        "other": Take("nixpkgs", ref="main"),
        "globbed": Take("nixpkgs", ref=OLD, at=at),
        "legacy": Take("nixpkgs", ref=OLD, at=at),
    })  # fmt: skip
    url = f"git+{space.url('nixpkgs')}"
    manifest = space.manifest(pins={
        "nixpkgs": {"source": f"{url}?ref={NEW}", "replaces": [OLD], "inputs": ["nixpkgs", "other"]},
        "old": {"source": f"{url}?ref={OLD}", "inputs": ["legacy"]},
    })  # fmt: skip
    left = [found for found in drift_of(manifest, at="base") if found.repo == "odd" and found.kind == "ref"]
    assert {found.input: found.detail for found in left} == {
        "nixpkgs": "nixos-25.11 in flake.nix, pin nixpkgs has nixos-26.05: its flake.nix names the commit",
    }


def test_what_no_commit_may_be_taken_for_is_not_edited(releases: Releases, use_nix: RealNix) -> None:
    manifest = releases.manifest()
    text = manifest.read_text().replace('release = "26.05"', 'release = "26.05"\ncooldown = "7d"\ndated-by = "trusted"')
    manifest.write_text(text)
    ran = run_sync(manifest, locker="auto")
    assert not any(each.edit for _, changes in ran.plan.changes() for each in changes)
    held = {(stays.repo, stays.input): stays.reason for stays in ran.plan.held}
    assert held.keys() >= {("lib", ("nixpkgs",)), ("app", ("nixpkgs",)), ("app", ("hm",))}
    assert releases.space.ref("lib") is None


@pytest.mark.parametrize("target", ["newest-locked", "repo:lib"])
def test_a_pin_whose_target_locks_tell_moves_to_a_branch_that_no_lock_has_yet(
    releases: Releases, use_nix: RealNix, target: str
) -> None:
    manifest = releases.manifest()
    text = manifest.read_text().replace('nixos-{release}"', f'nixos-{{release}}"\ntarget = "{target}"')
    manifest.write_text(text)
    ran = run_sync(manifest, locker="auto")
    assert ran.errors == {}
    assert releases.space.locked("app", "nixpkgs")["rev"] == releases.space.tip("nixpkgs", NEW)
    again = run_sync(manifest, locker="auto")
    assert set(again.statuses.values()) == {"unchanged"}


@pytest.mark.parametrize("behind", [False, True])
def test_a_lock_that_is_of_the_new_branch_already_gets_its_flake_nix_edited(
    releases: Releases, use_nix: RealNix, behind: bool
) -> None:
    space = releases.space
    text = read(space.path("lib"), space.tip("lib"), "flake.nix").decode()
    space.lock("lib", {".": {"nixpkgs": Take(ref=NEW, at=space.tip("nixpkgs", NEW))}})
    space.commit("lib", {"flake.nix": text})
    if behind:
        space.commit("nixpkgs", {"more": "two"}, branch=NEW)
    ran = run_sync(releases.manifest(), locker="auto")
    assert ran.errors == {}
    assert NEW in releases.update("lib", "flake.nix").decode()
    assert space.locked("lib", "nixpkgs")["rev"] == space.tip("nixpkgs", NEW)
    assert set(run_sync(releases.manifest(), locker="auto").statuses.values()) == {"unchanged"}
