"""What `status` keeps of update branches: it spares reading them, and changes no answer."""

from pathlib import Path

import pytest

from flakesync.cache.layout import cache_dir, updates_file
from flakesync.documents.pulls.status import RepoStatus
from flakesync.publish.standing import look as steps
from flakesync.publish.status import status
from flakesync.update.content import read_update
from tests.forge.town import BRANCH, NEWER, Town, make_town
from tests.support import repos
from tests.support.memory_forge import MemoryServers

CHAIN: dict[str, tuple[str, ...]] = {"lib": (), "app": ("lib",), "site": ("app", "lib")}


@pytest.fixture
def town(tmp_path: Path) -> Town:
    made = make_town(tmp_path, CHAIN)
    made.bump_all()
    return made


def look(town: Town, *, offline: bool = True) -> list[RepoStatus]:
    servers = MemoryServers(town.workspace, None)
    return status(town.workspace, town.read(), town.everything, servers, offline=offline).repos


def kept(town: Town) -> Path:
    return updates_file(cache_dir(), town.workspace.file)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The update commits that are read from their repositories."""
    found: list[str] = []
    real = read_update

    def noting(repository, commits):  # type: ignore[no-untyped-def]
        found.append(commits[0].rev)
        return real(repository, commits)

    monkeypatch.setattr(steps, "read_update", noting)
    return found


def test_an_update_branch_is_read_once(town: Town, read: list[str]) -> None:
    first = look(town)
    assert len(read) == 3
    assert look(town) == first
    assert len(read) == 3


def test_what_lands_is_read_again(town: Town, read: list[str]) -> None:
    look(town)
    repos.run_git("update-ref", "refs/remotes/origin/main", look(town)[0].commit or "", cwd=town.clone("lib"))
    found = look(town)
    assert [each.stage for each in found] == ["landed", "local", "local"]
    assert [each.waits_for for each in found] == [[], [], ["app"]]


def test_a_new_update_is_read(town: Town, read: list[str]) -> None:
    look(town)
    new = town.bump("lib", nixpkgs=NEWER)
    assert look(town)[0].commit == new
    assert read[3:] == [new]


def test_another_name_of_the_update_branches_is_not_taken_for_this_one(town: Town, read: list[str]) -> None:
    first = look(town)
    for name in town.names:
        repos.run_git("branch", "other", BRANCH, cwd=town.clone(name))
    town.manifest(workspace={"name": "acme", "jobs": 2, "branch": "other"})
    found = look(town)
    assert [each.branch for each in found] == ["other"] * 3
    assert len(read) == 6
    assert [each.commit for each in found] == [each.commit for each in first]


@pytest.mark.parametrize("content", [b"", b"junk", b"\x92\xa1x\x80", b"\xff" * 100])
def test_a_file_that_holds_anything_else_is_written_over(town: Town, read: list[str], content: bytes) -> None:
    first = look(town)
    kept(town).write_bytes(content)
    assert look(town) == first
    assert len(read) == 6
    assert look(town) == first
    assert len(read) == 6


def test_a_record_that_is_damaged_is_read_again(town: Town, read: list[str]) -> None:
    first = look(town)
    data = kept(town).read_bytes()
    kept(town).write_bytes(data.replace(b"rev", b"REV").replace(b"flakesync/update", b"flakesync/UPDATE"))
    assert look(town) == first


def test_where_nothing_can_be_kept_it_only_costs_time(town: Town, read: list[str]) -> None:
    kept(town).mkdir(parents=True)
    assert look(town) == look(town)
    assert len(read) == 6


def test_a_shallow_clone_is_read_each_time(town: Town, read: list[str]) -> None:
    for name in town.names:
        (town.clone(name) / ".git" / "shallow").touch()
    assert look(town) == look(town)
    assert len(read) == 6


def test_somebody_elses_commit_is_looked_at_each_time(town: Town) -> None:
    repos.commit(town.clone("lib"), {"x": "1"}, message="Mine", branch=BRANCH)
    for _ in range(2):
        found = look(town)
        assert found[0].error is not None
        assert found[0].error.code == "branch-taken"
        assert [each.waits_for for each in found[1:]] == [["lib"], ["app", "lib"]]


def test_a_run_over_one_repo_forgets_none_of_the_others(town: Town, read: list[str]) -> None:
    look(town)
    town.bump("site", nixpkgs=NEWER)
    servers = MemoryServers(town.workspace, None)
    one = frozenset(name for name in town.everything if name == "site")
    status(town.workspace, town.read(), one, servers, offline=True)
    before = len(read)
    look(town)
    assert len(read) == before
