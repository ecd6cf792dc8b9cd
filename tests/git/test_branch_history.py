"""Whether somebody else's branch has a commit, found out without its files."""

from pathlib import Path

import pytest

from flakesync.errors import GitError
from flakesync.git import process
from flakesync.git.remotes.branch_history import is_on_branch
from flakesync.terms import Rev
from tests.support import repos

DAY_S = 86_400
OTHER = Rev("e" * 40)


class Nixpkgs:
    """A repository with a commit a day on `main`, the newest last, one on `stray`, and a tag."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"file://{path}"
        self.days = [repos.make_bare(path, {"f": "0"}, date=repos.DATE)]
        for day in range(1, 10):
            self.days.append(repos.commit(path, {"f": f"{day}"}, date=repos.DATE + day * DAY_S))
        self.stray = repos.commit(path, {"f": "x"}, branch="stray", parents=[self.days[3]], date=self.date(4))
        repos.run_git("tag", "-a", "-m", "t", "v1", self.days[2], cwd=path)
        repos.run_git("config", "uploadpack.allowFilter", "true", cwd=path)

    def date(self, day: int) -> int:
        return repos.DATE + day * DAY_S


@pytest.fixture
def nixpkgs(tmp_path: Path) -> Nixpkgs:
    return Nixpkgs(tmp_path / "nixpkgs.git")


def folder_of(cache: Path) -> Path:
    (found,) = (path for path in (cache / "branches").iterdir() if path.is_dir())
    return found


def test_a_commit_of_the_branch_is_found_whatever_the_order(nixpkgs: Nixpkgs, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    for day in (5, 2, 8, 9, 0):
        assert is_on_branch(nixpkgs.url, "main", nixpkgs.days[day], nixpkgs.date(day), cache)
    assert is_on_branch(nixpkgs.url, None, nixpkgs.days[4], nixpkgs.date(4), cache)


@pytest.mark.parametrize("day", [0, 3, 4, 9, 30])
def test_what_is_only_on_another_branch_is_not(nixpkgs: Nixpkgs, tmp_path: Path, day: int) -> None:
    for rev in (nixpkgs.stray, OTHER):
        assert not is_on_branch(nixpkgs.url, "main", rev, nixpkgs.date(day), tmp_path / "cache")
    assert is_on_branch(nixpkgs.url, "stray", nixpkgs.stray, nixpkgs.date(4), tmp_path / "cache")


def test_a_tag_is_at_one_commit(nixpkgs: Nixpkgs, tmp_path: Path) -> None:
    assert is_on_branch(nixpkgs.url, "v1", nixpkgs.days[2], nixpkgs.date(2), tmp_path / "cache")
    assert not is_on_branch(nixpkgs.url, "v1", nixpkgs.days[1], nixpkgs.date(1), tmp_path / "cache")


def test_only_commits_since_that_day_are_fetched(nixpkgs: Nixpkgs, tmp_path: Path) -> None:
    assert is_on_branch(nixpkgs.url, "main", nixpkgs.days[7], nixpkgs.date(7), tmp_path / "cache")
    told = repos.run_git("cat-file", "--batch-all-objects", "--batch-check", cwd=folder_of(tmp_path / "cache"))
    assert sorted(line.split()[:2] for line in told.splitlines()) == sorted([rev, "commit"] for rev in nixpkgs.days[6:])


def test_what_was_found_is_not_asked_for_again(
    nixpkgs: Nixpkgs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_on_branch(nixpkgs.url, "main", nixpkgs.days[7], nixpkgs.date(7), tmp_path / "cache")
    monkeypatch.setattr(process, "git", None)
    assert is_on_branch(nixpkgs.url, "main", nixpkgs.days[7], nixpkgs.date(7), tmp_path / "cache")


def test_a_branch_that_is_not_there_is_an_error(nixpkgs: Nixpkgs, tmp_path: Path) -> None:
    with pytest.raises(GitError) as error:
        is_on_branch(nixpkgs.url, "gone", OTHER, 0, tmp_path / "cache")
    assert error.value.code == "no-such-ref"
