"""Fetching and pushing touch the refs that are named, and nothing else."""

from pathlib import Path

import pytest

from flakesync.errors import GitError
from flakesync.git.remotes.remote import ls_remote
from flakesync.git.remotes.transfer import fetch, push
from flakesync.git.repository import Repository
from flakesync.nix.reference.url import file_url
from flakesync.terms import Rev
from tests.support.repos import commit, make_bare, make_repo, run_git

UPDATE = "refs/heads/flakesync/update"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    make_repo(tmp_path / "r", {"x": "1"})
    make_bare(tmp_path / "remote", {"y": "1"}, branch="trunk")
    return tmp_path / "r"


def refs(path: Path) -> dict[str, str]:
    lines = run_git("for-each-ref", "--format=%(refname) %(objectname)", cwd=path).splitlines()
    return dict(line.split(" ") for line in lines)


def test_a_fetch_writes_the_named_refs_only(path: Path, tmp_path: Path) -> None:
    run_git("tag", "v1", "trunk", cwd=tmp_path / "remote")
    before = refs(path)
    with Repository.open(path) as repo:
        fetch(repo.path, str(tmp_path / "remote"), ["+refs/heads/trunk:refs/flakesync/pin"])
        tip = repo.ref("refs/flakesync/pin")
        assert tip == run_git("rev-parse", "trunk", cwd=tmp_path / "remote")
    assert refs(path) == before | {"refs/flakesync/pin": tip}
    assert not (path / ".git/FETCH_HEAD").exists()


def test_a_fetch_of_what_is_not_there_says_so(path: Path, tmp_path: Path) -> None:
    with Repository.open(path) as repo:
        with pytest.raises(GitError) as caught:
            fetch(repo.path, str(tmp_path / "remote"), ["refs/heads/none:refs/x/y"])
        assert caught.value.code == "no-such-ref"
        with pytest.raises(GitError) as caught:
            fetch(repo.path, str(tmp_path / "nowhere"), ["refs/heads/none:refs/x/y"])
        assert caught.value.code == "unreachable"
        with pytest.raises(GitError) as caught:
            fetch(repo.path, str(tmp_path / "remote"), ["--upload-pack=x"])
        assert caught.value.code == "bad-ref"


def test_a_push_moves_makes_and_deletes_one_ref_if_nobody_else_has(path: Path, tmp_path: Path) -> None:
    url = f"file://{tmp_path / 'remote'}"
    trace = path / ".git/hooks/pre-push"
    trace.parent.mkdir()
    trace.write_text("#!/bin/sh\nexit 1\n")
    trace.chmod(0o755)
    one = Rev(run_git("rev-parse", "HEAD", cwd=path))
    two = commit(path, {"x": "2"}, branch="two", parents=[])
    before = refs(path)
    with Repository.open(path) as repo:
        push(repo.path, url, UPDATE, one, old=None)
        assert refs(tmp_path / "remote")[UPDATE] == one
        for old in (None, two):
            with pytest.raises(GitError) as caught:
                push(repo.path, url, UPDATE, two, old=old)
            assert caught.value.code == "ref-moved"
        push(repo.path, url, UPDATE, two, old=one)
        assert refs(tmp_path / "remote")[UPDATE] == two
        push(repo.path, url, UPDATE, None, old=two)
        assert UPDATE not in refs(tmp_path / "remote")
    assert refs(path) == before


def test_a_refused_push_tells_what_the_server_said(path: Path, tmp_path: Path) -> None:
    hook = tmp_path / "remote/hooks/pre-receive"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\necho 'this branch is protected' >&2\nexit 1\n")
    hook.chmod(0o755)
    with Repository.open(path) as repo, pytest.raises(GitError) as caught:
        push(repo.path, str(tmp_path / "remote"), UPDATE, repo.branch("main"), old=None)
    assert caught.value.code == "push-rejected"
    assert "this branch is protected" in caught.value.message


@pytest.mark.parametrize("other", ["refs/heads/flakesync", f"{UPDATE}/x", f"{UPDATE}/x/y"])
def test_a_branch_that_is_in_the_way_of_a_push_is_named(path: Path, tmp_path: Path, other: str) -> None:
    run_git("update-ref", other, "trunk", cwd=tmp_path / "remote")
    before = refs(tmp_path / "remote")
    with Repository.open(path) as repo, pytest.raises(GitError) as caught:
        push(repo.path, f"file://{tmp_path / 'remote'}", UPDATE, repo.branch("main"), old=None)
    assert caught.value.code == "ref-conflict"
    assert f"a branch {other.removeprefix('refs/heads/')}, and" in caught.value.message
    assert "`branch` in [workspace]" in str(caught.value.hint)
    assert refs(tmp_path / "remote") == before


def test_a_branch_that_is_locked_on_the_server_has_not_been_moved(path: Path, tmp_path: Path) -> None:
    lock = tmp_path / "remote" / f"{UPDATE}.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    with Repository.open(path) as repo, pytest.raises(GitError, match="File exists") as caught:
        push(repo.path, f"file://{tmp_path / 'remote'}", UPDATE, repo.branch("main"), old=None)
    assert caught.value.code == "push-rejected"


@pytest.mark.parametrize("name", ["a b", "$HOME", "it's", "%41", "#", "?", "~", "line\nfeed", "\udcff"])
def test_servers_repositories_lie_in_folders_of_any_name(path: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "remote").rename(tmp_path / name)
    for url in (file_url(tmp_path / name), str(tmp_path / name)):
        with Repository.open(path) as repo:
            one = repo.branch("main")
            push(repo.path, url, UPDATE, one, old=None)
            fetch(repo.path, url, [f"+{UPDATE}:refs/x/y"])
            assert repo.ref("refs/x/y") == one == ls_remote(url, "flakesync/update")
            push(repo.path, url, UPDATE, None, old=one)
