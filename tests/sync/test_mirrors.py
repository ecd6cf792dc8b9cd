"""Repos that are known by address alone: their update branches live in mirrors until somebody pushes them."""

import subprocess
from pathlib import Path

import pytest

from flakesync.cache.layout import cache_dir
from flakesync.git.remotes.mirror import mirror_path
from flakesync.terms import Rev
from tests.support.nix import RealNix
from tests.support.nixspace import UPDATE, UPDATE_BRANCH, Space, Take, drift_of, read, ref_in, run_sync
from tests.support.repos import run_git

pytestmark = [pytest.mark.usefixtures("use_nix"), pytest.mark.slow_between]


@pytest.fixture
def space(tmp_path: Path) -> Space:
    space = Space(tmp_path / "space")
    return space.add("lib").add("tool", {"nixpkgs": Take(), "lib": Take(ref=None)}).add("app", {"tool": Take()})


def mirror_of(space: Space, name: str) -> Path:
    return mirror_path(space.url(name), cache_dir())


def mirrored_tips(space: Space) -> dict[str, Rev | None]:
    return {name: ref_in(mirror_of(space, name), UPDATE) for name in space.names}


def push(space: Space, name: str) -> None:
    """Do what publishing will do."""
    run_git("push", "--quiet", "--force", space.url(name), f"{UPDATE}:{UPDATE}", cwd=mirror_of(space, name))


def locked_rev(space: Space, name: str, path: str) -> object:
    mirror = mirror_of(space, name)
    tip = ref_in(mirror, UPDATE)
    assert tip is not None
    from flakesync.nix.lock.file import LockFile

    node = LockFile.parse(read(mirror, tip, "flake.lock")).node(tuple(path.split("/")))
    assert node is not None
    assert "/mirrors/" not in str(node)
    return (node.locked or {}).get("rev")


def test_update_branches_live_in_the_mirrors_and_the_servers_see_nothing(nix: RealNix, space: Space) -> None:
    manifest = space.manifest(mirrored=space.names)
    ran = run_sync(manifest)
    assert ran.errors == {}
    assert {name: space.ref(name) for name in space.names} == dict.fromkeys(space.names)
    tips = mirrored_tips(space)
    assert tips == {outcome.repo: outcome.commit for outcome in ran.document.repos}
    assert locked_rev(space, "tool", "lib") == tips["lib"]
    assert locked_rev(space, "app", "tool") == tips["tool"]
    assert drift_of(manifest) == []
    assert set(run_sync(manifest).statuses.values()) == {"unchanged"}
    assert mirrored_tips(space) == tips


def test_pushed_branches_are_what_a_cold_nix_can_fetch(
    nix: RealNix, space: Space, tmp_path: Path, cold_nix_env: dict[str, str]
) -> None:
    run_sync(space.manifest(mirrored=space.names))
    for name in space.names:
        push(space, name)
    clone = tmp_path / "clone"
    run_git("clone", "--quiet", "--branch", UPDATE_BRANCH, str(space.path("app")), str(clone), cwd=tmp_path)
    argv = [str(nix.path), "flake", "archive", f"git+file://{clone}"]
    subprocess.run(argv, env=cold_nix_env, check=True, capture_output=True)
    assert run_git("status", "--porcelain", cwd=clone) == ""


def test_clones_and_mirrors_make_the_same_commits(any_nix: RealNix, space: Space) -> None:
    local = run_sync(space.manifest())
    for name in space.names:
        run_git("update-ref", "-d", UPDATE, cwd=space.path(name))
    mirrored = run_sync(space.manifest(mirrored=space.names))
    assert {outcome.repo: outcome.commit for outcome in local.document.repos} == mirrored_tips(space)
    assert mirrored.document.run == local.document.run


def test_a_clone_may_stand_beside_mirrors(any_nix: RealNix, space: Space) -> None:
    ran = run_sync(space.manifest(mirrored=["lib", "app"]))
    assert ran.errors == {}
    assert space.locked("tool", "lib")["rev"] == ref_in(mirror_of(space, "lib"), UPDATE)
    assert locked_rev(space, "app", "tool") == space.ref("tool")


def test_another_machine_finds_pushed_branches_unchanged(
    any_nix: RealNix, space: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = space.manifest(mirrored=space.names)
    run_sync(manifest)
    tips = mirrored_tips(space)
    for name in space.names:
        push(space, name)
    monkeypatch.setenv("FLAKESYNC_CACHE", str(tmp_path / "other-machine"))
    assert run_sync(manifest, dry_run=True).statuses == dict.fromkeys(space.names, "unchanged")
    ran = run_sync(manifest)
    assert ran.statuses == dict.fromkeys(space.names, "unchanged")
    assert {outcome.repo: outcome.commit for outcome in ran.document.repos} == tips
    space.commit("nixpkgs", {"README": "three"})
    assert set(run_sync(manifest).statuses.values()) == {"updated"}
    assert {name: space.ref(name) for name in space.names} == tips, "only publishing pushes"


def test_another_machine_with_the_same_work_to_do_makes_the_same_commits(
    any_nix: RealNix, space: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = space.manifest(mirrored=space.names)
    run_sync(manifest)
    tips = mirrored_tips(space)
    monkeypatch.setenv("FLAKESYNC_CACHE", str(tmp_path / "other-machine"))
    assert set(run_sync(manifest).statuses.values()) == {"updated"}
    assert mirrored_tips(space) == tips


def test_a_moved_base_on_the_server_rebuilds_the_mirrors_branch(any_nix: RealNix, space: Space) -> None:
    manifest = space.manifest(mirrored=space.names)
    run_sync(manifest)
    base = space.commit("lib", {"README": "x"})
    ran = run_sync(manifest)
    assert ran.statuses == dict.fromkeys(space.names, "updated")
    assert run_git("rev-parse", f"{UPDATE}^", cwd=mirror_of(space, "lib")) == base


def test_a_branch_that_somebody_pushed_commits_to_is_left_alone(any_nix: RealNix, space: Space) -> None:
    manifest = space.manifest(mirrored=space.names)
    run_sync(manifest)
    for name in space.names:
        push(space, name)
    theirs = space.commit("tool", {"README": "x"}, branch=UPDATE_BRANCH, message="Mine")
    mine = mirrored_tips(space)["tool"]
    space.commit("nixpkgs", {"README": "three"})
    assert run_sync(manifest, dry_run=True).errors == {"tool": "branch-taken", "app": "upstream-failed"}
    ran = run_sync(manifest)
    assert ran.errors == {"tool": "branch-taken", "app": "upstream-failed"}
    assert space.ref("tool") == theirs
    assert mirrored_tips(space)["tool"] == mine


def test_offline_works_from_the_mirrors_alone(any_nix: RealNix, space: Space) -> None:
    pins = {"nixpkgs": {"source": f"git+{space.url('nixpkgs')}?ref=main", "target": "newest-locked"}}
    manifest = space.manifest(pins=pins, mirrored=space.names)
    run_sync(manifest)
    space.commit("lib", {"README": "x"})
    before = mirrored_tips(space)
    space.path("lib").rename(space.root / "away")
    assert run_sync(manifest).errors == {"lib": "unreachable"}
    assert run_sync(manifest, offline=True).errors == {}
    assert mirrored_tips(space) == before
