"""Branches moved without the git program: what git would write, and left to git where anything is unusual."""

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flakesync.errors import GitError
from flakesync.git import process
from flakesync.git.repository import Repository
from flakesync.git.store.base import read_base
from flakesync.git.store.objects import ObjectReader
from flakesync.git.store.refs import delete_ref, refs_below
from flakesync.git.values import Signature
from flakesync.terms import Rev
from tests.support.repos import commit, make_bare, make_repo, run_git

UPDATE = "refs/heads/flakesync/update"
BOT = Signature("Bot", "bot@test.example", 1_700_000_500)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    make_repo(tmp_path / "r", {"flake.lock": "{}"})
    return tmp_path / "r"


def write(repo: Repository, text: str, parent: Rev | None = None) -> Rev:
    base = parent or repo.branch("main")
    assert base is not None
    files = {"flake.lock": text.encode()}
    return repo.write_commit(
        parents=[base], base_tree_of=base, files=files, message="m", author=BOT, committer=BOT.at(1_700_000_600)
    )


def left_behind(path: Path) -> list[str]:
    return [
        file.name
        for file in (path / ".git").rglob("*")
        if file.name.startswith("tmp_obj_") or file.name.endswith(".lock")
    ]


def reflog(path: Path, ref: str = UPDATE) -> list[str]:
    """Return the entries of a reflog, without the times."""
    file = path / ".git/logs" / ref
    text = file.read_text() if file.exists() else ""
    return [re.sub(r"> \d+ ", "> TIME ", line) for line in text.splitlines()]


def test_a_branch_is_made_and_moved_without_the_git_program(path: Path, started: list[str]) -> None:
    with Repository.open(path) as repo:
        one, two = write(repo, "1"), write(repo, "2")
        started.clear()
        repo.update_ref(UPDATE, one, old=None, message="flakesync: run  1\n")
        repo.update_ref(UPDATE, two, old=one, message="flakesync: run 2")
        assert started == []
    assert run_git("rev-parse", UPDATE, cwd=path) == two
    assert left_behind(path) == []
    run_git("fsck", "--strict", cwd=path)


def test_the_reflog_is_what_git_writes(path: Path, tmp_path: Path) -> None:
    ours, gits = Repository.open(path), "refs/heads/git"
    one, two = write(ours, "1"), write(ours, "2")
    moves: list[tuple[Rev, Rev | None]] = [(one, None), (two, one)]
    for new, old in moves:
        ours.update_ref(UPDATE, new, old=old, message="flakesync: run 1")
        run_git("update-ref", "-m", "flakesync: run 1", gits, new, old or "0" * 40, cwd=path)
    assert reflog(path) == reflog(path, gits) != []
    ours.close()


@pytest.mark.parametrize("value", ["false", "true", "always", "no"])
@pytest.mark.parametrize("bare", [False, True])
def test_a_reflog_is_begun_where_git_begins_one(tmp_path: Path, value: str, bare: bool) -> None:
    (make_bare if bare else make_repo)(tmp_path / "r", {"flake.lock": "{}"})
    top = tmp_path / "r"
    run_git("config", "core.logAllRefUpdates", value, cwd=top)
    with Repository.open(top) as repo:
        repo.update_ref(UPDATE, rev := write(repo, "1"), old=None, message="m")
    run_git("update-ref", "-m", "m", "refs/heads/git", rev, cwd=top)
    logs = (top if bare else top / ".git") / "logs/refs/heads"
    assert (logs / "flakesync/update").exists() == (logs / "git").exists()


def packed(path: Path) -> None:
    run_git("pack-refs", "--all", cwd=path)


def with_folder(path: Path) -> None:
    run_git("update-ref", "-d", UPDATE, cwd=path)
    (path / ".git" / UPDATE / "empty").mkdir(parents=True)


@pytest.mark.parametrize("prepare", [packed, with_folder])
def test_what_is_packed_or_beside_an_empty_folder_is_moved_too(path: Path, prepare: Callable[[Path], None]) -> None:
    with Repository.open(path) as repo:
        one, two = write(repo, "1"), write(repo, "2")
        repo.update_ref(UPDATE, one, old=None, message="m")
        prepare(path)
        repo.update_ref(UPDATE, two, old=repo.ref(UPDATE), message="m")
        assert repo.ref(UPDATE) == two
    assert left_behind(path) == []


