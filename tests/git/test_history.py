"""Who descends from whom: short loose histories and libgit2's give the same answers as git."""

import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from flakesync.errors import GitError
from flakesync.git.repository import Repository
from flakesync.git.store.history import History
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


def damage(path: Path, cut: Callable[[bytes], bytes]) -> None:
    whole = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(cut(whole))


def object_file(path: Path, oid: str) -> Path:
    return path / ".git" / "objects" / oid[:2] / oid[2:]


CUTS: list[Callable[[bytes], bytes]] = [
    lambda data: b"",
    lambda data: bytes(len(data)),
    lambda data: data[:10],
    lambda data: data[:60],
    lambda data: data[: len(data) // 2],
    lambda data: data[:-1],
]
QUESTIONS: list[Callable[[History, Rev, Rev], object]] = [
    lambda history, first, last: history.is_ancestor(first, last),
    lambda history, first, last: history.ahead_behind(first, last),
    lambda history, first, last: history.count(last),
    lambda history, first, last: history.log(last, not_in=[first]),
]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("packed", [False, True])
def test_a_damaged_ancestor_is_an_error_at_once(tmp_path: Path, cut: Callable[[bytes], bytes], packed: bool) -> None:
    path = tmp_path / "r"
    revs = grow_line(path, 90)
    if packed:  # all but the one that is damaged, as after a fetch onto loose commits
        pack_without(path, revs[40])
    damage(object_file(path, revs[40]), cut)
    for ask in QUESTIONS:
        with Repository.open(path) as repo, pytest.raises(GitError) as caught:
            ask(repo.history, revs[0], revs[-1])
        assert caught.value.code == "corrupt"
        assert str(path) in caught.value.message


@pytest.mark.parametrize("cut", CUTS)
def test_a_damaged_ancestor_that_is_borrowed_is_an_error_at_once(tmp_path: Path, cut: Callable[[bytes], bytes]) -> None:
    revs = grow_line(tmp_path / "lent", 90)
    run_git("clone", "--quiet", "--shared", "--no-checkout", "lent", "r", cwd=tmp_path)
    damage(object_file(tmp_path / "lent", revs[40]), cut)
    with Repository.open(tmp_path / "r") as repo:
        assert repo.commit(revs[41]).parents == (revs[40],)
        with pytest.raises(GitError) as caught:
            repo.commit(revs[40])
        assert caught.value.code == "corrupt"
        for ask in QUESTIONS:
            with pytest.raises(GitError) as caught:
                ask(repo.history, revs[0], revs[-1])
            assert caught.value.code == "corrupt"


@pytest.mark.parametrize("cut", CUTS)
def test_damage_elsewhere_does_not_matter_to_a_history(tmp_path: Path, cut: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "r"
    revs = grow_line(path, 70)
    other = commit(path, {"f": "other"}, branch="other", parents=[revs[0]], checkout=False)
    damage(object_file(path, other), cut)
    damage(object_file(path, run_git("rev-parse", f"{revs[9]}^{{tree}}", cwd=path).strip()), cut)
    with Repository.open(path) as repo:
        assert repo.history.is_ancestor(revs[0], revs[-1])
        assert not repo.history.is_ancestor(revs[-1], revs[0])
        assert repo.history.ahead_behind(revs[3], revs[-1]) == (0, 66)
        assert repo.history.count(revs[-1]) == 70
        assert [each.rev for each in repo.history.log(revs[-1], not_in=[revs[2]])] == revs[:2:-1]


@pytest.mark.parametrize("cut", [lambda data: b"", lambda data: data[:12], lambda data: data[: len(data) // 2]])
def test_a_damaged_pack_is_an_error_at_once(tmp_path: Path, cut: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "r"
    revs = grow_line(path, 90)
    run_git("gc", "--quiet", cwd=path)
    (pack,) = (path / ".git" / "objects" / "pack").glob("*.pack")
    damage(pack, cut)
    for ask in QUESTIONS:
        with Repository.open(path) as repo, pytest.raises(GitError) as caught:
            ask(repo.history, revs[0], revs[-1])
        assert caught.value.code in ("corrupt", "missing-object")


def grow_line(path: Path, count: int) -> list[Rev]:
    revs = [make_repo(path, {"f": "0"}, checkout=False)]
    return revs + [commit(path, {"f": str(number)}, date=DATE + number, checkout=False) for number in range(1, count)]


def pack_without(path: Path, rev: Rev) -> None:
    """Pack all loose objects but one."""
    objects = path / ".git" / "objects"
    files = [file for file in objects.glob("??/*") if file != object_file(path, rev)]
    ids = "".join(f"{file.parent.name}{file.name}\n" for file in files)
    subprocess.run(["git", "pack-objects", "-q", objects / "pack" / "pack"], input=ids, text=True, cwd=path, check=True)
    for file in files:
        file.unlink()
