from dataclasses import replace
from pathlib import Path

import pytest

from flakesync.documents.pulls.abandon import AbandonOutcome
from flakesync.forge.model import ForgeError, Project
from flakesync.publish.abandon import abandon
from flakesync.report.publish import render_abandon
from flakesync.report.text import to_text
from flakesync.terms import RepoName
from tests.forge.town import BRANCH, Town, make_town
from tests.support import repos
from tests.support.kept import Kept

CHAIN = {"lib": (), "app": ("lib",), "site": ("app", "lib")}


@pytest.fixture
def town(kept: Kept) -> Town:
    return kept.again("town-to-abandon", published)


def published(root: Path) -> Town:
    town = make_town(root, CHAIN)
    town.bump_all()
    town.publish()
    for name in CHAIN:
        repos.run_git("fetch", "-q", "origin", cwd=town.clone(name))
    town.forge.calls.clear()
    return town


def drop(town: Town, *names: str, dry_run: bool = False) -> dict[str, AbandonOutcome]:
    selected = frozenset(map(RepoName, names)) if names else town.everything
    document = abandon(town.workspace, town.read(), selected, town.servers, dry_run=dry_run)
    return {outcome.repo: outcome for outcome in document.repos}


def refs(town: Town) -> dict[str, str]:
    places = [place for name in CHAIN for place in (town.clone(name), town.server(name))]
    return {str(place): repos.run_git("for-each-ref", cwd=place) for place in places}


def code(outcome: AbandonOutcome) -> str | None:
    return outcome.error.code if outcome.error is not None else None


def test_pull_requests_are_closed_and_branches_deleted_here_and_there(town: Town) -> None:
    others = {place: [line for line in text.splitlines() if BRANCH not in line] for place, text in refs(town).items()}
    outcomes = drop(town)
    assert {each.status for each in outcomes.values()} == {"abandoned"}
    assert {name: town.forge.one(name).state for name in CHAIN} == dict.fromkeys(CHAIN, "closed")
    assert {place: text.splitlines() for place, text in refs(town).items()} == others
    assert all(each.local == each.remote is not None for each in outcomes.values())
    assert {each.status for each in drop(town).values()} == {"unchanged"}


def test_a_dry_run_only_tells(town: Town) -> None:
    before = refs(town)
    outcomes = drop(town, dry_run=True)
    assert {each.status for each in outcomes.values()} == {"abandoned"}
    assert outcomes["lib"].pull is not None
    assert outcomes["lib"].pull.state == "open"
    assert refs(town) == before
    assert {what for what, _ in town.forge.calls} == {"find"}


def test_only_the_selected_repos_are_abandoned(town: Town) -> None:
    assert [*drop(town, "site")] == ["site"]
    assert [town.forge.one(name).state for name in CHAIN] == ["open", "open", "closed"]
    assert town.ref(town.server("app")) is not None


@pytest.mark.parametrize("place", ["clone", "server"])
def test_a_branch_with_somebody_elses_commit_stays_and_its_pull_request_too(town: Town, place: str) -> None:
    where = town.clone("app") if place == "clone" else town.server("app")
    repos.commit(where, {"note": "mine"}, message="Fix", branch=BRANCH, checkout=False)
    before = {path: text for path, text in refs(town).items() if "app" in path}
    outcomes = drop(town)
    assert code(outcomes["app"]) == "branch-taken"
    assert [each.status for each in outcomes.values()] == ["failed", "abandoned", "abandoned"]
    assert {path: text for path, text in refs(town).items() if "app" in path} == before
    assert town.forge.one("app").state == "open"


def test_a_branch_that_is_checked_out_stays(town: Town) -> None:
    repos.run_git("checkout", "-q", BRANCH, cwd=town.clone("lib"))
    before = refs(town)[str(town.server("lib"))]
    assert code(drop(town)["lib"]) == "branch-checked-out"
    assert refs(town)[str(town.server("lib"))] == before
    assert town.forge.one("lib").state == "open"
    assert repos.run_git("symbolic-ref", "HEAD", cwd=town.clone("lib")) == f"refs/heads/{BRANCH}"


def test_a_pull_request_that_a_person_opened_for_the_branch_stays(town: Town) -> None:
    town.forge.put(Project("", "lib"), replace(town.forge.one("lib"), body="mine"))
    outcome = drop(town)["lib"]
    assert outcome.pull is None
    assert outcome.remote is not None
    assert ("close", "lib") not in town.forge.calls


