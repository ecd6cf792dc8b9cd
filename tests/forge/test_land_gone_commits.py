"""A lock of a base that names an update commit: whether that commit stays is found out, wherever it can be."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from flakesync.cache.layout import cache_dir
from flakesync.forge.model import ForgeError, Project
from flakesync.terms import Rev
from tests.support.kept import Kept
from tests.support.landing import Landing
from tests.support.memory_forge import HOST, Way
from tests.support.nixspace import UPDATE_BRANCH, Space, Take


def merged_upside_down(root: Path) -> Landing:
    """Return `lib` and `app`: a person has merged app, and its lock names lib's update commit, but no branch."""
    space = Space(root)
    space.add("lib").add("app", {"nixpkgs": Take(), "lib": Take()})
    found = Landing(space)
    found.sync()
    found.publish()
    found.forge.press("app", "squash")
    found.forge.storage("app").git("update-ref", "-d", f"refs/heads/{UPDATE_BRANCH}")
    lock = found.forge.storage("app").git("show", "main:flake.lock") + "\n"
    # As `github:` inputs are locked, which name no branch.
    without = lock.replace(f'        "ref": "{UPDATE_BRANCH}",\n', "")
    assert without != lock
    space.commit("app", {"flake.lock": without}, message="As forges are locked")
    return found


@pytest.fixture
def landing(kept: Kept) -> Landing:
    return kept.again("upside-down", merged_upside_down)


def forget(landing: Landing, name: str, rev: Rev) -> None:
    """Let the server lose a commit that no branch leads to, as forges do some weeks later, and this machine too."""
    git = landing.forge.storage(name).git
    git("update-ref", "-d", f"refs/heads/{UPDATE_BRANCH}")
    git("reflog", "expire", "--expire=now", "--all")
    git("gc", "--quiet", "--prune=now")
    for kept in cache_dir().iterdir():
        if kept.is_dir():
            shutil.rmtree(kept)
        else:
            kept.unlink()
    with pytest.raises(Exception, match="git cat-file"):
        git("cat-file", "-e", rev)


def update_of(landing: Landing, name: str = "lib") -> Rev:
    rev = landing.update(name)
    assert rev is not None
    return rev


@pytest.mark.parametrize("way", ["squash", "rebase"])
def test_a_commit_that_no_server_has_any_more_is_known_by_the_pull_request_that_was_merged(
    landing: Landing, way: Way
) -> None:
    rev = update_of(landing)
    landing.space.commit("lib", {"news": "x"}, message="News")  # so that a rebase gives another commit
    landing.forge.press("lib", way)
    forget(landing, "lib", rev)
    assert landing.base_locked("app", "lib")["rev"] == rev
    assert landing.land().statuses == {"app": "landed"}
    assert landing.base_locked("app", "lib")["rev"] == landing.tip("lib")


@pytest.mark.parametrize("state", ["another head", "closed", "no pull request", "no answer"])
def test_a_commit_that_nobody_knows_is_left_as_it_is(landing: Landing, state: str) -> None:
    rev = update_of(landing)
    pull = landing.forge.press("lib", "squash")
    forget(landing, "lib", rev)
    project = Project(HOST, "lib")
    match state:
        case "another head":
            landing.forge.put(project, replace(pull, head=Rev("a" * 40)))
        case "closed":
            landing.forge.put(project, replace(pull, state="closed"))
        case "no pull request":
            landing.forge.pulls["lib"].clear()
        case "no answer":
            landing.forge.fail["find", "lib"] = ForgeError("forge", "it does not say")
    assert landing.land().document.repos == []
    assert landing.base_locked("app", "lib")["rev"] == rev


def test_on_a_server_that_is_no_forge_such_a_commit_is_left_as_it_is(landing: Landing) -> None:
    rev = update_of(landing)
    landing.forge.press("lib", "squash")
    forget(landing, "lib", rev)
    landing.plain = ("lib", "app")
    assert landing.land().document.repos == []


def test_a_commit_whose_branch_is_gone_is_fetched_while_the_server_has_it(landing: Landing) -> None:
    landing.forge.press("lib", "squash")
    landing.forge.storage("lib").git("update-ref", "-d", f"refs/heads/{UPDATE_BRANCH}")
    shutil.rmtree(cache_dir())
    landing.forge.pulls["lib"].clear()  # nothing else tells what it was
    assert landing.land().statuses == {"app": "landed"}
    assert landing.base_locked("app", "lib")["rev"] == landing.tip("lib")


def test_a_commit_that_the_base_was_moved_on_to_stays_in_locks(landing: Landing) -> None:
    rev = update_of(landing)
    landing.forge.press("lib", "fast-forward")
    landing.space.commit("lib", {"news": "x"}, message="News")
    landed = landing.land()
    assert (landed.document.repos, landing.base_locked("app", "lib")["rev"]) == ([], rev)
    # Nor does a merge commit above it change that.
    tip = landing.space.commit("lib", {"more": "x"}, branch="side", message="Side")
    landing.forge.storage("lib").git(
        "update-ref", "refs/heads/main",
        landing.forge.storage("lib").git(
            "-c", "user.name=x", "-c", "user.email=x@x.example", "commit-tree", f"{tip}^{{tree}}", "-p", "main",
            "-p", "side", "-m", "Merge",
        ).strip(),
    )  # fmt: skip
    assert landing.land().document.repos == []


def test_a_commit_that_was_merged_beside_the_base_is_locked_anew(landing: Landing) -> None:
    rev = update_of(landing)
    landing.space.commit("lib", {"news": "x"}, message="News")
    landing.forge.press("lib", "merge")
    assert landing.land().statuses == {"app": "landed"}
    assert landing.base_locked("app", "lib")["rev"] == landing.tip("lib") != rev


def test_a_commit_of_a_person_on_another_branch_is_no_update(landing: Landing) -> None:
    mine = landing.space.commit("lib", {"mine": "x"}, branch="mine", message="Mine")
    landing.space.lock("app", {".": {"nixpkgs": Take(at=landing.space.tip("nixpkgs")), "lib": Take(at=mine)}})
    landing.forge.press("lib", "squash")
    assert "app" not in landing.land().statuses
    assert landing.base_locked("app", "lib")["rev"] == mine
