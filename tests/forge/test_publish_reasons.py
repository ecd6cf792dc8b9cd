"""Why a repo is not published: merged, closed, stale, or nothing there; and what a closed pull request is of."""

from dataclasses import replace
from pathlib import Path

import pytest

from flakesync.documents.pulls.publish import PublishOutcome
from flakesync.forge.model import ForgeError, Project, Pull
from flakesync.terms import Rev
from tests.forge.town import BRANCH, NEW, NEWER, Town, make_town
from tests.support import repos


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return make_town(tmp_path, {"lib": ()})


def publish(town: Town, *, reopen: bool = False) -> PublishOutcome:
    (outcome,) = town.publish(reopen=reopen).repos
    return outcome


def leave(town: Town, state: str, **more: object) -> Pull:
    """Let a person merge or close the pull request."""
    pull = replace(town.forge.one("lib"), state=state, **more)  # type: ignore[arg-type]
    town.forge.pulls["lib"][-1] = pull
    return pull


def made_again(town: Town) -> Rev:
    """Move the base on by a commit that has no lock, and make the same update again on it."""
    repos.commit(town.clone("lib"), {"news": "x"}, message="News")
    repos.run_git("push", "-q", "origin", "main", cwd=town.clone("lib"))
    repos.run_git("update-ref", "-d", f"refs/heads/{BRANCH}", cwd=town.clone("lib"))
    return town.bump("lib", nixpkgs=NEW)


@pytest.mark.parametrize("code", ["forge-auth", "forge-rights", "forge-unreachable", "forge-limit", "forge-conflict"])
def test_no_other_error_of_opening_again_opens_a_second_pull_request(town: Town, code: str) -> None:
    town.bump("lib", nixpkgs=NEW)
    publish(town)
    leave(town, "closed")
    town.forge.fail["reopen", "lib"] = ForgeError(code, "it says no")
    town.forge.calls.clear()
    outcome = publish(town, reopen=True)
    assert outcome.error is not None
    assert (outcome.status, outcome.error.code) == ("failed", code)
    assert [what for what, _ in town.forge.calls] == ["find", "reopen"]
    assert len(town.forge.pulls["lib"]) == 1


def test_a_closed_pull_request_of_the_same_run_is_of_the_update_at_whichever_commit(town: Town) -> None:
    town.bump("lib", nixpkgs=NEW)
    publish(town)
    closed = leave(town, "closed")
    commit = made_again(town)
    assert commit != closed.head
    outcome = publish(town)
    assert (outcome.status, outcome.reason, outcome.branch, outcome.commit) == ("skipped", "closed", BRANCH, commit)
    assert outcome.pull is not None
    assert outcome.pull.number == 1
    assert town.ref(town.server("lib")) == closed.head


def test_a_closed_pull_request_of_another_run_and_commit_is_of_another_update(town: Town) -> None:
    town.bump("lib", nixpkgs=NEW)
    publish(town)
    leave(town, "closed")
    town.bump("lib", nixpkgs=NEWER)
    assert publish(town).status == "opened"


def test_a_merged_pull_request_is_of_the_very_commit_that_was_merged(town: Town) -> None:
    town.bump("lib", nixpkgs=NEW)
    publish(town)
    merged = leave(town, "merged", merged_rev=Rev("a" * 40))
    outcome = publish(town)
    assert (outcome.status, outcome.reason, outcome.commit) == ("skipped", "merged", merged.head)
    commit = made_again(town)  # somebody has taken it back, say, and sync has made it again
    outcome = publish(town)
    assert (outcome.status, outcome.commit) == ("opened", commit)
    assert [pull.state for pull in town.forge.pulls["lib"]] == ["merged", "open"]


@pytest.mark.parametrize(("run", "reason"), [("of this update", "merged"), ("of another", None)])
def test_where_a_server_has_forgotten_the_head_the_run_tells_what_was_merged(
    town: Town, run: str, reason: str | None
) -> None:
    town.bump("lib", nixpkgs=NEW)
    publish(town)
    body = town.forge.one("lib").body
    if reason is None:
        body = body.replace("flakesync:run run-", "flakesync:run other-")
    leave(town, "merged", head=Rev(""), merged_rev=Rev("a" * 40), body=body)
    outcome = publish(town)
    assert outcome.reason == reason


