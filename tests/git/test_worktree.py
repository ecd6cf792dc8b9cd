"""Checkouts for checks: the commit's own bytes, one's own folder, nothing left behind."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flakesync.errors import GitError
from flakesync.git.repository import Repository
from flakesync.git.scratch.alternates import borrow_objects
from flakesync.git.scratch.worktree import checkout
from flakesync.terms import Rev
from tests.support import gitusers
from tests.support.repos import commit, make_bare, make_repo, run_git

FILES = {"flake.lock": "{}\n", "sub/x": "1\n", "run": "exec:x", "link": "link:run"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    make_repo(tmp_path / "r", FILES)
    return tmp_path / "r"


def tip(path: Path) -> Rev:
    return Rev(run_git("rev-parse", "main", cwd=path))


def entries(path: Path) -> list[str]:
    folder = path / ".git/worktrees"
    return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []


@pytest.mark.parametrize("where", [".gitattributes", "sub/.gitattributes", "info/attributes"])
def test_a_checkout_that_git_would_never_end_with_is_an_error_at_once(path: Path, where: str) -> None:
    pattern = f"/{'*a' * 8}*b text\n"  # as git 2.39 reads it: years
    inside = not where.startswith("info")
    files = {f"{where.removesuffix('.gitattributes') if inside else ''}{'a' * 190}/x": ""}
    rev = commit(path, files | ({where: pattern} if inside else {}), checkout=False)
    if not inside:
        (path / ".git/info/attributes").write_text(pattern)
    too_long = pytest.raises(GitError, match="attributes, line 1: it takes git too long")
    with Repository.open(path) as repo, too_long, checkout(repo, rev):
        pass
    assert entries(path) == []


def test_a_checkout_is_the_commit_and_is_gone_after(path: Path) -> None:
    old = tip(path)
    commit(path, {"flake.lock": "newer"})
    with Repository.open(path) as repo, checkout(repo, old) as tree:
        assert (tree / "flake.lock").read_text() == "{}\n"
        assert os.access(tree / "run", os.X_OK)
        assert os.readlink(tree / "link") == "run"
        assert run_git("rev-parse", "HEAD", cwd=tree) == old
        assert run_git("status", "--porcelain", cwd=tree) == ""
        (tree / "result").symlink_to("/nowhere")
        (tree / "ro/deep").mkdir(parents=True)
        (tree / "ro/deep/f").touch()
        (tree / "ro/deep").chmod(0o500)
        (tree / "ro").chmod(0o500)
    assert not tree.parent.exists()
    assert entries(path) == []


def test_a_checkout_is_gone_after_an_interrupt(path: Path) -> None:
    seen: list[Path] = []
    with Repository.open(path) as repo:
        tree = checkout(repo, tip(path))
        seen.append(tree.__enter__())
        assert not tree.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
        gone = run_git("rev-parse", "main:sub/x", cwd=path)
        (path / ".git/objects" / gone[:2] / gone[2:]).unlink()
        for rev, code in ((Rev("1" * 40), "missing-object"), (tip(path), "git")):
            with pytest.raises(GitError) as caught, checkout(repo, rev):
                pass
            assert caught.value.code == code
    assert not seen[0].parent.exists()
    assert entries(path) == []
    assert list(Path(os.environ["TMPDIR"]).iterdir()) == []


def test_many_checkouts_of_one_repo_work_at_once(path: Path) -> None:
    rev = tip(path)

    def check(_: int) -> str:
        with Repository.open(path) as repo, checkout(repo, rev) as tree:
            return (tree / "flake.lock").read_text() + run_git("rev-parse", "HEAD", cwd=tree)

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(check, range(12))) == {"{}\n" + rev}
    assert entries(path) == []


def test_what_a_killed_run_left_is_taken_away_and_what_lives_stays(path: Path, tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from flakesync.git.repository import Repository\n"
        "repo = Repository.open(Path(sys.argv[1]))\n"
        "from flakesync.git.scratch.worktree import checkout\n"
        "with checkout(repo, repo.branch('main')) as tree: print(tree, flush=True); time.sleep(60)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    argv = [sys.executable, "-c", code, str(path)]
    run_git("worktree", "add", "--quiet", "--detach", str(tmp_path / "theirs"), cwd=path)
    run_git("worktree", "add", "--quiet", "--detach", str(tmp_path / "gone"), cwd=path)
    (tmp_path / "gone").rename(tmp_path / "moved")
    with (
        subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=env) as killed,
        subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=env) as lives,
    ):
        assert killed.stdout is not None
        assert lives.stdout is not None
        dead, alive = Path(killed.stdout.readline().strip()), Path(lives.stdout.readline().strip())
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert dead.is_dir()
        with Repository.open(path) as repo, checkout(repo, tip(path)) as tree:
            assert not dead.parent.exists()
            assert (alive / "flake.lock").exists()
            assert entries(path) == sorted([alive.name, tree.name, "theirs", "gone"])
        lives.terminate()
    with Repository.open(path) as repo, checkout(repo, tip(path)):
        assert not alive.parent.exists()
    assert entries(path) == ["gone", "theirs"]


def test_where_git_notes_paths_relatively_the_dead_goes_and_the_living_stays(path: Path, tmp_path: Path) -> None:
    dead = tmp_path / "flakesync-checkout-dead/dead"
    with Repository.open(path) as repo, checkout(repo, tip(path)) as tree:
        run_git("worktree", "add", "--quiet", "--detach", str(dead), cwd=path)
        for place in (dead, tree):  # as git 2.48 and later do it, if asked to
            entry = path / ".git/worktrees" / place.name
            (entry / "gitdir").write_text(os.path.relpath(place / ".git", entry) + "\n")
        with Repository.open(path) as other, checkout(other, tip(path)):
            assert (tree / "flake.lock").exists()
            assert not dead.exists()


def test_no_filter_fetches_and_no_setting_changes_the_bytes(path: Path, tmp_path: Path) -> None:
    commit(path, {".gitattributes": "*.bin filter=lfs\n", "a.bin": "version https://git-lfs\n", "t": "1\n2\n"})
    for name, value in (
        ("filter.lfs.smudge", f"touch {tmp_path / 'trace'}; cat"),
        ("filter.lfs.process", f"touch {tmp_path / 'trace'}; exit 1"),
        ("filter.lfs.required", "true"),
        ("core.autocrlf", "true"),
        ("core.sparseCheckout", "true"),
        ("submodule.recurse", "true"),
    ):
        run_git("config", name, value, cwd=path)
    (path / ".git/info").mkdir(exist_ok=True)
    (path / ".git/info/sparse-checkout").write_text("/flake.lock\n")
    with Repository.open(path) as repo, checkout(repo, tip(path)) as tree:
        assert (tree / "a.bin").read_text() == "version https://git-lfs\n"
        assert (tree / "t").read_bytes() == b"1\n2\n"
        assert (tree / "sub/x").exists()
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("user", gitusers.CONVERSIONS)
def test_what_the_user_has_set_for_working_trees_changes_no_file(path: Path, hermetic: Path, user: str) -> None:
    commit(path, gitusers.FILES)
    gitusers.become(hermetic, user)
    with Repository.open(path) as repo, checkout(repo, tip(path)) as tree:
        assert (tree / "lf.txt").read_bytes() == b"one\ntwo\n"
        assert (tree / "crlf.txt").read_bytes() == b"one\r\ntwo\r\n"
        assert (tree / "id").read_bytes() == b"$Id$\n"
        assert (tree / "binary").read_bytes() == bytes(range(256))
        assert os.access(tree / "run", os.X_OK)
        assert os.readlink(tree / "link") == "lf.txt"


def test_settings_that_a_git_has_handed_over_change_no_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(path, gitusers.FILES)
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'core.autocrlf'='true'")
    with Repository.open(path) as repo, checkout(repo, tip(path)) as tree:
        assert (tree / "lf.txt").read_bytes() == b"one\ntwo\n"


def test_filters_of_the_clone_do_not_run(path: Path) -> None:
    commit(path, {".gitattributes": "*.x filter=A.b\n", "a.x": "quiet\n"})
    run_git("config", "filter.A.b.smudge", "tr a-z A-Z", cwd=path)
    run_git("config", "filter.A.b.required", "true", cwd=path)
    with Repository.open(path) as repo, checkout(repo, tip(path)) as tree:
        assert (tree / "a.x").read_text() == "quiet\n"


def test_submodules_are_empty_folders(path: Path, tmp_path: Path) -> None:
    make_repo(tmp_path / "lib", {"x": "y"})
    run_git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(tmp_path / "lib"), "lib", cwd=path)
    run_git("commit", "--quiet", "-m", "submodule", cwd=path)
    with Repository.open(path) as repo, checkout(repo, tip(path)) as tree:
        assert (tree / "lib").is_dir()
        assert list((tree / "lib").iterdir()) == []


def test_bare_repositories_and_borrowed_ones_can_be_checked_out(tmp_path: Path) -> None:
    rev = make_bare(tmp_path / "bare", FILES)
    with Repository.open(tmp_path / "bare") as repo:
        with checkout(repo, rev) as tree:
            assert (tree / "flake.lock").read_text() == "{}\n"
        with Repository.open(borrow_objects(repo, tmp_path, {})) as borrowed, checkout(borrowed, rev) as tree:
            assert (tree / "flake.lock").read_text() == "{}\n"


def test_a_checkout_in_a_worktree_of_the_user_works(path: Path, tmp_path: Path) -> None:
    run_git("worktree", "add", "--quiet", "-b", "topic", str(tmp_path / "tree"), cwd=path)
    with Repository.open(tmp_path / "tree") as repo, checkout(repo, tip(path)) as tree:
        assert (tree / "flake.lock").exists()
    assert entries(path) == ["tree"]
