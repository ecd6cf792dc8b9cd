from pathlib import Path

import pytest

from flakesync.forge.outcome import PublishDocument, PublishOutcome
from flakesync.forge.publish import publish
from flakesync.terms import RepoName
from tests.forge.town import BRANCH, NEW, OLD, Town, make_town

CHAIN = {"lib": (), "app": ("lib",), "site": ("app", "lib")}


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return make_town(tmp_path, CHAIN)


def run(town: Town, *names: str, reopen: bool = False) -> dict[str, PublishOutcome]:
    return by_name(run_whole(town, *names, reopen=reopen))


def run_whole(town: Town, *names: str, reopen: bool = False) -> PublishDocument:
    selected = frozenset(map(RepoName, names)) if names else town.everything
    return publish(town.workspace, town.read(), selected, town.servers, reopen=reopen)


def by_name(document: PublishDocument) -> dict[str, PublishOutcome]:
    return {outcome.repo: outcome for outcome in document.repos}


def statuses(outcomes: dict[str, PublishOutcome]) -> list[str]:
    return [outcome.status for outcome in outcomes.values()]


def test_a_fresh_set_is_pushed_and_opened_upstream_first(town: Town) -> None:
    commits = town.bump_all()
    document = run_whole(town)
    assert [(outcome.repo, outcome.status, outcome.pushed) for outcome in document.repos] == [
        ("lib", "opened", True),
        ("app", "opened", True),
        ("site", "opened", True),
    ]
    assert {name: town.ref(town.server(name)) for name in CHAIN} == commits
    assert [name for what, name in town.forge.calls if what == "create"] == ["lib", "app", "site"]
    pull = town.forge.one("site")
    assert (pull.head_branch, pull.base_branch, pull.head) == (BRANCH, "main", commits["site"])
    assert pull.title == f"flake.lock: update nixpkgs to {NEW[:7]}"
    lines = pull.body.splitlines()
    assert "Depends-On: https://forge.test/lib/pull/1" in lines
    assert "Depends-On: https://forge.test/app/pull/1" in lines
    assert "[pull request of lib](https://forge.test/lib/pull/1)" in pull.body
    assert f"(https://github.com/nixos/nixpkgs/compare/{OLD}...{NEW})" in pull.body
    assert "Dependents, which lock this update: `app`, `site`" in town.forge.one("lib").body
    assert town.forge.depends == {
        "app": ["https://forge.test/lib/pull/1"],
        "site": ["https://forge.test/app/pull/1", "https://forge.test/lib/pull/1"],
    }
