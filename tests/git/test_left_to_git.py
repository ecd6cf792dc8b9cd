"""Repositories of another kind than usual: git itself writes there, as where refs are moved (test_refs.py)."""

import os
from pathlib import Path

import pytest

from flakesync.git.repository import Repository
from flakesync.git.store.refs import remove_dead_lock
from flakesync.terms import Rev
from tests.support.repos import commit, make_repo, run_git

UPDATE = "refs/heads/flakesync/update"
POINTER = "refs/flakesync/base"


@pytest.fixture(params=["core.sharedRepository=group", "extensions.partialClone=origin"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    tip = make_repo(tmp_path / "r", {"flake.lock": "{}"})
    run_git("config", *request.param.split("="), cwd=tmp_path / "r")
    run_git("update-ref", UPDATE, tip, cwd=tmp_path / "r")
    return tmp_path / "r"


def test_git_deletes_the_branch_of_an_unusual_repository(path: Path, started: list[str]) -> None:
    tip = Rev(run_git("rev-parse", UPDATE, cwd=path))
    with Repository.open(path) as repo:
        started.clear()
        repo.delete_ref(UPDATE, old=tip)
        assert repo.ref(UPDATE) is None
    assert "update-ref" in started


def test_git_makes_the_symbolic_ref_of_an_unusual_repository(path: Path, started: list[str]) -> None:
    with Repository.open(path) as repo:
        started.clear()
        repo.point_ref(POINTER, UPDATE)
    assert "symbolic-ref" in started
    assert run_git("symbolic-ref", POINTER, cwd=path) == UPDATE


def test_git_moves_a_branch_that_is_a_symlink(tmp_path: Path, started: list[str]) -> None:
    # As git made symbolic refs until 2005; it reads them still.
    one = make_repo(tmp_path / "r", {"flake.lock": "{}"})
    two = commit(tmp_path / "r", {"flake.lock": "{ }"})
    run_git("update-ref", "refs/heads/other", one, cwd=tmp_path / "r")
    link = tmp_path / "r/.git" / UPDATE
    link.parent.mkdir()
    link.symlink_to("../other")
    with Repository.open(tmp_path / "r") as repo:
        started.clear()
        repo.update_ref(UPDATE, two, old=one, message="m")
        assert repo.ref(UPDATE) == two
    assert "update-ref" in started


def test_a_dead_lock_is_taken_away_and_no_file_stays_open(tmp_path: Path) -> None:
    lock = tmp_path / "x.lock"
    lock.write_bytes(b"flakesync\n")
    before = sorted(os.listdir("/proc/self/fd"))
    assert remove_dead_lock(str(lock))
    assert not lock.exists()
    assert sorted(os.listdir("/proc/self/fd")) == before
