"""A run opens at most so many pull requests, upstream first; the next one goes on, and what is there is kept up."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from flakesync.documents.pulls.publish import PublishDocument, PublishOutcome
from flakesync.forge.model import ForgeError
from flakesync.publish.work import Published
from flakesync.report.publish import progress_line, render_publish
from flakesync.report.text import to_text
from flakesync.sync.events import Finished
from flakesync.terms import RepoName
from tests.forge.town import NEWER, Town, make_town

CHAIN = {"lib": (), "app": ("lib",), "site": ("app", "lib")}
WIDE = {"base": (), "a": ("base",), "b": ("base",), "c": ("base",), "top": ("a", "c")}


@pytest.fixture
def town(tmp_path: Path) -> Town:
    found = make_town(tmp_path, WIDE)
    found.bump_all()
    return found


def run(town: Town, limit: int | None, *names: str) -> dict[str, PublishOutcome]:
    return {each.repo: each for each in town.publish(*names, limit=limit).repos}


def told(outcomes: dict[str, PublishOutcome]) -> dict[str, str]:
    return {name: each.reason or each.status for name, each in outcomes.items()}


@pytest.mark.parametrize("jobs", [1, 8])
def test_each_run_opens_the_next_ones_upstream_first_until_all_are_open(town: Town, jobs: int) -> None:
    pushed: list[dict[str, str]] = []
    for _ in range(4):
        document = town.publish(limit=2, jobs=jobs)
        pushed.append({each.repo: each.reason or each.status for each in document.repos})
    assert pushed == [
        {"base": "opened", "a": "opened", "b": "limit", "c": "limit", "top": "limit"},
        {"base": "unchanged", "a": "unchanged", "b": "opened", "c": "opened", "top": "limit"},
        {"base": "unchanged", "a": "unchanged", "b": "unchanged", "c": "unchanged", "top": "opened"},
        dict.fromkeys(WIDE, "unchanged"),
    ]


def test_what_is_left_has_no_branch_on_its_server_and_is_no_failure(town: Town) -> None:
    document = town.publish(limit=1)
    left = document.repos[1:]
    assert {(each.status, each.reason, each.pushed, each.pull) for each in left} == {("skipped", "limit", False, None)}
    assert all(each.commit is not None for each in left)
    assert [town.ref(town.server(each.repo)) for each in left] == [None] * 4
    text = to_text(render_publish(document, width=100))
    assert "1 opened, 4 skipped" in text
    assert text.splitlines()[1] == "for later  a, b, c, top"


def test_of_hundreds_that_are_left_a_few_are_named() -> None:
    left = PublishOutcome(repo="", status="skipped", reason="limit")
    many = PublishDocument(branch="b", repos=[replace(left, repo=f"r{number}") for number in range(1000)])
    text = to_text(render_publish(many, width=60))
    assert len(text.splitlines()) < 8
    assert "r19, and 980 more" in " ".join(text.split())
    result = Published(RepoName("r"), "skipped", "limit", None, None, False, None, (), None)
    assert progress_line(Finished(RepoName("r"), result)) is None


def test_a_limit_that_is_not_reached_changes_nothing(town: Town) -> None:
    assert set(told(run(town, 5)).values()) == {"opened"}
    created = [name for what, name in town.forge.calls if what == "create"]
    assert (created[0], sorted(created[1:-1]), created[-1]) == ("base", ["a", "b", "c"], "top")


def test_the_manifest_has_a_limit_and_the_option_another(town: Town) -> None:
    town.manifest(publish={"title": "x", "limit": 1})
    assert list(told(run(town, None)).values()).count("opened") == 1
    assert list(told(run(town, 3)).values()).count("opened") == 3


def test_updates_of_open_pull_requests_are_not_limited(town: Town) -> None:
    run(town, None)
    town.bump_all(NEWER)
    assert set(told(run(town, 1)).values()) == {"updated"}


def test_an_open_one_that_needs_what_is_left_waits_for_it(tmp_path: Path) -> None:
    town = make_town(tmp_path, {"first": (), "lib": (), "app": ("lib",)})
    app = town.bump("app", nixpkgs=NEWER)
    assert told(run(town, 1))["app"] == "opened"
    commits = town.bump_all(NEWER)
    town.forge.calls.clear()
    outcomes = run(town, 1)
    assert told(outcomes) == {"first": "opened", "lib": "limit", "app": "limit"}
    assert outcomes["app"].notes == ["it locks the update of lib, which is left for a later run"]
    assert town.ref(town.server("app")) == app
    assert told(run(town, 1)) == {"first": "unchanged", "lib": "opened", "app": "updated"}
    assert town.ref(town.server("app")) == commits["app"]


def test_what_fails_uses_up_nothing(tmp_path: Path) -> None:
    town = make_town(tmp_path, {"a": (), "b": (), "c": (), "d": ()})
    town.bump_all()
    town.refuse_pushes("a")
    town.forge.fail["create", "b"] = ForgeError("forge-rights", "no")
    assert told(run(town, 1)) == {"a": "failed", "b": "failed", "c": "opened", "d": "limit"}


def test_what_waits_for_a_failed_upstream_uses_up_nothing(tmp_path: Path) -> None:
    town = make_town(tmp_path, {"lib": (), "nothing": (), "x": ("lib",), "y": ("lib",), "z": ("nothing",)})
    town.bump_all()
    town.refuse_pushes("lib")
    left = {"x": "limit", "y": "limit", "z": "limit"}
    assert told(run(town, 1)) == {"lib": "failed", "nothing": "opened", **left}
    again = {"x": "upstream", "y": "upstream", "z": "opened"}
    assert told(run(town, 1)) == {"lib": "failed", "nothing": "unchanged", **again}


def test_only_chosen_repos_count(town: Town) -> None:
    run(town, None, "base")
    assert told(run(town, 1, "b", "c")) == {"b": "opened", "c": "limit"}


def test_a_branch_without_a_forge_is_pushed_whatever_the_limit(town: Town) -> None:
    servers = town.servers
    servers.for_repo = lambda repo, url=None: None  # type: ignore[method-assign]
    document = town.publish(servers=servers, limit=1)
    assert {each.status for each in document.repos} == {"updated"}
