"""What a run found to be as planned is not read again, and nothing that has changed since is missed."""

import os
from pathlib import Path

import pytest

from flakesync.git.store.objects import ObjectReader
from flakesync.sync.up_to_date import UpToDateBranches
from tests.support.nixspace import UPDATE, UPDATE_BRANCH, Space, chain, run_sync
from tests.support.repos import commit, run_git


@pytest.fixture
def space(tmp_path: Path) -> Space:
    """A workspace of three repos, synced."""
    space = chain(tmp_path / "space", 3)
    assert set(run_sync(space.manifest(), locker="native").statuses.values()) == {"updated"}
    return space


def statuses(space: Space, *, dry_run: bool = False) -> list[str]:
    found = run_sync(space.root / "workspace.toml", locker="native", dry_run=dry_run).statuses
    return [found[name] for name in space.names]


def test_a_second_run_does_not_read_the_update_commits(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    tips = {space.tip(name, UPDATE_BRANCH) for name in space.names}
    real = ObjectReader.raw
    read: set[str] = set()

    def raw(self: ObjectReader, oid: str) -> tuple[bytes, bytes]:
        read.add(oid)
        return real(self, oid)

    monkeypatch.setattr(ObjectReader, "raw", raw)
    assert statuses(space) == ["unchanged"] * 3
    assert not tips & read


def test_a_branch_that_was_taken_away_comes_back(space: Space) -> None:
    tip = space.tip("r1", UPDATE_BRANCH)
    run_git("update-ref", "-d", UPDATE, cwd=space.path("r1"))
    assert statuses(space) == ["unchanged", "updated", "unchanged"]
    assert space.tip("r1", UPDATE_BRANCH) == tip


def test_a_commit_of_somebody_else_is_seen(space: Space) -> None:
    commit(space.path("r0"), {"more": "x"}, branch=UPDATE_BRANCH)
    assert statuses(space) == ["failed", "skipped", "skipped"]


def test_what_somebody_else_has_pushed_is_seen(space: Space) -> None:
    old = space.tip("r0", UPDATE_BRANCH)
    theirs = commit(space.path("r0"), {"more": "x"}, branch="theirs", parents=[old])
    run_git("update-ref", f"refs/remotes/origin/{UPDATE_BRANCH}", theirs, cwd=space.path("r0"))
    assert statuses(space) == ["failed", "skipped", "skipped"]


def test_a_base_that_moved_is_seen(space: Space) -> None:
    space.commit("r1", {"more": "x"})
    assert statuses(space) == ["unchanged", "updated", "updated"]


def test_an_upstreams_new_commit_is_seen(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    run_git("update-ref", "-d", UPDATE, cwd=space.path("r0"))
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Somebody else")
    assert statuses(space) == ["updated"] * 3


def test_a_broken_or_unwritable_file_only_costs_time(space: Space) -> None:
    (file,) = Path(os.environ["XDG_CACHE_HOME"]).rglob("*.up-to-date")
    file.write_bytes(b"\xc1 nonsense")
    assert statuses(space) == ["unchanged"] * 3
    file.unlink()
    file.mkdir()
    assert statuses(space) == ["unchanged"] * 3


def test_a_dry_run_keeps_nothing(space: Space) -> None:
    (file,) = Path(os.environ["XDG_CACHE_HOME"]).rglob("*.up-to-date")
    file.unlink()
    assert statuses(space, dry_run=True) == ["unchanged"] * 3
    assert not file.exists()


def test_things_are_told_apart(tmp_path: Path) -> None:
    branches = UpToDateBranches(tmp_path / "x")
    branches.add("a", None, [("b", ("c",))])
    branches.write()
    again = UpToDateBranches(tmp_path / "x")
    assert again.has("a", None, [("b", ("c",))])
    assert not again.has("a", None, [("b", ("c", "d"))])
    assert not again.has("a", "None", [("b", ("c",))])


def test_what_another_version_has_found_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    branches = UpToDateBranches(tmp_path / "x")
    branches.add("a")
    branches.write()
    assert UpToDateBranches(tmp_path / "x").has("a")
    monkeypatch.setattr("flakesync.sync.up_to_date.__version__", "0.0.0")
    assert not UpToDateBranches(tmp_path / "x").has("a")


def test_what_a_run_does_not_ask_about_stays_known_until_there_is_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*found: str) -> list[str]:
        """Be a run that comes upon these; return which were known before."""
        branches = UpToDateBranches(tmp_path / "x")
        known = [each for each in found if branches.has(each)]
        for each in found:
            if each not in known:
                branches.add(each)
        branches.write()
        return known

    monkeypatch.setattr("flakesync.sync.up_to_date._MOST", 3)
    assert run("a", "b") == []
    assert run("c") == []
    assert run("a", "b", "c") == ["a", "b", "c"]
    # A fourth is too much: what this run has come upon is kept, known before or not.
    assert run("b", "d") == ["b"]
    assert run("a", "b", "c", "d") == ["b", "d"]


def test_a_run_that_finds_nothing_new_writes_nothing(tmp_path: Path) -> None:
    place = tmp_path / "x"
    UpToDateBranches(place).write()
    assert not place.exists()
    branches = UpToDateBranches(place)
    branches.add("a")
    branches.write()
    written = place.stat().st_ino
    again = UpToDateBranches(place)
    assert again.has("a")
    assert not again.has("b")
    again.write()
    assert place.stat().st_ino == written


def test_without_a_place_nothing_is_known_and_nothing_kept() -> None:
    branches = UpToDateBranches(None)
    branches.add("a")
    branches.write()
    assert not branches.has("a")
