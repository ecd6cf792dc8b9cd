"""Repositories of another kind than usual: git itself writes there, as where refs are moved (test_refs.py)."""

from pathlib import Path

import pytest

from flakesync.git.repository import Repository
from flakesync.terms import Rev
from tests.support.repos import make_repo, run_git

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
