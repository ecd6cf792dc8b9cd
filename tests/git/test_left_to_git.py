"""Repositories of another kind than usual: git itself deletes there, as it moves (test_refs.py)."""

from pathlib import Path

import pytest

from flakesync.git.repository import Repository
from tests.support.repos import make_repo, run_git

UPDATE = "refs/heads/flakesync/update"


@pytest.mark.parametrize(
    ("setting", "value"), [("core.sharedRepository", "group"), ("extensions.partialClone", "origin")]
)
def test_git_deletes_the_branch_of_an_unusual_repository(
    tmp_path: Path, started: list[str], setting: str, value: str
) -> None:
    tip = make_repo(tmp_path / "r", {"flake.lock": "{}"})
    run_git("config", setting, value, cwd=tmp_path / "r")
    run_git("update-ref", UPDATE, tip, cwd=tmp_path / "r")
    with Repository.open(tmp_path / "r") as repo:
        started.clear()
        repo.delete_ref(UPDATE, old=tip)
        assert repo.ref(UPDATE) is None
    assert "update-ref" in started
