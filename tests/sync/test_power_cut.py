"""What a power cut leaves of an update branch (empty objects, an empty ref) is made anew by the next sync."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from flakesync.errors import ManifestError
from tests.support.nixspace import UPDATE, UPDATE_BRANCH, Space, chain, run_sync
from tests.support.repos import commit, run_git

DAMAGE = [lambda data: b"", lambda data: data[:-4], lambda data: bytes(len(data))]


@pytest.fixture
def space(tmp_path: Path) -> Space:
    """A workspace of two repos, synced."""
    space = chain(tmp_path / "space", 2)
    assert set(run_sync(space.manifest(), locker="native").statuses.values()) == {"updated"}
    return space


def statuses(space: Space) -> list[str]:
    found = run_sync(space.root / "workspace.toml", locker="native").statuses
    return [found[name] for name in space.names]


def hurt(space: Space, name: str, damage: Callable[[bytes], bytes], repo: str = "r1") -> None:
    oid = run_git("rev-parse", name, cwd=space.path(repo))
    file = space.path(repo) / ".git/objects" / oid[:2] / oid[2:]
    file.chmod(0o644)
    file.write_bytes(damage(file.read_bytes()))


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("of", ["", "^{tree}", ":flake.lock"])
@pytest.mark.parametrize("remembered", [True, False])
def test_a_damaged_update_commit_is_made_again(
    space: Space, damage: Callable[[bytes], bytes], of: str, remembered: bool
) -> None:
    tips = [space.tip(name, UPDATE_BRANCH) for name in space.names]
    hurt(space, UPDATE + of, damage)
    if not remembered:
        for file in (Path(os.environ["XDG_CACHE_HOME"]) / "flakesync/runs").glob("*.up-to-date"):
            file.unlink()
    assert statuses(space) == ["unchanged", "updated"]
    assert [space.tip(name, UPDATE_BRANCH) for name in space.names] == tips
    run_git("fsck", "--strict", cwd=space.path("r1"))
    assert statuses(space) == ["unchanged", "unchanged"]


@pytest.mark.parametrize("of", ["", "^{tree}", ":flake.lock"])
def test_a_damaged_update_commit_of_an_older_plan_is_replaced(space: Space, of: str) -> None:
    hurt(space, UPDATE + of, DAMAGE[0])
    commit(space.path("r1"), {"more": "x"})
    assert statuses(space) == ["unchanged", "updated"]
    run_git("gc", "--quiet", "--prune=now", cwd=space.path("r1"))
    run_git("fsck", "--strict", "--no-reflogs", cwd=space.path("r1"))


def test_a_damaged_commit_that_somebody_else_has_put_there_stays(space: Space) -> None:
    tip = space.tip("r1", UPDATE_BRANCH)
    theirs = commit(space.path("r1"), {"more": "x"}, branch="theirs", parents=[tip])
    run_git("update-ref", "-m", "commit: mine", UPDATE, theirs, cwd=space.path("r1"))
    hurt(space, UPDATE, DAMAGE[0])
    assert statuses(space) == ["unchanged", "failed"]
    assert run_git("rev-parse", UPDATE, cwd=space.path("r1")) == theirs


@pytest.mark.parametrize("of", ["^{tree}", ":flake.lock", ":flake.nix"])
def test_a_damaged_base_is_an_error_and_takes_nothing_away(space: Space, of: str) -> None:
    before = sorted((space.path("r1") / ".git/objects").rglob("*"))
    hurt(space, f"main{of}", DAMAGE[1])
    for file in (Path(os.environ["XDG_CACHE_HOME"]) / "flakesync").rglob("*"):
        if file.is_file():
            file.unlink()
    with contextlib.suppress(ManifestError):
        statuses(space)
    assert sorted((space.path("r1") / ".git/objects").rglob("*")) == before


@pytest.mark.parametrize("content", [b"", bytes(41)])
def test_an_update_branch_that_lost_its_content_comes_back(space: Space, content: bytes) -> None:
    tip = space.tip("r1", UPDATE_BRANCH)
    (space.path("r1") / ".git" / UPDATE).write_bytes(content)
    assert statuses(space) == ["unchanged", "updated"]
    assert space.tip("r1", UPDATE_BRANCH) == tip