def test_what_has_landed_is_only_cleaned_up(town: Town) -> None:
    pull = town.forge.one("lib")
    repos.run_git("update-ref", "refs/heads/main", pull.head, cwd=town.server("lib"))
    town.forge.put(Project("", "lib"), replace(pull, state="merged", merged_rev=pull.head))
    outcome = drop(town)["lib"]
    assert (outcome.pull, outcome.local, outcome.remote) == (None, pull.head, pull.head)
    assert town.forge.one("lib").state == "merged"
    assert town.ref(town.server("lib"), "refs/heads/main") == pull.head


def test_a_forge_that_refuses_leaves_the_branches_for_the_next_try(town: Town) -> None:
    town.forge.fail["close", "lib"] = ForgeError("forge-rights", "no")
    outcomes = drop(town)
    assert code(outcomes["lib"]) == "forge-rights"
    assert town.ref(town.clone("lib")) is not None
    assert town.ref(town.server("lib")) is not None
    town.forge.fail.clear()
    assert drop(town)["lib"].status == "abandoned"


def test_mirrors_lose_their_update_branch_too(town: Town) -> None:
    town.manifest(repos={name: {"url": f"git+{town.url(name)}"} for name in CHAIN})
    assert {each.status for each in drop(town).values()} == {"abandoned"}
    assert not any(state.updated for state in town.read().states.values())


def test_the_same_update_is_published_anew_after_it_was_abandoned(town: Town) -> None:
    drop(town)
    town.bump_all()
    outcomes = town.publish().repos
    assert [outcome.status for outcome in outcomes] == ["opened"] * 3
    assert [[pull.state for pull in town.forge.pulls[name]] for name in CHAIN] == [["closed", "open"]] * 3
    # What a person closes then stays closed.
    town.forge.put(Project("", "lib"), replace(town.forge.pulls["lib"][1], state="closed"))
    outcomes = town.publish().repos
    assert [outcome.reason for outcome in outcomes] == ["closed", None, None]


def test_an_abandoned_pull_request_that_a_person_opened_again_and_closed_stays_closed(town: Town) -> None:
    body = town.forge.one("lib").body
    drop(town, "lib")
    town.bump_all()
    town.forge.put(Project("", "lib"), replace(town.forge.one("lib"), state="open"))
    town.publish()
    assert town.forge.one("lib").body == body
    town.forge.put(Project("", "lib"), replace(town.forge.one("lib"), state="closed"))
    outcomes = town.publish().repos
    assert [outcome.reason for outcome in outcomes] == ["closed", None, None]


def test_what_people_wrote_stays_when_their_pull_request_is_closed(town: Town) -> None:
    pull = town.forge.one("lib")
    town.forge.put(Project("", "lib"), replace(pull, body=f"before\r\n{pull.body}after"))
    drop(town, "lib")
    body = town.forge.one("lib").body
    assert body.startswith("before\r\n<!-- flakesync:begin -->")
    assert body.endswith("<!-- flakesync:end -->after")
    assert town.ref(town.clone("lib")) is None
    assert body.replace("<!-- flakesync:abandoned -->\n", "") == f"before\r\n{pull.body}after"


def test_the_text_says_what_went(town: Town) -> None:
    repos.commit(town.server("app"), {"note": "mine"}, message="Fix", branch=BRANCH)
    document = abandon(town.workspace, town.read(), town.everything, town.servers, dry_run=True)
    lines = to_text(render_abandon(document, width=120)).splitlines()
    assert lines[0] == "failed     app"
    assert lines[1].startswith("    error[branch-taken]: flakesync/update of the server has a commit")
    assert (
        "abandoned  lib   closed https://forge.test/lib/pull/1, deleted the update branch here and on the server"
        in lines
    )
    assert lines[-1] == "dry run, nothing was done: 2 abandoned, 1 failed"


@pytest.mark.parametrize("ref", [f"refs/heads/{BRANCH}", "packed-refs"])
@pytest.mark.parametrize("gone", [False, True])
def test_the_lock_file_of_a_run_that_was_killed_is_in_nobodys_way(town: Town, ref: str, gone: bool) -> None:
    if gone:
        drop(town, "lib")
    lock = town.clone("lib") / f".git/{ref}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text("flakesync\n")  # as `git.store.refs` writes it
    assert drop(town, "lib")["lib"].status == ("unchanged" if gone else "abandoned")
    assert not lock.exists()
