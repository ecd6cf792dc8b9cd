"""Whole workspaces, real git, real Nix: one sync brings everything to one nixpkgs, and a second one does nothing."""

import subprocess
from pathlib import Path

import pytest

from flakesync.git.repository import Repository
from flakesync.git.store.trees import changed_paths
from flakesync.sync.lockers.auto import LockerChoice
from tests.support.nix import RealNix
from tests.support.nixspace import UPDATE, UPDATE_BRANCH, Ran, Space, Take, chain, drift_of, fan, read, run_sync
from tests.support.repos import run_git


@pytest.mark.slow
@pytest.mark.parametrize("shape", [chain, fan])
def test_thirty_repos_come_to_one_nixpkgs_in_one_sync_whoever_writes_the_locks(
    use_nix: RealNix, any_nix: RealNix, tmp_path: Path, shape: type
) -> None:
    space: Space = shape(tmp_path / "space", 30)
    manifest = space.manifest()
    commits = assert_all_move(space, manifest, "nix")
    assert_nix_takes_the_locks(any_nix, space, tmp_path / "clones")
    for name in space.names:
        run_git("update-ref", "-d", UPDATE, cwd=space.path(name))
    assert assert_all_move(space, manifest, "native") == commits


def assert_all_move(space: Space, manifest: Path, locker: LockerChoice) -> dict[str, str | None]:
    """Check that one sync brings all repos into step, and that a second one does nothing; return the commits."""
    first = run_sync(manifest, locker=locker)
    assert set(first.statuses.values()) == {"updated"}, first.errors
    assert_in_step(space, first)
    assert drift_of(manifest) == []
    before = {name: space.ref(name) for name in space.names}
    second = run_sync(manifest, locker=locker)
    assert set(second.statuses.values()) == {"unchanged"}
    assert {name: space.ref(name) for name in space.names} == before
    commits: dict[str, str | None] = {outcome.repo: outcome.commit for outcome in second.document.repos}
    assert commits == before
    return commits


@pytest.mark.usefixtures("use_nix")
def test_every_nix_writes_locks_that_a_cold_nix_accepts(
    nix: RealNix, tmp_path: Path, cold_nix_env: dict[str, str]
) -> None:
    space = chain(tmp_path / "space", 3)
    space.add("src", {"nixpkgs": Take(), "r2": Take(flake=False), "r0": Take(follows={"nixpkgs": "nixpkgs"})})
    space.add("end", {"nixpkgs": "src/nixpkgs", "src": Take(), "r1": Take(ref=None)})
    manifest = space.manifest()
    first = run_sync(manifest)
    assert set(first.statuses.values()) == {"updated"}, first.errors
    assert_in_step(space, first)
    assert drift_of(manifest) == []
    assert set(run_sync(manifest).statuses.values()) == {"unchanged"}
    assert_nix_takes_the_locks(nix, space, tmp_path / "clones")
    # Now from an empty store: every narHash, rev, ref, revCount and date in the lock is looked at.
    subprocess.run(
        [nix.path, "flake", "archive", f"git+file://{tmp_path}/clones/end"],
        env=cold_nix_env, check=True, capture_output=True,
    )  # fmt: skip


def assert_in_step(space: Space, ran: Ran) -> None:
    """Check that every input is at the pin's target or at its upstream's update commit, in canonical form."""
    target = space.tip("nixpkgs")
    for name in space.names:
        outcome = ran[name]
        assert outcome.commit == space.ref(name)
        for change in outcome.changes:
            locked = space.locked(name, change.input)
            upstream = str(locked["url"]).rpartition("/")[2]
            assert locked["url"] == space.url(upstream)
            assert locked["rev"] == (target if upstream == "nixpkgs" else space.ref(upstream))
            assert str(locked["ref"]).removeprefix("refs/heads/") == (
                "main" if upstream == "nixpkgs" else UPDATE_BRANCH
            )
        with Repository.open(space.path(name)) as repository:
            assert changed_paths(repository.reader, space.tip(name), space.tip(name, UPDATE_BRANCH)) == {"flake.lock"}


def assert_nix_takes_the_locks(nix: RealNix, space: Space, folder: Path) -> None:
    """Check on a clone of each update branch that Nix would change nothing in its lock."""
    folder.mkdir()
    for name in space.names:
        run_git("clone", "--quiet", "--branch", UPDATE_BRANCH, str(space.path(name)), str(folder / name), cwd=folder)
        argv = [str(nix.path), "flake", "lock", f"git+file://{folder / name}", "--no-update-lock-file"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        lock = (folder / name / "flake.lock").read_bytes()
        assert lock == read(space.path(name), space.tip(name, UPDATE_BRANCH), "flake.lock")
        assert run_git("status", "--porcelain", cwd=folder / name) == ""
