"""Attributes that git would match for years: the repo fails alone, before git is started on its files."""

from pathlib import Path

from tests.support.nixspace import chain, run_sync
from tests.support.repos import commit, run_git

PATTERN = f"/{'*a' * 8}*b text\n"


def test_a_repo_whose_checkout_would_never_end_fails_alone_and_names_the_line(tmp_path: Path) -> None:
    space = chain(tmp_path / "space", 3)
    files = {".gitattributes": f"* -text\n{PATTERN}", f"{'a' * 190}/x": ""}
    commit(space.path("r2"), files, checkout=False)
    ran = run_sync(space.manifest(defaults={"checks": ["true"]}), locker="native")
    assert ran.statuses == {"r0": "updated", "r1": "updated", "r2": "failed"}
    error = ran["r2"].error
    assert error is not None
    assert (error.code, error.message.partition(":")[0]) == ("attributes", ".gitattributes, line 2")
    assert run_git("worktree", "list", "--porcelain", cwd=space.path("r2")).count("worktree ") == 1
