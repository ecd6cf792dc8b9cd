from dataclasses import replace
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


def others(**inputs: locks.Input | tuple[str, ...]) -> str:
    return locks.to_bytes(locks.lock(inputs)).decode()


LIB = locks.git("https://acme.example/lib", rev=locks.rev_of("one"))
MORE = locks.git("https://acme.example/more", rev=locks.rev_of("more"))


def without_hash(word: str) -> str:
    """Return a lock whose node has a commit and no narHash, as Nix writes none for some sources."""
    locked = {key: value for key, value in LIB.locked.items() if key != "narHash"}
    return others(lib=replace(LIB, locked={**locked, "rev": locks.rev_of(word)}))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (others(lib=LIB), others(lib=LIB, more=MORE)),
        (others(lib=LIB, more=MORE), others(lib=LIB)),
        (others(lib=LIB, more=MORE), others(lib=LIB, other=MORE)),
        (without_hash("one"), without_hash("two")),
        (others(lib=LIB), others(lib=replace(LIB, original={**LIB.original, "ref": "stable"}))),
        (others(lib=LIB), others(lib=replace(LIB, original={**LIB.original, "url": "https://acme.example/fork"}))),
        (others(lib=LIB), others(lib=replace(LIB, flake=False))),
        (others(lib=LIB, more=MORE), others(lib=LIB, more=("lib",))),
    ],
    ids=["more", "less", "renamed", "no-hash", "ref", "url", "no-flake", "follows"],
)
def test_a_lock_of_another_kind_is_not_the_same(tmp_path: Path, before: str, after: str) -> None:
    assert not same(tmp_path, {"flake.lock": before}, {"flake.lock": after})


@pytest.mark.parametrize("key", ["rev", "ref", "revCount", "lastModified"])
def test_what_only_names_a_commit_does_not_count(tmp_path: Path, key: str) -> None:
    value = {"rev": locks.rev_of("two"), "ref": "main", "revCount": 77, "lastModified": 1_700_000_077}[key]
    other = others(lib=replace(LIB, locked={**LIB.locked, key: value}))
    assert same(tmp_path, {"flake.lock": others(lib=LIB)}, {"flake.lock": other})


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
