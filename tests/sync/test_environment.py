"""What sync cannot do without: a git, a Nix, a cache, room on the disk, the branches that the manifest names."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import flakesync
from flakesync.cache.layout import cache_dir
from flakesync.errors import FlakesyncError
from flakesync.sync.lockers.auto import LockerChoice
from tests.support.nixspace import Space, Take, run_sync
from tests.support.repos import run_git

pytestmark = pytest.mark.usefixtures("use_nix")


@pytest.fixture
def space(tmp_path: Path) -> Space:
    return Space(tmp_path / "space").add("lib").add("app", {"lib": Take()}).add("other")


def fixed_pin(space: Space) -> dict[str, dict[str, object]]:
    """Return a pin for which no server has to be asked."""
    return {"nixpkgs": {"source": f"git+{space.url('nixpkgs')}?ref=main", "target": space.tip("nixpkgs")}}


def refused(manifest: Path, *, locker: LockerChoice = "auto", verify: bool = False) -> str:
    with pytest.raises(FlakesyncError) as caught:
        run_sync(manifest, locker=locker, verify=verify)
    return caught.value.code


def only(folder: Path, *programs: str) -> str:
    """Return a PATH on which there are only these programs."""
    folder.mkdir()
    for name in programs:
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    return str(folder)


def test_without_nix_nothing_is_begun_that_nix_is_asked_for(
    any_nix: object, space: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", only(tmp_path / "bin", "git"))
    assert refused(space.manifest(), locker="nix") == "no-nix"
    assert refused(space.manifest(), verify=True) == "no-nix"


@pytest.mark.parametrize("pinned", ["latest", "rev"])
def test_without_git_nothing_is_begun(
    any_nix: object, space: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pinned: str
) -> None:
    manifest = space.manifest(pins=fixed_pin(space) if pinned == "rev" else None)
    monkeypatch.setenv("PATH", only(tmp_path / "bin", "nix"))
    assert refused(manifest) == "no-git"


def test_a_nix_that_is_no_nix_is_refused(any_nix: object, space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAKESYNC_NIX", "git")
    assert refused(space.manifest(), locker="nix") == "no-nix"


def test_a_cache_that_cannot_be_written_is_told(any_nix: object, space: Space) -> None:
    cache_dir().parent.mkdir(parents=True, exist_ok=True)
    cache_dir().write_text("a file")
    assert refused(space.manifest()) == "cache"
    assert space.ref("lib") is None


def test_a_base_that_does_not_exist_is_told_before_anything_is_done(any_nix: object, space: Space) -> None:
    with pytest.raises(FlakesyncError, match=r"repos\.app.*trunk"):
        run_sync(space.manifest(tables={"app": {"base": "trunk"}}))
    assert space.ref("lib") is None


def test_a_pin_that_cannot_be_reached_is_told_before_anything_is_done(any_nix: object, space: Space) -> None:
    pins = {"nixpkgs": {"source": f"git+file://{space.root}/gone?ref=main", "inputs": ["nixpkgs"]}}
    assert refused(space.manifest(pins=pins)) == "unreachable"
    assert (
        refused(space.manifest(pins={"nixpkgs": {"source": f"git+{space.url('nixpkgs')}?ref=gone"}})) == "no-such-ref"
    )


def test_offline_takes_the_newest_rev_of_any_lock(any_nix: object, space: Space) -> None:
    space.add("ahead", {"nixpkgs": Take(at=space.tip("nixpkgs"))})
    newest = space.tip("nixpkgs")
    space.commit("nixpkgs", {"README": "three"})
    ran = run_sync(space.manifest(), offline=True)
    assert ran.statuses == {"lib": "updated", "app": "updated", "other": "updated", "ahead": "unchanged"}
    assert space.locked("lib", "nixpkgs")["rev"] == newest


def can_mount() -> bool:
    argv = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs -o size=64k none /mnt"]
    try:
        return subprocess.run(argv, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def test_a_full_disk_fails_the_repos_on_it_and_loses_nothing(any_nix: object, space: Space, tmp_path: Path) -> None:
    if not can_mount():
        pytest.skip("no file system can be mounted here")
    manifest = space.manifest()
    place = space.path("lib") / ".git"
    script = (
        f"cp -a {place} {tmp_path}/copy && mount -t tmpfs -o size=512k none {place} && "
        f"cp -a {tmp_path}/copy/. {place}/ || exit 99; dd if=/dev/zero of={place}/fill bs=4k 2>/dev/null; "
        f"exec {sys.executable} -m flakesync sync --json --workspace {manifest}"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(flakesync.__file__).parents[1])}
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script], env=env, capture_output=True, check=False)
    assert b"Traceback" not in done.stderr
    assert done.returncode == 1, done.stderr
    outcomes = {repo["repo"]: repo for repo in json.loads(done.stdout)["repos"]}
    statuses = {name: outcome["status"] for name, outcome in outcomes.items()}
    assert statuses == {"lib": "failed", "app": "skipped", "other": "updated"}
    assert "No space left on device" in outcomes["lib"]["error"]["message"]
    assert space.ref("lib") is None
    run_git("fsck", "--strict", cwd=space.path("lib"))
    assert run_sync(manifest).errors == {}
