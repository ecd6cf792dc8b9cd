"""`sync --dry-run` shows every change of every lock, and leaves no trace."""

import os
import subprocess
from pathlib import Path

import pytest

from flakesync.cache.layout import cache_dir
from tests.support.nixspace import UPDATE, UPDATE_BRANCH, Space, Take, contents, ref_in, run_sync
from tests.support.repos import run_git

pytestmark = [pytest.mark.usefixtures("use_nix"), pytest.mark.slow_between]


@pytest.fixture
def space(tmp_path: Path) -> Space:
    space = Space(tmp_path / "space")
    space.add("lib").add("tool", {"nixpkgs": Take(), "lib": Take()})
    space.add("app", {"tool": Take(follows={"lib": "lib"}), "lib": Take()}, dev={"nixpkgs": Take()})
    return space


def test_the_shown_difference_is_what_a_real_run_then_commits(any_nix: object, space: Space, tmp_path: Path) -> None:
    manifest = space.manifest()
    dry = run_sync(manifest, dry_run=True)
    assert dry.document.dry_run
    assert set(dry.statuses.values()) == {"updated"}, dry.errors
    real = run_sync(manifest)
    for name in space.names:
        assert dry[name].commit == real[name].commit == space.ref(name)
        assert dry[name].locks == real[name].locks
        diff = dry[name].diff
        assert diff is not None
        assert real[name].diff is None
        assert _as_git(diff) == _as_git(run_git("diff", "main", UPDATE_BRANCH, cwd=space.path(name)))
        run_git("switch", "--quiet", "--detach", "main", cwd=space.path(name))
        subprocess.run(["git", "apply", "-"], input=diff.encode(), cwd=space.path(name), check=True)
        assert run_git("diff", UPDATE_BRANCH, cwd=space.path(name)) == ""
    assert "dev/flake.lock" in str(dry["app"].diff)


def _as_git(diff: str) -> list[str]:
    """Return the lines of a difference that say what changes, without places and file headers."""
    return [line for line in diff.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]


def test_nothing_is_left_of_a_dry_run(any_nix: object, space: Space, hermetic: Path) -> None:
    space.add("remote", {"nixpkgs": Take(), "app": Take()})
    manifest = space.manifest(mirrored=["remote"])
    run_sync(manifest, only=["lib"])
    (space.path("tool") / "flake.nix").write_text("dirty")
    before = contents(space.root)
    mirrors = contents(cache_dir())
    tmp = contents(hermetic / "tmp")
    dry = run_sync(manifest, dry_run=True)
    assert set(dry.statuses.values()) == {"updated", "unchanged"}, dry.errors
    assert contents(space.root) == before
    assert contents(hermetic / "tmp") == tmp
    assert contents(cache_dir()) == mirrors


def test_a_dry_run_makes_no_update_branch_anywhere(any_nix: object, space: Space) -> None:
    space.add("remote", {"nixpkgs": Take(), "app": Take()})
    manifest = space.manifest(mirrored=["remote"])
    run_sync(manifest, dry_run=True)
    assert [space.ref(name) for name in space.names] == [None] * len(space.names)
    mirrors = [path for path in (cache_dir() / "mirrors").iterdir() if path.is_dir()]
    assert [ref_in(path, UPDATE) for path in mirrors] == [None]


def test_a_dry_run_takes_no_update_branch_away(any_nix: object, space: Space) -> None:
    run_sync(space.manifest())
    held = space.manifest(defaults={"hold": ["*"]})
    before = {name: space.ref(name) for name in space.names}
    assert None not in before.values()
    assert set(run_sync(held, dry_run=True).statuses.values()) == {"unchanged"}
    assert {name: space.ref(name) for name in space.names} == before


def test_a_dry_run_may_go_on_beside_a_real_one(any_nix: object, space: Space) -> None:
    manifest = space.manifest()
    inside: list[str] = []

    def listen(event: object) -> None:
        if not inside:
            inside.append("dry")
            inside.extend(run_sync(manifest, dry_run=True).errors)

    assert run_sync(manifest, listener=listen).errors == {}
    assert inside == ["dry"]


@pytest.mark.usefixtures("nix")
def test_a_dry_run_leaves_no_copy_of_a_repository_in_the_cache_of_nix(space: Space) -> None:
    caches = Path(os.environ["XDG_CACHE_HOME"]) / "nix"
    manifest = space.manifest()
    before = {path.name for path in caches.glob("gitv3/*")}
    dry = run_sync(manifest, dry_run=True)
    assert set(dry.statuses.values()) == {"updated"}, dry.errors
    assert {path.name for path in caches.glob("gitv3/*")} == before


def test_an_update_branch_stays_when_an_upstream_was_not_selected(any_nix: object, space: Space) -> None:
    manifest = space.manifest()
    run_sync(manifest)
    before = space.ref("tool")
    run_sync(manifest, only=["app"])
    assert space.ref("tool") == before is not None
