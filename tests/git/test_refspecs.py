"""Refspecs say where a ref goes, and what may have gone to a ref; git does the same."""

from pathlib import Path

import pytest

from flakesync.git.remotes.refspecs import parse_refspecs
from tests.support import repos

USUAL = "+refs/heads/*:refs/remotes/origin/*"
PULLS = "+refs/pull/*/head:refs/remotes/origin/pr/*"


@pytest.mark.parametrize(
    ("specs", "ref", "sources"),
    [
        ([USUAL], "refs/remotes/origin/main", {"refs/heads/main"}),
        ([USUAL], "refs/remotes/fork/main", set()),
        ([PULLS], "refs/remotes/origin/pr/1", {"refs/pull/1/head"}),
        ([USUAL, PULLS], "refs/remotes/origin/pr/1", {"refs/heads/pr/1", "refs/pull/1/head"}),
        ([USUAL, PULLS, "^refs/heads/pr/*"], "refs/remotes/origin/pr/1", {"refs/pull/1/head"}),
        (["+refs/*:refs/*"], "refs/heads/a/b", {"refs/heads/a/b"}),
        (["refs/heads/main:refs/remotes/origin/main"], "refs/remotes/origin/main", {"refs/heads/main"}),
        (["refs/heads/main:refs/remotes/origin/main"], "refs/remotes/origin/mainly", set()),
        (["refs/heads/r/*/x:refs/remotes/origin/r-*"], "refs/remotes/origin/r-1", {"refs/heads/r/1/x"}),
        (["main:origin/main"], "refs/heads/origin/main", {"main"}),
        (["main:remotes/origin/main", ":heads/x"], "refs/heads/x", {"HEAD"}),
        (["refs/heads/main"], "refs/heads/main", set()),
    ],
)
def test_what_may_have_gone_to_a_ref(specs: list[str], ref: str, sources: set[str]) -> None:
    assert {*parse_refspecs(specs).sources(ref)} == sources


def test_where_a_ref_goes_is_where_git_puts_it(tmp_path: Path) -> None:
    specs = [USUAL, "+refs/heads/r/*:refs/x/*-y", "+refs/tags/*:refs/t/*", "^refs/heads/no/*"]
    rev = repos.make_bare(tmp_path / "server.git", {"f": "0"})
    refs = ["refs/heads/main", "refs/heads/r/1/2", "refs/heads/no/1", "refs/tags/v1", "refs/pull/1/head"]
    for ref in refs:
        repos.run_git("update-ref", ref, rev, cwd=tmp_path / "server.git")
    repos.run_git("init", "--quiet", "clone", cwd=tmp_path)
    repos.run_git("fetch", "--quiet", "--no-tags", str(tmp_path / "server.git"), *specs, cwd=tmp_path / "clone")
    there = repos.run_git("for-each-ref", "--format=%(refname)", cwd=tmp_path / "clone").split()
    assert sorted(target for ref in refs for target in parse_refspecs(specs).targets(ref)) == sorted(there)
    assert there
