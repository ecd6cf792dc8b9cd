"""Whose update branch is it? What flakesync made may be rebuilt; what a person touched is left alone."""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from flakesync.errors import SyncError
from flakesync.git.repository import Repository
from flakesync.git.trailers import trailer
from flakesync.git.values import Commit, Signature
from flakesync.terms import PinName, Rev
from flakesync.update.commit import find_update_branch, is_ours, message, write_update
from tests.support import locks
from tests.support.repos import DATE, commit, make_repo, run_git

BRANCH = "flakesync/update"
REF = f"refs/heads/{BRANCH}"
LOCKED = DATE + 500
LOCK = locks.to_bytes(locks.lock({"lib": locks.github("acme", "lib", last_modified=LOCKED)}))
NEW = locks.to_bytes(locks.lock({"lib": locks.github("acme", "lib", rev="b" * 40, last_modified=LOCKED)}))
BOT = Signature("Bot", "bot@test.example")
TEXT = message("0123456789ab", ["• Updated input 'lib':"], {PinName("nixpkgs"): Rev("a" * 40)})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    make_repo(tmp_path / "r", {"flake.nix": "{}", "flake.lock": LOCK, "dev/flake.lock": LOCK, "README": ""})
    return tmp_path / "r"


def write(path: Path, files: Mapping[str, bytes] | None = None, text: str = TEXT) -> Rev:
    """Put flakesync's own commit on the update branch; return it."""
    with Repository.open(path) as repository:
        base = repository.branch("main")
        assert base is not None
        new = write_update(repository, base, files or {"flake.lock": NEW}, text, BOT, [LOCKED])
        repository.update_ref(REF, new, old=repository.ref(REF), message="test")
    return new


def found(path: Path) -> object:
    with Repository.open(path) as repository:
        base = repository.branch("main")
        assert base is not None
        return find_update_branch(repository, BRANCH, base)


def ours(path: Path, rev: Rev) -> bool:
    with Repository.open(path) as repository:
        return is_ours(repository, repository.commit(rev))


def test_a_commit_of_our_own_is_ours_whichever_locks_it_changes(path: Path) -> None:
    assert ours(path, write(path))
    assert ours(path, write(path, {"flake.lock": NEW, "dev/flake.lock": NEW}))


def test_an_update_commit_is_a_function_of_its_base_and_its_locks(path: Path) -> None:
    first = write(path)
    run_git("update-ref", "-d", REF, cwd=path)
    assert write(path) == first
    with Repository.open(path) as repository:
        made = repository.commit(first)
    assert made.author == made.committer == BOT.at(LOCKED)


@pytest.mark.parametrize(
    "argv",
    [
        ["--amend", "--no-edit"],
        ["--amend", "--no-edit", "--reset-author"],
        ["--amend", "--message", TEXT],
        ["--amend", "--no-edit", "--reset-author", "--all"],
        ["--allow-empty", "--message", "A note"],
        ["--allow-empty", "--message", TEXT],
        ["--all", "--message", TEXT],
    ],
)
def test_a_commit_that_a_person_amended_or_added_is_not_ours(path: Path, argv: list[str]) -> None:
    write(path)
    run_git("switch", "--quiet", BRANCH, cwd=path)
    if "--all" in argv:
        (path / "flake.lock").write_bytes(LOCK.replace(b"acme", b"evil"))
    person = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in
              {"NAME": BOT.name, "EMAIL": BOT.email}.items()}  # fmt: skip
    subprocess.run(["git", "commit", "--quiet", *argv], cwd=path, check=True, env=os.environ | person)
    tip = Rev(run_git("rev-parse", "HEAD", cwd=path))
    assert not ours(path, tip)
    with pytest.raises(SyncError, match=re.escape(tip[:12])) as caught:
        found(path)
    assert caught.value.code == "branch-taken"


def test_a_commit_of_ours_that_a_person_changed_another_file_of_is_not_ours(path: Path) -> None:
    assert not ours(path, write(path, {"flake.lock": NEW, "README": b"more"}))
    assert not ours(path, write(path, {"flake.nix": b"{ }"}))


def test_a_commit_whose_lock_cannot_be_read_is_not_ours(path: Path) -> None:
    assert not ours(path, write(path, {"flake.lock": b'{ "lastModified": %d' % LOCKED}))


def test_a_commit_without_the_trailer_is_not_ours(path: Path) -> None:
    assert not ours(path, write(path, text="flake.lock: Update\n\nFlakesync-Run: x\n\nNot in the last paragraph\n"))


def test_a_rebased_update_commit_is_not_ours(path: Path) -> None:
    write(path)
    commit(path, {"README": "new"})
    run_git("rebase", "--quiet", "main", BRANCH, cwd=path)
    run_git("switch", "--quiet", "main", cwd=path)
    with pytest.raises(SyncError):
        found(path)


def test_a_merge_on_the_update_branch_is_not_ours(path: Path) -> None:
    write(path)
    run_git("switch", "--quiet", "--create", "other", cwd=path)
    commit(path, {"README": "x"})
    run_git("switch", "--quiet", BRANCH, cwd=path)
    run_git("merge", "--quiet", "--no-ff", "--message", TEXT, "other", cwd=path)
    with pytest.raises(SyncError):
        found(path)


def test_there_is_nothing_on_a_branch_that_was_merged_or_is_at_the_base(path: Path) -> None:
    assert found(path) is None
    run_git("branch", BRANCH, "main", cwd=path)
    assert found(path) is None
    commit(path, {"README": "x"})
    assert found(path) is None
    write(path)
    run_git("merge", "--quiet", "--no-ff", BRANCH, cwd=path)
    assert found(path) is None


def test_an_update_branch_on_an_older_base_is_still_ours(path: Path) -> None:
    tip = write(path)
    with Repository.open(path) as repository:
        old = repository.branch("main")
    commit(path, {"README": "x"})
    branch = found(path)
    assert (getattr(branch, "tip", None), getattr(branch, "base", None)) == (tip, old)


def test_trailers_are_read_from_the_last_paragraph_only() -> None:
    def value(text: str) -> str | None:
        who = Signature("a", "b")
        return trailer(Commit(Rev("0" * 40), "", (), who, who, text), "Flakesync-Run")

    assert value(TEXT) == "0123456789ab"
    assert value("s\n\nFlakesync-Run:  x \nSigned-off-by: me\n") == "x"
    assert value("s\n\nFlakesync-Run: x\n\nmore\n") is None
    assert value("s\n\nFlakesync-Runs: x\n") is None
    assert value("") is None


def test_the_message_is_nixs_own_with_trailers_that_git_reads(path: Path) -> None:
    assert (
        "flake.lock: Update\n\nFlake lock file updates:\n\n• Updated input 'lib':\n\n"
        f"Flakesync-Run: 0123456789ab\nFlakesync-Pin: nixpkgs {'a' * 40}\n"
    ) == TEXT
    rev = write(path)
    told = run_git("log", "-1", "--format=%(trailers:key=Flakesync-Run,valueonly)", rev, cwd=path)
    assert told == "0123456789ab"
