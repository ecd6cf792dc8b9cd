"""What two commits differ in: locks alone or more, and who reads the own lock, in real repositories."""

import subprocess
from pathlib import Path

import pytest

from flakesync.terms import FlakeDir, RepoName, Rev
from flakesync.workspace.differences import DifferenceReader, Differences, KeptDifferences, LockOnly
from flakesync.workspace.snapshot import RepoAtCommit, Snapshot
from tests.support import locks, repos
from tests.support.repos import run_git
from tests.support.workspaces import repo, state_of, workspace

LIB = RepoName("lib")
LOCK = locks.to_bytes(locks.lock({})).decode()
OTHER = locks.to_bytes(locks.lock({"x": locks.github("a", "x")})).decode()


def reader(path: Path, kept: KeptDifferences | None = None) -> DifferenceReader:
    known = repo("lib")
    state = state_of(known, {".": None}, Rev("0" * 40))
    assert isinstance(state, RepoAtCommit)
    at = RepoAtCommit(known, path, "main", state.rev, state.rev, ())
    return DifferenceReader(Snapshot(workspace([known]), "base", {LIB: at}), kept or KeptDifferences(None))


def between(path: Path, old: Rev, new: Rev) -> LockOnly | None:
    return reader(path).lock_only([(LIB, old, new)]).get((old, new))


@pytest.fixture
def lib(tmp_path: Path) -> Path:
    repos.make_repo(tmp_path / "lib", {"flake.nix": "{ }", "flake.lock": LOCK, "dev/flake.nix": "{ }"})
    return tmp_path / "lib"


def head(path: Path) -> Rev:
    return Rev(run_git("rev-parse", "HEAD", cwd=path).strip())


def change(path: Path, *commands: str) -> tuple[Rev, Rev]:
    """Change the working tree by shell commands and commit that; return the commits before and after."""
    old = head(path)
    run_git("reset", "--hard", "-q", cwd=path)
    for command in commands:
        subprocess.run(["sh", "-c", command], cwd=path, check=True)
    run_git("add", "-A", cwd=path)
    run_git("commit", "-q", "-m", "change", cwd=path)
    return old, head(path)


@pytest.mark.parametrize(
    ("commands", "files"),
    [
        (["echo '{}' > flake.lock"], {"flake.lock"}),
        (["echo '{}' > dev/flake.lock"], {"dev/flake.lock"}),
        (["mkdir -p a/b", "echo '{}' > a/b/flake.lock", "echo '{}' > flake.lock"], {"a/b/flake.lock", "flake.lock"}),
        (["rm flake.lock"], {"flake.lock"}),
        (["echo '{}' > flake.lock", "echo > x"], None),
        (["echo '{}' > my-flake.lock"], None),
        (["chmod +x flake.lock"], None),
        (["rm flake.lock", "ln -s dev/flake.nix flake.lock"], None),
        (["rm flake.lock", "mkdir flake.lock", "echo > flake.lock/x"], None),
        (["echo > flake.nix"], None),
    ],
)
def test_a_commit_changes_locks_alone(lib: Path, commands: list[str], files: set[str] | None) -> None:
    found = between(lib, *change(lib, *commands))
    assert (set(found.files) if found is not None else None) == files


def test_trees_decide_and_not_the_commits_between(lib: Path) -> None:
    old, _ = change(lib, "echo > x")
    _, new = change(lib, "rm x", "echo '{}' > flake.lock")
    assert between(lib, old, new) is not None


def test_both_locks_can_be_read_and_a_broken_one_is_known_as_such(lib: Path) -> None:
    found = between(lib, *change(lib, f"printf '%s' '{OTHER}' > flake.lock"))
    assert found is not None
    pair = found.locks(FlakeDir("."))
    assert pair is not None
    assert [lock is not None and bool(dict(lock.root_inputs())) for lock in (pair.before, pair.after)] == [False, True]
    broken = between(lib, *change(lib, "echo '{' > flake.lock"))
    assert broken is not None
    assert broken.locks(FlakeDir(".")) is None


def test_a_commit_that_is_not_here_is_no_difference_in_locks(lib: Path) -> None:
    assert between(lib, Rev("1" * 40), head(lib)) is None


def test_what_was_found_is_kept(lib: Path, tmp_path: Path) -> None:
    old, new = change(lib, "echo '{}' > flake.lock")
    _, last = change(lib, "echo 'x: builtins.readFile ./flake.lock' > pins.nix")
    place = tmp_path / "kept"
    kept = KeptDifferences(place)
    first = reader(lib, kept)
    found = Differences(first.lock_only([(LIB, old, new), (LIB, new, last)]), first.readers([(LIB, new), (LIB, last)]))
    kept.write()
    again = reader(tmp_path / "gone", KeptDifferences(place))
    assert again.lock_only([(LIB, old, new), (LIB, new, last)]) == found.lock_only
    assert again.readers([(LIB, new), (LIB, last)]) == found.readers == {last: "pins.nix:1"}


@pytest.mark.parametrize(
    ("file", "place"),
    [
        ("nix/pins.nix", "nix/pins.nix:1"),
        ("flake.nix", "flake.nix:1"),
        ("nix/default.nix", "nix/default.nix:1"),
        ("default.nix", ""),
        ("shell.nix", ""),
        ("flake-compat.nix", ""),
        ("tests/lock.nix", ""),
        ("a/examples/b.nix", ""),
        ("templates/x/flake.nix", ""),
        ("pins.txt", ""),
    ],
)
def test_files_that_a_dependent_evaluates_are_looked_through(tmp_path: Path, file: str, place: str) -> None:
    rev = repos.make_repo(tmp_path / "lib", {file: "builtins.readFile ./flake.lock"})
    assert reader(tmp_path / "lib").readers([(LIB, rev)]).get(rev, "") == place


def test_nights_in_which_everything_moves_do_not_let_it_grow(tmp_path: Path) -> None:
    place, sizes = tmp_path / "kept", []
    for night in range(6):
        kept = KeptDifferences(place)
        for number in range(1500):
            old, new = Rev(f"{night:020}{number:020}"), Rev(f"{night + 1:020}{number:020}")
            kept.add_pair((old, new), None)
            kept.use((old, new))
            kept.add_reader(new, "")
            kept.use_reader(new)
        kept.write()
        sizes.append(place.stat().st_size)
    assert sizes[3:] == [sizes[2]] * 3
    kept = KeptDifferences(place)
    assert {rev[:20] for rev in kept.readers} == {f"{night:020}" for night in (4, 5, 6)}
    assert {new[:20] for _, new in kept.pairs} == {f"{night:020}" for night in (4, 5, 6)}