@pytest.mark.parametrize("other", ["refs/heads/flakesync", f"{UPDATE}/x"])
@pytest.mark.parametrize("is_packed", [False, True])
def test_a_branch_whose_name_is_in_the_way_is_named(path: Path, other: str, is_packed: bool) -> None:
    run_git("update-ref", other, "HEAD", cwd=path)
    if is_packed:
        packed(path)
    with Repository.open(path) as repo, pytest.raises(GitError) as caught:
        repo.update_ref(UPDATE, write(repo, "1"), old=None, message="m")
    assert caught.value.code == "ref-conflict"
    assert f"a branch {other.removeprefix('refs/heads/')}, and" in caught.value.message
    assert "`branch` in [workspace]" in str(caught.value.hint)
    assert left_behind(path) == []
    with Repository.open(path) as repo, pytest.raises(GitError) as earlier:
        repo.require_room(UPDATE)
    assert earlier.value.message == caught.value.message


def test_a_branch_beside_others_has_room(path: Path) -> None:
    for other in ("refs/heads/flakesync2", "refs/heads/flakesync/update2/x", "refs/heads/flakesync/other"):
        run_git("update-ref", other, "HEAD", cwd=path)
    (path / ".git" / UPDATE / "empty").mkdir(parents=True)
    with Repository.open(path) as repo:
        repo.require_room(UPDATE)
        repo.update_ref(UPDATE, write(repo, "1"), old=None, message="m")
        repo.require_room(UPDATE)


@pytest.mark.parametrize(
    "setting",
    ["core.sharedRepository=group", "extensions.partialClone=origin", "core.logAllRefUpdates=yes"],
)
def test_git_moves_the_branch_of_an_unusual_repository(path: Path, started: list[str], setting: str) -> None:
    run_git("config", *setting.split("="), cwd=path)
    with Repository.open(path) as repo:
        repo.update_ref(UPDATE, rev := write(repo, "1"), old=None, message="m")
        assert repo.ref(UPDATE) == rev
    assert started[-1] == "update-ref"


def test_a_symbolic_branch_is_left_to_git(path: Path, started: list[str]) -> None:
    run_git("symbolic-ref", UPDATE, "refs/heads/elsewhere", cwd=path)
    with Repository.open(path) as repo:
        repo.update_ref("refs/heads/elsewhere", one := write(repo, "1"), old=None, message="m")
        started.clear()
        with pytest.raises(GitError):
            repo.update_ref(UPDATE, write(repo, "2"), old=None, message="m")
        assert started == ["update-ref"]
        assert repo.ref("refs/heads/elsewhere") == one


def test_a_lock_of_gits_is_respected(path: Path) -> None:
    lock = path / ".git" / f"{UPDATE}.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    with Repository.open(path) as repo, pytest.raises(GitError) as caught:
        repo.update_ref(UPDATE, write(repo, "1"), old=None, message="m")
    assert caught.value.code == "ref-locked"
    assert lock.exists()


_KILLED = """
import os, signal, sys
from pathlib import Path
from flakesync.git.repository import Repository
from flakesync.git.store.base import read_base
from flakesync.git.store.objects import ObjectReader
from flakesync.git.store.refs import refs_below
def hook(event, arguments):
    if event == sys.argv[2] and "objects" not in str(arguments[1]):
        os.kill(os.getpid(), signal.SIGKILL)
with Repository.open(Path(sys.argv[1])) as repo:
    repo.config
    sys.addaudithook(hook)
    repo.update_ref(sys.argv[3], sys.argv[4], old=None, message="killed")
"""


@pytest.mark.parametrize("event", ["os.link", "os.rename"])
def test_the_lock_of_a_killed_run_is_in_nobodys_way(path: Path, started: list[str], event: str) -> None:
    with Repository.open(path) as repo:
        one, two = write(repo, "1"), write(repo, "2")
        env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        argv = [sys.executable, "-c", _KILLED, str(path), event, UPDATE, one]
        assert subprocess.run(argv, env=env, capture_output=True).returncode == -signal.SIGKILL
        assert (path / ".git" / f"{UPDATE}.lock").exists() == (event == "os.rename")
        assert repo.ref(UPDATE) is None
        started.clear()
        repo.update_ref(UPDATE, two, old=None, message="m")
        assert started == []
        assert repo.ref(UPDATE) == two
    run_git("gc", "--quiet", "--prune=now", cwd=path)
    assert left_behind(path) == []
    run_git("fsck", "--strict", cwd=path)


