"""The link to what lies between two commits of an input: only where both are of one repository on a known forge."""

from pathlib import Path

import pytest

from flakesync.nix.lock.file import LockNode
from flakesync.nix.reference.flakeref import Attr
from flakesync.publish.compare import compare_link
from flakesync.terms import FlakeDir
from flakesync.update.content import Move
from tests.forge.town import Town, make_town

OLD, NEW = "a" * 40, "b" * 40


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return make_town(tmp_path, {"lib": ()})


def node(rev: str | None, **attrs: Attr) -> LockNode:
    known: dict[str, Attr] = {"type": "github", "owner": "acme", "repo": "lib", **attrs}
    return LockNode(locked=known | ({"rev": rev} if rev is not None else {}), original=known)


def plain_git(rev: str) -> LockNode:
    known: dict[str, Attr] = {"type": "git", "url": "https://git.acme.example/lib"}
    return LockNode(locked=known | {"rev": rev}, original=known)


def link(town: Town, before: LockNode | tuple[str, ...] | None, after: LockNode | None) -> str | None:
    found = compare_link(Move(FlakeDir("."), ("lib",), before, after), town.servers)
    return found.url if found is not None else None


def test_two_commits_of_a_repository_are_linked(town: Town) -> None:
    assert link(town, node(OLD), node(NEW)) == f"https://github.com/acme/lib/compare/{OLD}...{NEW}"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, node(NEW)),
        (node(OLD), None),
        (("nixpkgs",), node(NEW)),
        (node(None), node(NEW)),
        (node(NEW), node(NEW)),
        (node(OLD, repo="fork"), node(NEW)),
        (node(OLD, owner=7), node(NEW, owner=7)),
        (plain_git(OLD), plain_git(NEW)),
    ],
    ids=["new", "gone", "followed", "no-commit", "same", "moved", "no-reference", "no-forge"],
)
def test_nothing_else_is(town: Town, before: LockNode | None, after: LockNode | None) -> None:
    assert link(town, before, after) is None