def test_an_update_that_the_base_has_is_merged_and_has_no_branch_any_more(town: Town) -> None:
    commit = town.bump("lib", nixpkgs=NEW)
    for path in (town.clone("lib"), town.server("lib")):
        if path == town.server("lib"):
            repos.run_git("push", "-q", "origin", f"{BRANCH}:main", cwd=town.clone("lib"))
        else:
            repos.run_git("update-ref", "refs/heads/main", commit, cwd=path)
    outcome = publish(town)
    assert (outcome.status, outcome.reason, outcome.branch, outcome.commit) == ("skipped", "merged", None, None)
    assert town.forge.calls == []


def test_an_update_whose_content_the_base_has_in_another_commit_is_merged(town: Town) -> None:
    commit = town.bump("lib", nixpkgs=NEW)
    lock = repos.run_git("show", f"{commit}:flake.lock", cwd=town.clone("lib")) + "\n"
    repos.commit(town.server("lib"), {"flake.lock": lock}, message="Squashed", branch="main")
    outcome = publish(town)
    assert (outcome.status, outcome.reason, outcome.branch, outcome.commit) == ("skipped", "merged", BRANCH, commit)
    assert town.ref(town.server("lib")) is None


def test_an_update_whose_base_has_other_locks_since_is_stale_and_says_what_to_do(town: Town) -> None:
    commit = town.bump("lib", nixpkgs=NEW)
    lock = repos.run_git("show", f"{commit}:flake.lock", cwd=town.clone("lib")) + "\n"
    repos.commit(town.server("lib"), {"flake.lock": lock.replace(NEW, NEWER)}, message="Newer", branch="main")
    outcome = publish(town)
    assert (outcome.status, outcome.reason, outcome.commit) == ("skipped", "stale", commit)
    assert outcome.notes == [
        "the locks of main have changed since it was made: "
        + (f"bring main up to date in {town.clone('lib')}, and " if "bring" in outcome.notes[0] else "")
        + "`flakesync sync` makes it anew"
    ]
    assert town.ref(town.server("lib")) is None


def test_what_is_out_already_is_not_stale(town: Town) -> None:
    commit = town.bump("lib", nixpkgs=NEW)
    publish(town)
    lock = repos.run_git("show", f"{commit}:flake.lock", cwd=town.clone("lib")) + "\n"
    repos.commit(town.server("lib"), {"flake.lock": lock.replace(NEW, NEWER)}, message="Newer", branch="main")
    outcome = publish(town)
    assert (outcome.status, outcome.reason) == ("unchanged", None)


def test_an_update_branch_of_the_server_alone_that_the_base_has_is_merged(town: Town) -> None:
    town.bump("lib", nixpkgs=NEW)
    repos.run_git("push", "-q", "origin", BRANCH, f"{BRANCH}:main", cwd=town.clone("lib"))
    repos.run_git("update-ref", "-d", f"refs/heads/{BRANCH}", cwd=town.clone("lib"))
    assert publish(town).reason == "merged"


def test_without_any_update_branch_there_is_no_update(town: Town) -> None:
    outcome = publish(town)
    assert (outcome.status, outcome.reason, outcome.branch) == ("skipped", "no-update", None)


def test_an_update_branch_that_is_on_the_server_alone_is_an_update(town: Town) -> None:
    commit = town.bump("lib", nixpkgs=NEW)
    repos.run_git("push", "-q", "origin", BRANCH, cwd=town.clone("lib"))
    repos.run_git("update-ref", "-d", f"refs/heads/{BRANCH}", cwd=town.clone("lib"))
    outcome = publish(town)
    assert (outcome.status, outcome.pushed, outcome.commit) == ("opened", False, commit)


def test_a_pull_request_that_cannot_be_found_out_is_the_error_of_its_repo(town: Town) -> None:
    town.bump("lib", nixpkgs=NEW)
    town.forge.fail["find", "lib"] = ForgeError("forge-auth", "who are you?")
    outcome = publish(town)
    assert outcome.error is not None
    assert (outcome.status, outcome.error.code, outcome.pushed) == ("failed", "forge-auth", False)
    assert Project("", "lib").path not in town.forge.pulls


def test_a_forge_that_takes_no_dependencies_is_a_note(tmp_path: Path) -> None:
    town = make_town(tmp_path, {"lib": (), "app": ("lib",)})
    town.bump_all()
    town.forge.fail["depend", "app"] = ForgeError("forge-rights", "the token may not do this")
    _, app = town.publish().repos
    assert (app.status, app.error) == ("opened", None)
    assert app.notes == ["the forge did not take its dependencies: the token may not do this"]