_HOLDS = """
import os, sys
from pathlib import Path
from flakesync.git.repository import Repository
from flakesync.git.store.base import read_base
from flakesync.git.store.objects import ObjectReader
from flakesync.git.store.refs import _locked
reader = ObjectReader.open(sys.argv[1])
with _locked(reader, f"{reader.common_dir}/{sys.argv[2]}") as locked:
    print(locked, flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_run_holds(path: Path, file: str) -> Iterator[None]:
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    argv = [sys.executable, "-c", _HOLDS, str(path), file]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "True\n"
        yield
        run.communicate()


@pytest.mark.parametrize("collected", [False, True])
def test_the_lock_of_a_living_run_is_respected(path: Path, collected: bool) -> None:
    with Repository.open(path) as repo:
        rev = write(repo, "1")
        with another_run_holds(path, UPDATE):
            if collected:
                run_git("gc", "--quiet", "--prune=never", cwd=path)
            with pytest.raises(GitError) as caught:
                repo.update_ref(UPDATE, rev, old=None, message="m")
            assert caught.value.code == "ref-locked"
            assert (path / ".git" / f"{UPDATE}.lock").exists()
        repo.update_ref(UPDATE, rev, old=None, message="m")
        assert repo.ref(UPDATE) == rev


def test_while_another_run_has_packed_refs_a_branch_in_it_stays(path: Path) -> None:
    with Repository.open(path) as repo:
        repo.update_ref(UPDATE, rev := write(repo, "1"), old=None, message="m")
        packed(path)
        with another_run_holds(path, "packed-refs"):
            with pytest.raises(GitError) as caught:
                repo.delete_ref(UPDATE, old=rev)
            assert caught.value.code == "ref-locked"
            assert caught.value.hint == f"if no git is running there, delete {path}/.git/packed-refs.lock"
            assert repo.ref(UPDATE) == rev
        repo.delete_ref(UPDATE, old=rev)
    assert left_behind(path) == []


@pytest.mark.parametrize("with_git", [False, True])
def test_of_many_that_move_a_branch_at_once_one_wins(path: Path, with_git: bool) -> None:
    with Repository.open(path) as repo:
        tips = [write(repo, str(number)) for number in range(6)]
    won: list[Rev] = []
    codes: set[str] = set()

    def move(number: int) -> None:
        rev = tips[number]
        if with_git and number % 2:
            argv = ["git", "update-ref", UPDATE, rev, "0" * 40]
            if subprocess.run(argv, cwd=path, capture_output=True).returncode == 0:
                won.append(rev)
            return
        with Repository.open(path) as repo:
            try:
                repo.update_ref(UPDATE, rev, old=None, message="m")
            except GitError as error:
                codes.add(error.code)
            else:
                won.append(rev)

    threads = [threading.Thread(target=move, args=(number,)) for number in range(len(tips))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes <= {"ref-moved", "ref-locked"}
    assert won == [Rev(run_git("rev-parse", UPDATE, cwd=path))]
    assert len(reflog(path)) == 1
    assert left_behind(path) == []


def test_refs_are_listed_as_git_lists_them(path: Path) -> None:
    tip = run_git("rev-parse", "HEAD", cwd=path)
    commit(path, {"a": "b"}, branch="moved")
    run_git("tag", "light", cwd=path)
    run_git("tag", "-a", "-m", "m", "annotated/deep", cwd=path)
    run_git("update-ref", "refs/remotes/origin/ümlaut/x", tip, cwd=path)
    run_git("pack-refs", "--all", cwd=path)
    commit(path, {"a": "c"}, branch="moved")
    run_git("update-ref", "refs/remotes/origin/lösé", tip, cwd=path)
    run_git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/heads/main", cwd=path)
    (path / ".git/refs/tags/light.lock").write_text("")
    (path / ".git/refs/heads/empty").write_text("")
    for folders in (["refs/heads"], ["refs/remotes/origin", "refs/tags"]):
        argv = ["for-each-ref", "--format=%(objectname) %(refname) %(symref)", *folders]
        lines = [line.split(" ") for line in process.git(argv, cwd=path).lines]
        assert refs_below(ObjectReader.open(path), *folders) == {name: rev for rev, name, to in lines if not to}
    shutil.rmtree(path / ".git/refs/remotes")
    (path / ".git/refs/remotes").mkdir()
    assert len(refs_below(ObjectReader.open(path), "refs/remotes/origin") or {}) == 1


def test_what_git_alone_can_list_is_left_to_git(path: Path) -> None:
    (path / ".git/reftable").mkdir()
    assert refs_below(ObjectReader.open(path), "refs/heads") is None


def refs_and_logs(path: Path) -> dict[str, str]:
    """Return all that a git dir holds of refs: the files, and what they say but for the times."""
    folders = [path / "refs", path / "logs"]
    found = {
        str(file.relative_to(path)): re.sub(r"> \d+ ", "> TIME ", file.read_text()) if file.is_file() else ""
        for folder in folders
        for file in folder.rglob("*")
    }
    packed_refs = path / "packed-refs"
    return {**found, "packed-refs": packed_refs.read_text() if packed_refs.exists() else ""}


def loose(path: Path) -> None:
    pass


def packed_and_moved(path: Path) -> None:
    packed(path)
    tip = run_git("rev-parse", "main", cwd=path)
    run_git("update-ref", UPDATE, tip, cwd=path)


def packed_among_tags(path: Path) -> None:
    for name in ("flakesync/update", "v1"):
        run_git("tag", "-a", "-m", "m", name, cwd=path)
    run_git("update-ref", f"{UPDATE}2", "main", cwd=path)
    packed(path)


def beside_another(path: Path) -> None:
    run_git("update-ref", "refs/heads/flakesync/other", "main", cwd=path)


@contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    """Let writes come to an end as on a disk that fills up: the last one is cut short, and the next one fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_packed_refs_stay_whole_where_the_disk_fills_up_in_the_midst_of_them(path: Path) -> None:
    with Repository.open(path) as repo:
        tip = repo.branch("main")
        assert tip is not None
        lines = "".join(f"{tip} refs/tags/t{number:04}\n" for number in range(200))
        file, text = path / ".git/packed-refs", f"# pack-refs with: sorted\n{tip} {UPDATE}\n{lines}"
        file.write_text(text)
        settings = repo.config
        with no_file_longer_than(8192):
            assert not delete_ref(repo.reader, UPDATE, old=tip, settings=settings)
        assert file.read_text() == text
        assert left_behind(path) == []


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("prepare", [loose, packed, packed_and_moved, packed_among_tags, beside_another])
@pytest.mark.parametrize("ref", [UPDATE, "refs/remotes/origin/flakesync/update"])
def test_a_ref_is_deleted_without_git_and_leaves_what_git_leaves(
    tmp_path: Path, started: list[str], prepare: Callable[[Path], None], ref: str, bare: bool
) -> None:
    (make_bare if bare else make_repo)(tmp_path / "ours", {"flake.lock": "{}"})
    top = tmp_path / "ours"
    run_git("config", "core.logAllRefUpdates", "true", cwd=top)
    with Repository.open(top) as repo:
        rev = write(repo, "1")
    for each in (UPDATE, "refs/remotes/origin/flakesync/update"):
        run_git("update-ref", "--create-reflog", "-m", "m", each, rev, cwd=top)
    prepare(top)
    shutil.copytree(top, tmp_path / "gits", symlinks=True)
    old = run_git("rev-parse", ref, cwd=top)
    started.clear()
    with Repository.open(top) as repo:
        repo.delete_ref(ref, old=Rev(old))
        assert repo.ref(ref) is None
    assert started == []
    run_git("update-ref", "--no-deref", "-d", ref, old, cwd=tmp_path / "gits")
    dirs = [each if bare else each / ".git" for each in (top, tmp_path / "gits")]
    assert refs_and_logs(dirs[0]) == refs_and_logs(dirs[1])
    run_git("fsck", "--strict", cwd=top)


