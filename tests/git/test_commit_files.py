"""Commits with their files and without their history: many of one server in one fetch, and what it lacks hides none."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from flakesync.errors import GitError
from flakesync.git.remotes import commit_files
from flakesync.git.remotes.commit_files import fetch_files, files_of_commit
from flakesync.git.store.objects import ObjectReader
from flakesync.terms import Rev
from tests.support import repos

LACKING = [Rev(digit * 40) for digit in "123"]


class Server:
    """A repository with eight commits that are on no branch but the last one."""

    def __init__(self, path: Path) -> None:
        self.url = f"file://{path}"
        self.cache = path.parent / "cache"
        self.revs = [repos.make_bare(path, {"f": "0"})]
        self.revs += [repos.commit(path, {"f": f"{number}"}, parents=[]) for number in range(1, 8)]

    def here(self, revs: Sequence[Rev]) -> list[bool]:
        """Tell of each commit whether it is there with its files, without a server."""
        found = []
        for rev in revs:
            with files_of_commit(self.url, "main", rev, self.cache, offline=True) as path:
                found.append(path is not None and ObjectReader.open(path).read(rev, "f") is not None)
        return found


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path / "server")


def test_many_commits_are_fetched_in_one_go_and_once(server: Server, started: list[str]) -> None:
    assert fetch_files(server.url, server.revs, server.cache) == frozenset()
    assert fetch_files(server.url, server.revs, server.cache) == frozenset()
    assert started.count("fetch") == 1
    assert all(server.here(server.revs))


def test_a_command_line_is_never_too_long(server: Server, started: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit_files, "_MOST_AT_ONCE", 3)
    assert fetch_files(server.url, server.revs, server.cache) == frozenset()
    assert started.count("fetch") == 3
    assert all(server.here(server.revs))


def test_what_the_server_lacks_is_told_and_hides_no_other(server: Server, started: list[str]) -> None:
    assert fetch_files(server.url, [*LACKING, *server.revs], server.cache) == {*LACKING}
    assert started.count("fetch") == len(LACKING) + 1
    assert server.here([*LACKING, *server.revs]) == [False] * 3 + [True] * 8


def test_a_server_that_has_none_of_them_is_no_error(server: Server) -> None:
    assert fetch_files(server.url, LACKING, server.cache) == {*LACKING}


def test_names_of_sha256_have_a_repository_of_their_own(server: Server) -> None:
    with pytest.raises(GitError):
        fetch_files(server.url, [*server.revs, Rev("1" * 64)], server.cache)
    assert all(server.here(server.revs))


def test_a_server_that_gives_nothing_by_an_id_is_asked_for_the_branch(
    server: Server, monkeypatch: pytest.MonkeyPatch, started: list[str]
) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "protocol.version")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "0")
    assert fetch_files(server.url, server.revs, server.cache) == frozenset()
    assert started.count("fetch") == 1
    assert not any(server.here(server.revs))
    with files_of_commit(server.url, "main", server.revs[-1], server.cache) as path:
        assert path is not None


def test_a_server_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(GitError) as error:
        fetch_files(f"file://{tmp_path}/none", LACKING, tmp_path / "cache")
    assert error.value.code == "unreachable"
