"""Mirrors follow their remote, keep what is ours, and survive what interrupts them."""

import fcntl
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from flakesync.cache.lock import exclusive
from flakesync.errors import GitError
from flakesync.git import process
from flakesync.git.remotes.commit_cache import fetch_commit
from flakesync.git.remotes.mirror import mirror, mirror_path
from flakesync.git.repository import Repository
from flakesync.git.store.base import read_base
from flakesync.git.store.objects import ObjectReader
from flakesync.git.values import Signature
from flakesync.terms import Rev
from tests.support.repos import commit, make_bare, run_git

BOT = Signature("Bot", "bot@x", 1_700_000_000)
UPDATE = "refs/heads/flakesync/update"


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    make_bare(tmp_path / "acme/lib.git", {"flake.lock": "{}"}, branch="trunk")
    return tmp_path / "acme/lib.git"


def test_a_mirror_is_bare_named_and_follows_its_remote(remote: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    path = mirror(f"file://{remote}", cache, offline=False)
    assert path.parent == cache / "mirrors"
    assert "acme-lib-" in path.name
    first = read_base(ObjectReader.open(path), None, ["flake.lock"])
    assert (first.branch, first.files) == ("trunk", {"flake.lock": b"{}"})
    tip = commit(remote, {"flake.lock": "2"})
    commit(remote, {"x": "y"}, branch="side")
    assert mirror(f"file://{remote}", cache, offline=False) == path
    assert read_base(ObjectReader.open(path), None, ["flake.lock"]) == ("trunk", tip, tip, {"flake.lock": b"2"})
    with Repository.open(path) as repo:
        assert repo.bare
        assert repo.branch("side") is not None
        assert repo.ref("refs/heads/trunk") is None
        assert repo.remote_url() == f"file://{remote}"
    assert run_git("symbolic-ref", "HEAD", cwd=path) == "refs/heads/trunk"


def updated_mirror(remote: Path, cache: Path) -> tuple[Path, Rev]:
    """Make a mirror with an update branch on `trunk`, which its remote lacks; return it and the branch's commit."""
    path = mirror(str(remote), cache, offline=False)
    with Repository.open(path) as repo:
        base = repo.branch("trunk")
        assert base is not None
        rev = repo.write_commit(
            parents=[base], base_tree_of=base, files={"flake.lock": b"new"}, message="m", author=BOT, committer=BOT
        )
        repo.update_ref(UPDATE, rev, old=None, message="m")
    return path, rev


def test_our_unpushed_branch_survives_and_foreign_ones_are_pruned(remote: Path, tmp_path: Path) -> None:
    commit(remote, {"x": "y"}, branch="side")
    path, rev = updated_mirror(remote, tmp_path)
    run_git("branch", "-D", "side", cwd=remote)
    theirs = commit(remote, {"z": "y"}, branch="flakesync/update")
    mirror(str(remote), tmp_path, offline=False)
    with Repository.open(path) as repo:
        assert repo.ref(UPDATE) == rev
        assert repo.ref("refs/remotes/origin/flakesync/update") == theirs
        assert repo.branch("side") is None
        assert repo.read(rev, "flake.lock") == b"new"


def test_a_remote_that_was_rewritten_or_renamed_its_default_branch_is_followed(remote: Path, tmp_path: Path) -> None:
    path = mirror(str(remote), tmp_path, offline=False)
    other = commit(remote, {"flake.lock": "other"}, branch="trunk", parents=[])
    mirror(str(remote), tmp_path, offline=False)
    assert read_base(ObjectReader.open(path), None, []).rev == other
    run_git("branch", "-m", "trunk", "trunk/two", cwd=remote)
    run_git("symbolic-ref", "HEAD", "refs/heads/trunk/two", cwd=remote)
    mirror(str(remote), tmp_path, offline=False)
    assert read_base(ObjectReader.open(path), None, [])[:2] == ("trunk/two", other)


def test_nothing_is_fetched_when_nothing_changed(remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror(str(remote), tmp_path, offline=False)
    asked: list[str] = []
    real = process.git

    def spy(argv: list[str], **rest: object) -> process.Answer:
        asked.append(next(word for word in argv if not word.startswith("-") and "=" not in word))
        return real(argv, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(process, "git", spy)
    mirror(str(remote), tmp_path, offline=False)
    assert "ls-remote" in asked
    assert "fetch" not in asked


def test_an_interrupted_first_fetch_is_done_again(remote: Path, tmp_path: Path) -> None:
    path = mirror(str(remote), tmp_path, offline=False)
    (path / "flakesync-complete").unlink()
    for file in (path / "objects").rglob("*"):
        if file.is_file():
            file.chmod(0o644)
            file.write_bytes(b"half")
    with pytest.raises(GitError) as caught:
        mirror(str(remote), tmp_path, offline=True)
    assert caught.value.code == "offline"
    mirror(str(remote), tmp_path, offline=False)
    assert read_base(ObjectReader.open(path), None, ["flake.lock"]).files == {"flake.lock": b"{}"}


LEFT = [
    "HEAD.lock",
    "config.lock",
    "packed-refs.lock",
    "packed-refs.new.lock",
    "shallow.lock",
    "index.lock",
    "gc.pid",
    "gc.pid.lock",
    "refs/remotes/origin/trunk.lock",
    "refs/remotes/origin/HEAD.lock",
    "refs/heads/flakesync/update.lock",
    "refs/tags/v1.lock",
    "logs/HEAD.lock",
    "objects/maintenance.lock",
    "objects/info/commit-graph.lock",
    "objects/info/commit-graphs/commit-graph-chain.lock",
    "objects/pack/multi-pack-index.lock",
    "objects/pack/tmp_pack_x",
    "objects/pack/pack-1.keep",
    "objects/tmp_objdir-incoming-x/pack",
    "shallow_x",
]


def leave(path: Path) -> None:
    for name in LEFT:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).touch()


@pytest.mark.parametrize("offline", [False, True])
def test_what_a_killed_git_has_left_in_a_mirror_is_cleared(remote: Path, tmp_path: Path, offline: bool) -> None:
    path = mirror(str(remote), tmp_path, offline=False)
    leave(path)
    tip = commit(remote, {"flake.lock": "2"})
    mirror(str(remote), tmp_path, offline=offline)
    assert [name for name in LEFT if (path / name).exists()] == []
    mirror(str(remote), tmp_path, offline=False)
    assert read_base(ObjectReader.open(path), None, []).rev == tip


def test_what_another_run_has_locked_in_a_mirror_stays_locked(remote: Path, tmp_path: Path) -> None:
    path = mirror(str(remote), tmp_path, offline=False)
    lock = path / f"{UPDATE}.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text("flakesync\n")
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        mirror(str(remote), tmp_path, offline=False)
        assert lock.exists()
    mirror(str(remote), tmp_path, offline=False)
    assert not lock.exists()


def empty_objects(path: Path, *revs: str) -> None:
    for rev in revs:
        oid = run_git("rev-parse", rev, cwd=path)
        file = path / "objects" / oid[:2] / oid[2:]
        file.chmod(0o644)
        file.write_bytes(b"")


def test_a_mirror_that_git_cannot_fetch_into_is_made_anew_with_our_branches(remote: Path, tmp_path: Path) -> None:
    path, rev = updated_mirror(remote, tmp_path)
    newer = commit(remote, {"flake.lock": "2"})
    mirror(str(remote), tmp_path, offline=False)
    empty_objects(path, newer)
    newest = commit(remote, {"flake.lock": "3"})
    mirror(str(remote), tmp_path, offline=False)
    assert read_base(ObjectReader.open(path), None, ["flake.lock"])[2:] == (newest, {"flake.lock": b"3"})
    with Repository.open(path) as repo:
        assert repo.ref(UPDATE) == rev
    run_git("fsck", "--strict", cwd=path)
    assert [each.name for each in path.parent.iterdir() if each != path] == [path.name + ".lock"]


@pytest.mark.parametrize("ref", ["refs/remotes/origin/trunk", UPDATE, "refs/tags/v1"])
def test_a_ref_of_a_mirror_that_lost_its_content_is_fetched_again(remote: Path, tmp_path: Path, ref: str) -> None:
    run_git("tag", "v1", "trunk", cwd=remote)
    path = mirror(str(remote), tmp_path, offline=False)
    (path / ref).parent.mkdir(parents=True, exist_ok=True)
    (path / ref).write_bytes(b"")
    tip = commit(remote, {"flake.lock": "2"})
    mirror(str(remote), tmp_path, offline=False)
    with Repository.open(path) as repo:
        assert repo.branch("trunk") == tip
        assert repo.ref(UPDATE) is None
        assert repo.ref("refs/tags/v1") is not None


@pytest.mark.parametrize("name", ["trunk", "trunk^{tree}", "trunk:flake.lock"])
def test_commits_of_the_cache_that_a_power_cut_has_damaged_are_fetched_again(
    remote: Path, tmp_path: Path, name: str
) -> None:
    tip = Rev(run_git("rev-parse", "trunk", cwd=remote))
    path = fetch_commit(str(remote), "trunk", tip, tmp_path)
    assert path is not None
    kept = f"refs/flakesync/{next((path / 'refs/flakesync').iterdir()).name}"
    empty_objects(path, name.replace("trunk", kept))
    leave(path)
    assert fetch_commit(str(remote), "trunk", tip, tmp_path) == path
    assert ObjectReader.open(path).read(tip, "flake.lock") == b"{}"
    run_git("fsck", "--strict", cwd=path)
    assert [each for each in LEFT if (path / each).exists()] == []


def test_a_commit_of_a_branch_whose_name_is_no_utf_8_is_kept(remote: Path, tmp_path: Path) -> None:
    tip = Rev(run_git("rev-parse", "trunk", cwd=remote))
    run_git("update-ref", "refs/heads/caf\udce9", tip, cwd=remote)
    path = fetch_commit(str(remote), "caf\udce9", tip, tmp_path)
    assert path is not None
    assert ObjectReader.open(path).read(tip, "flake.lock") == b"{}"


@pytest.mark.parametrize("left", ["HEAD", "objects"])
def test_a_cache_of_commits_that_was_half_made_is_made_again(remote: Path, tmp_path: Path, left: str) -> None:
    tip = Rev(run_git("rev-parse", "trunk", cwd=remote))
    path = fetch_commit(str(remote), "trunk", tip, tmp_path)
    assert path is not None
    for each in path.iterdir():
        if each.name != left:
            shutil.rmtree(each) if each.is_dir() else each.unlink()
    path.with_name(path.name + ".new").mkdir()
    assert fetch_commit(str(remote), "trunk", tip, tmp_path) == path


def test_offline_uses_what_is_there(remote: Path, tmp_path: Path) -> None:
    with pytest.raises(GitError) as caught:
        mirror(str(remote), tmp_path, offline=True)
    assert caught.value.code == "offline"
    path = mirror(str(remote), tmp_path, offline=False)
    remote.rename(tmp_path / "away")
    assert mirror(str(remote), tmp_path, offline=True) == path
    with pytest.raises(GitError) as caught:
        mirror(str(remote), tmp_path, offline=False)
    assert caught.value.code == "unreachable"
    assert read_base(ObjectReader.open(path), None, ["flake.lock"]).files == {"flake.lock": b"{}"}


def test_two_runs_on_one_mirror_wait_for_each_other(remote: Path, tmp_path: Path) -> None:
    done: list[Path] = []
    path = mirror_path(str(remote), tmp_path)
    thread = threading.Thread(target=lambda: done.append(mirror(str(remote), tmp_path, offline=False)))
    with exclusive(path.with_name(path.name + ".lock"), wait=False):
        thread.start()
        thread.join(0.3)
        assert done == []
    thread.join(10)
    assert done == [path]


def test_many_first_runs_at_once_end_in_one_good_mirror(remote: Path, tmp_path: Path) -> None:
    threads = [
        threading.Thread(target=mirror, args=(str(remote), tmp_path), kwargs={"offline": False}) for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    path = mirror(str(remote), tmp_path, offline=True)
    assert read_base(ObjectReader.open(path), None, ["flake.lock"]).files == {"flake.lock": b"{}"}


def test_an_empty_remote_has_no_branch_and_gets_one_later(tmp_path: Path) -> None:
    run_git("init", "--quiet", "--bare", "--initial-branch=main", "e", cwd=tmp_path)
    path = mirror(str(tmp_path / "e"), tmp_path, offline=False)
    with pytest.raises(GitError) as caught:
        read_base(ObjectReader.open(path), None, [])
    assert caught.value.code == "no-commits"
    tip = commit(tmp_path / "e", {"x": "y"})
    mirror(str(tmp_path / "e"), tmp_path, offline=False)
    assert read_base(ObjectReader.open(path), None, []).rev == tip


def test_a_cache_that_cannot_be_written_is_named(remote: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/mirrors").touch()
    for cache in (tmp_path / "file", tmp_path / "cache", Path("/proc/none")):
        with pytest.raises(GitError) as caught:
            mirror(str(remote), cache, offline=False)
        assert caught.value.code == "cache"
        assert caught.value.hint is not None


def test_a_mirrors_name_and_configuration_hold_no_password(tmp_path: Path) -> None:
    a = mirror_path("https://me:secret@git.example.com:8443/Acme/Lib.git", tmp_path)
    assert a == mirror_path("https://other:word@git.example.com:8443/Acme/Lib.git", tmp_path)
    assert "secret" not in str(a)
    assert a.name.startswith("git.example.com-8443-Acme-Lib-")
    assert mirror_path("git@git.example.com:acme/lib.git", tmp_path).name.startswith("git.example.com-acme-lib-")


def test_hooks_in_a_template_of_the_user_do_not_come_along(remote: Path, tmp_path: Path) -> None:
    hook = tmp_path / "template/hooks/reference-transaction"
    hook.parent.mkdir(parents=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/trace\n")
    hook.chmod(0o755)
    subprocess.run(["git", "config", "--global", "init.templateDir", str(tmp_path / "template")], check=True)
    path = mirror(str(remote), tmp_path, offline=False)
    assert not (path / "hooks").exists()
    assert not (tmp_path / "trace").exists()


def test_a_mirror_has_the_remotes_tags_and_follows_them(tmp_path: Path) -> None:
    rev = make_bare(tmp_path / "remote", {"file": "one"})
    run_git("tag", "-a", "-m", "first", "v1", cwd=tmp_path / "remote")
    path = mirror(f"file://{tmp_path}/remote", tmp_path / "cache", offline=False)
    with Repository.open(path) as repository:
        assert repository.ref("refs/tags/v1") is not None
        assert repository.branch("main") == rev
    run_git("tag", "-d", "v1", cwd=tmp_path / "remote")
    run_git("tag", "v2", cwd=tmp_path / "remote")
    mirror(f"file://{tmp_path}/remote", tmp_path / "cache", offline=False)
    with Repository.open(path) as repository:
        assert repository.ref("refs/tags/v1") is None
        assert repository.ref("refs/tags/v2") == rev


def test_branches_are_told_apart_by_what_git_takes_for_a_line(tmp_path: Path) -> None:
    rev = make_bare(tmp_path / "r.git", {"x": "y"})
    names = {"a\u2028b", "c\x85d", "e\u00a0f"}
    for name in names:
        run_git("branch", name, "main", cwd=tmp_path / "r.git")
    for _ in range(2):
        with Repository.open(mirror(f"file://{tmp_path / 'r.git'}", tmp_path / "cache", offline=False)) as repository:
            assert {repository.ref(f"refs/remotes/origin/{name}") for name in names} == {rev}