def test_of_a_moved_ref_only_a_deletion_that_knows_it_is_done(path: Path) -> None:
    with Repository.open(path) as repo:
        one, two = write(repo, "1"), write(repo, "2")
        repo.update_ref(UPDATE, one, old=None, message="m")
        packed(path)
        for old in (two, None):
            run_git("update-ref", UPDATE, two if old is None else one, cwd=path)
            with pytest.raises(GitError) as caught:
                repo.delete_ref(UPDATE, old=old or one)
            assert caught.value.code == "ref-moved"
            assert repo.ref(UPDATE) == (two if old is None else one)
    assert left_behind(path) == []


_DELETES = """
import os, signal, sys
from pathlib import Path
from flakesync.git.repository import Repository
def hook(event, arguments):
    if event == sys.argv[2] and sys.argv[5] in str(arguments[1 if event == "os.rename" else 0]):
        os.kill(os.getpid(), signal.SIGKILL)
with Repository.open(Path(sys.argv[1])) as repo:
    repo.config
    sys.addaudithook(hook)
    repo.delete_ref(sys.argv[3], old=sys.argv[4])
"""


@pytest.mark.parametrize(
    ("event", "file"),
    [
        ("os.link", "tmp_obj"),
        ("os.remove", "tmp_obj"),
        ("os.rename", "packed-refs"),
        ("os.remove", "packed-refs.lock"),
        ("os.remove", "refs/heads/flakesync/update"),
        ("os.remove", "logs/refs"),
        ("os.remove", "update.lock"),
        ("os.rmdir", "refs/heads/flakesync"),
    ],
)
def test_a_deletion_that_is_killed_is_in_nobodys_way(path: Path, event: str, file: str) -> None:
    with Repository.open(path) as repo:
        one = write(repo, "1")
        repo.update_ref(UPDATE, one, old=None, message="m")
        packed(path)
        repo.update_ref(UPDATE, two := write(repo, "2"), old=one, message="m")
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    argv = [sys.executable, "-c", _DELETES, str(path), event, UPDATE, two, file]
    done = subprocess.run(argv, env=env, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with Repository.open(path) as repo:
        found = repo.ref(UPDATE)
        assert found in (two, None)  # never what packed-refs says of it
        repo.clear_dead_locks(UPDATE)
    assert [name for name in left_behind(path) if name.endswith(".lock")] == []
    with Repository.open(path) as repo:
        if found is not None:
            repo.delete_ref(UPDATE, old=found)
        repo.update_ref(UPDATE, two, old=None, message="m")
        repo.delete_ref(UPDATE, old=two)
    assert [name for name in left_behind(path) if name.endswith(".lock")] == []
    run_git("update-ref", "refs/heads/flakesync", "main", cwd=path)
    run_git("gc", "--quiet", "--prune=now", cwd=path)
    assert left_behind(path) == []
    run_git("fsck", "--strict", cwd=path)


def test_a_dead_lock_is_known_after_git_has_collected_garbage(path: Path, started: list[str]) -> None:
    with Repository.open(path) as repo:
        rev = write(repo, "1")
        env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        argv = [sys.executable, "-c", _KILLED, str(path), "os.rename", UPDATE, rev]
        assert subprocess.run(argv, env=env, capture_output=True).returncode == -signal.SIGKILL
        assert (path / ".git" / f"{UPDATE}.lock").exists()
        run_git("prune", "--expire=now", cwd=path)
        assert (path / ".git" / f"{UPDATE}.lock").exists()
        rev = write(repo, "1")
        started.clear()
        repo.update_ref(UPDATE, rev, old=None, message="m")
    assert started == []


def test_a_ref_is_moved_without_git_where_all_objects_are_packed(path: Path, started: list[str]) -> None:
    tip = Rev(run_git("rev-parse", "main", cwd=path))
    run_git("gc", "--quiet", cwd=path)
    with Repository.open(path) as repo:
        assert repo.config
        started.clear()
        repo.update_ref(UPDATE, tip, old=None, message="m")
    assert started == []


@pytest.mark.parametrize("ref", [UPDATE, "refs/remotes/origin/flakesync/update", "refs/flakesync/server/x/main"])
@pytest.mark.parametrize("value", ["true", "always", "false"])
def test_each_kind_of_ref_is_logged_where_git_logs_it(path: Path, ref: str, value: str, started: list[str]) -> None:
    run_git("config", "core.logAllRefUpdates", value, cwd=path)
    with Repository.open(path) as repo:
        rev = write(repo, "1")
        started.clear()
        repo.update_ref(ref, rev, old=None, message="m")
    assert started == []
    run_git("update-ref", "-m", "m", f"{ref}2", rev, cwd=path)
    assert reflog(path, ref) == reflog(path, f"{ref}2")


def test_a_symbolic_ref_is_made_and_changed_without_git(path: Path, started: list[str]) -> None:
    name = "refs/flakesync/server/x/HEAD"
    with Repository.open(path) as repo:
        assert repo.config
        started.clear()
        for target in ("refs/heads/main", "refs/heads/other"):
            repo.point_ref(name, target)
            assert run_git("symbolic-ref", name, cwd=path) == target
            assert started == []
        with another_run_holds(path, name), pytest.raises(GitError):
            repo.point_ref(name, "refs/heads/main")
        with pytest.raises(GitError) as caught:
            repo.point_ref(name, "refs/heads/a..b")
        assert caught.value.code == "bad-ref"
        assert run_git("symbolic-ref", name, cwd=path) == "refs/heads/other"
    assert left_behind(path) == []


@pytest.mark.parametrize("content", [b"", b"\n", bytes(41)])
@pytest.mark.parametrize("is_packed", [False, True])
def test_a_ref_that_lost_its_content_is_made_anew(path: Path, content: bytes, is_packed: bool) -> None:
    with Repository.open(path) as repo:
        repo.update_ref(UPDATE, one := write(repo, "1"), old=None, message="m")
        if is_packed:
            packed(path)
        (path / ".git" / UPDATE).parent.mkdir(exist_ok=True)
        (path / ".git" / UPDATE).write_bytes(content)
        assert repo.ref(UPDATE) is repo.branch("flakesync/update") is None
        assert read_base(repo.reader, "main", [], update="flakesync/update").rev == repo.branch("main")
        with pytest.raises(GitError) as caught:
            repo.update_ref(UPDATE, one, old=write(repo, "2"), message="m")
        assert caught.value.code == "ref-moved"
        repo.update_ref(UPDATE, one, old=None, message="m")
        assert repo.ref(UPDATE) == one
    assert run_git("rev-parse", UPDATE, cwd=path) == one


def test_a_base_that_lost_its_content_is_an_error_that_names_it(path: Path) -> None:
    run_git("update-ref", "refs/remotes/origin/main", "main", cwd=path)
    (path / ".git/refs/heads/main").write_bytes(b"")
    with pytest.raises(GitError) as caught:
        read_base(ObjectReader.open(path), "main", [])
    assert caught.value.code == "blank-ref"
    assert "refs/heads/main is empty" in caught.value.message
    assert f"{path}/.git/logs/refs/heads/main" in str(caught.value.hint)


@pytest.mark.parametrize("other", ["refs/heads/flakesync", f"{UPDATE}/x"])
def test_without_reflogs_too_a_packed_branch_in_the_way_is_seen(tmp_path: Path, other: str) -> None:
    # With reflogs the two names are in each other's way among these as well.
    tip = make_bare(tmp_path / "r", {"flake.lock": "{}"})
    run_git("config", "core.logAllRefUpdates", "false", cwd=tmp_path / "r")
    run_git("update-ref", other, tip, cwd=tmp_path / "r")
    packed(tmp_path / "r")
    with Repository.open(tmp_path / "r") as repo:
        with pytest.raises(GitError) as caught:
            repo.update_ref(UPDATE, tip, old=None, message="m")
        assert caught.value.code == "ref-conflict"
        assert (repo.ref(UPDATE), repo.ref(other)) == (None, tip)
    assert not (tmp_path / "r" / UPDATE).is_file()


_MOVES = """
import sys
from pathlib import Path
from flakesync.git.repository import Repository
with Repository.open(Path(sys.argv[1])) as repo:
    repo.update_ref(sys.argv[2], repo.ref("refs/heads/main"), old=None, message="m")
"""


@pytest.mark.parametrize(("zone", "shown"), [("XST-5:30", "+0530"), ("YST3:30", "-0330"), ("UTC", "+0000")])
def test_the_reflog_has_the_time_zone_of_this_machine(path: Path, zone: str, shown: str) -> None:
    env = {**os.environ, "TZ": zone, "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, "-c", _MOVES, str(path), UPDATE], env=env, check=True)
    subprocess.run(["git", "update-ref", "-m", "m", "refs/heads/git", "main"], cwd=path, env=env, check=True)
    zones = [
        line.partition("\t")[0].rpartition(" ")[2] for ref in (UPDATE, "refs/heads/git") for line in reflog(path, ref)
    ]
    assert zones == [shown, shown]
