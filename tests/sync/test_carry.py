from pathlib import Path

import pytest

from flakesync.git.repository import Repository
from flakesync.terms import Rev
from flakesync.update.check_reuse import same_trees
from tests.support import locks, repos


def lock(**values: object) -> str:
    node = locks.git("https://acme.example/lib", rev=locks.rev_of("one"), ref="flakesync/update", **values)  # type: ignore[arg-type]
    return locks.to_bytes(locks.lock({"lib": node})).decode()


def same(tmp_path: Path, before: repos.Files, after: repos.Files) -> bool:
    one = repos.make_repo(tmp_path / "repo", {"flake.nix": "1", **before})
    other = repos.commit(tmp_path / "repo", after)
    with Repository.open(tmp_path / "repo") as repository:
        return same_trees(repository, Rev(one), other)


def test_another_commit_with_the_same_hash_is_the_same(tmp_path: Path) -> None:
    before = lock()
    after = before.replace(locks.rev_of("one"), locks.rev_of("two")).replace("flakesync/update", "main", 1)
    assert before != after
    assert same(tmp_path, {"flake.lock": before}, {"flake.lock": after})


@pytest.mark.parametrize(
    "after",
    [
        {"flake.lock": lock().replace("sha256-", "sha256-x")},
        {"flake.lock": lock().replace("acme.example", "evil.example")},
        {"flake.lock": "{"},
        {"flake.lock": None},
        {"flake.nix": "2"},
    ],
)
def test_another_hash_or_another_file_is_not(tmp_path: Path, after: repos.Files) -> None:
    assert not same(tmp_path, {"flake.lock": lock()}, after)
