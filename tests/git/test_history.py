"""Who descends from whom: short loose histories and libgit2's give the same answers as git."""

import random
import subprocess
from pathlib import Path

import pytest

from flakesync.errors import GitError
from flakesync.git.repository import Repository
from flakesync.git.store.trees import changed_paths, list_files
from flakesync.terms import Rev
from tests.support.repos import DATE, commit, make_repo, run_git


def grow(path: Path, count: int, seed: int) -> list[Rev]:
    """Make a history of `count` commits with merges and skewed clocks."""
    choose = random.Random(seed)
    revs = [make_repo(path, {"f": "0"})]
    for number in range(1, count):
        parents = sorted(set(choose.choices(revs[-6:], k=choose.choice([1, 1, 2]))))
        date = DATE + number * 60 + choose.randint(-600, 600)
        revs.append(commit(path, {"f": str(number)}, branch=f"b{number}", parents=parents, date=date, checkout=False))
    return revs


@pytest.mark.parametrize(("count", "packed"), [(30, False), (30, True), (90, False)])
def test_history_is_what_git_says(tmp_path: Path, count: int, packed: bool) -> None:
    path = tmp_path / "r"
    revs = grow(path, count, seed=count)
    if packed:
        run_git("gc", "--quiet", cwd=path)
    choose = random.Random(1)
    with Repository.open(path) as repo:
        for _ in range(12):
            a, b = choose.sample(revs, 2)
            ahead, behind = map(int, run_git("rev-list", "--left-right", "--count", f"{a}...{b}", cwd=path).split())
            assert repo.history.ahead_behind(a, b) == (ahead, behind)
            assert repo.history.count(a) == int(run_git("rev-list", "--count", a, cwd=path))
            found = subprocess.run(["git", "merge-base", "--is-ancestor", a, b], cwd=path).returncode == 0
            assert repo.history.is_ancestor(a, b) is found
            logged = [commit.rev for commit in repo.history.log(a, not_in=[b])]
            assert sorted(logged) == sorted(run_git("rev-list", a, f"^{b}", cwd=path).split())
            order = {rev: place for place, rev in enumerate(logged)}
            for rev in logged:
                assert all(order[rev] < order.get(parent, len(order)) for parent in repo.commit(rev).parents)
            assert changed_paths(repo.reader, a, b) == {"f"}


def test_a_shallow_clone_counts_what_it_has(tmp_path: Path) -> None:
    revs = [make_repo(tmp_path / "r", {"f": "0"})]
    revs += [commit(tmp_path / "r", {"f": str(number)}) for number in range(1, 5)]
    run_git("clone", "--quiet", "--depth=2", f"file://{tmp_path / 'r'}", "s", cwd=tmp_path)
    with Repository.open(tmp_path / "s") as repo:
        assert repo.history.count(revs[-1]) == 2
        assert repo.has(revs[-2])
        assert not repo.has(revs[0])
        with pytest.raises(GitError) as caught:
            repo.history.ahead_behind(revs[0], revs[-1])
        assert caught.value.code == "missing-object"


def test_a_commit_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    rev = make_repo(tmp_path / "r", {"f": "0"})
    gone = Rev("1" * 40)
    with Repository.open(tmp_path / "r") as repo:
        for ask in (
            lambda: repo.history.is_ancestor(gone, rev) or repo.history.is_ancestor(rev, gone),
            lambda: repo.history.ahead_behind(gone, rev),
            lambda: repo.history.count(gone),
            lambda: repo.history.log(gone, not_in=[rev]),
            lambda: repo.commit(gone),
        ):
            with pytest.raises(GitError) as caught:
                ask()
            assert caught.value.code == "missing-object"


def test_a_commit_is_read_as_git_shows_it(tmp_path: Path) -> None:
    make_repo(tmp_path / "r", {"f": "0"})
    path = tmp_path / "r"
    env = ["-c", "user.name=Zoë <x>", "-c", "user.email=z@x", "-c", "i18n.commitEncoding=ISO-8859-1"]
    argv = ["commit", "--quiet", "--allow-empty", "--date=1700000100 -0330", "-F", "-"]
    subprocess.run(["git", *env, *argv], cwd=path, check=True, input="Gr\xfc\xdfe\n\nbody\n".encode("latin-1"))
    with Repository.open(path) as repo:
        tip = repo.ref("HEAD")
        assert tip is not None
        found = repo.commit(tip)
    assert found.message == "Grüße\n\nbody\n"
    assert (found.author.time, found.author.offset) == (1700000100, -210)
    assert found.author.email == "z@x"
    assert len(found.parents) == 1


def test_changed_paths_are_gits(tmp_path: Path) -> None:
    path = tmp_path / "r"
    old = make_repo(path, {"a": "1", "b/c": "2", "b/d": "3", "x": "4", "m": "5", "gone/deep/f": "6"})
    new = commit(
        path, {"a": None, "a/now/folder": "1", "b/c": "new", "x": "exec:4", "gone/deep/f": None, "l": "link:m"}
    )
    with Repository.open(path) as repo:
        named = run_git("diff", "--name-only", "--no-renames", old, new, cwd=path).split()
        assert changed_paths(repo.reader, old, new) == set(named)
        assert changed_paths(repo.reader, new, new) == frozenset()
        assert list_files(repo.reader, old, name="f") == ["gone/deep/f"]
