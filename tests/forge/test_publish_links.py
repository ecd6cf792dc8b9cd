"""A pull request never says less of the others than it did: what could not be looked at stays as it was said."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from flakesync.documents.pulls.publish import PublishOutcome
from flakesync.documents.pulls.status import RepoStatus
from flakesync.forge.model import ForgeError, OnForge, Project
from flakesync.publish.body import dependents_in, depends_on_in, pulls_in
from flakesync.publish.status import status
from flakesync.terms import RepoName
from flakesync.workspace.model import Repo
from tests.forge.town import BRANCH, NEWER, Town, make_town
from tests.support import repos
from tests.support.kept import Kept
from tests.support.memory_forge import MemoryServers

CHAIN = {"lib": (), "app": ("lib",), "site": ("app", "lib")}
LIB, APP, SITE = (RepoName(name) for name in CHAIN)
URL = "https://forge.test/{}/pull/1"
OTHER_TITLE = {"title": "locks: {pin} to {new}"}


@pytest.fixture
def town(kept: Kept) -> Town:
    """Return a town of which all is published."""
    return kept.again("town-published", published)


def published(root: Path) -> Town:
    town = make_town(root, CHAIN)
    town.bump_all()
    run(town)
    return town


def run(town: Town, *names: str) -> dict[str, PublishOutcome]:
    return {outcome.repo: outcome for outcome in town.publish(*names).repos}


def look(town: Town, *names: str) -> dict[str, RepoStatus]:
    selected = frozenset(map(RepoName, names)) if names else town.everything
    document = status(town.workspace, town.read(), selected, town.servers)
    return {each.repo: each for each in document.repos}


def statuses(outcomes: dict[str, PublishOutcome]) -> list[str]:
    return [outcome.status for outcome in outcomes.values()]


def said(town: Town, name: str) -> tuple[dict[RepoName, str], list[str], list[RepoName]]:
    """Return what the pull request of a repo says of the others."""
    body = town.forge.one(name).body
    return pulls_in(body), depends_on_in(body), dependents_in(body)


def as_published(name: str) -> tuple[dict[RepoName, str], list[str], list[RepoName]]:
    """Return what it says when all is known."""
    found: dict[str, tuple[list[str], list[RepoName]]] = {
        "lib": ([], [APP, SITE]),
        "app": (["lib"], [SITE]),
        "site": (["app", "lib"], []),
    }
    ups, downs = found[name]
    return {RepoName(up): URL.format(up) for up in ups}, [URL.format(up) for up in ups], downs


def forget(town: Town, *names: str) -> None:
    """Be another machine: there are no update branches here."""
    for name in names or CHAIN:
        repos.run_git("update-ref", "-d", f"refs/heads/{BRANCH}", cwd=town.clone(name))


def test_all_of_it_is_read_back(town: Town) -> None:
    assert {name: said(town, name) for name in CHAIN} == {name: as_published(name) for name in CHAIN}


@pytest.mark.parametrize("place", ["server", "clone"])
def test_an_upstream_that_somebody_has_committed_to_is_still_depended_on(town: Town, place: str) -> None:
    where = town.server("lib") if place == "server" else town.clone("lib")
    repos.commit(where, {"note": "mine"}, message="Fix", branch=BRANCH, checkout=False)
    lib = town.updates("lib")
    update = town.ref(town.clone("lib") if place == "server" else town.server("lib"))
    assert update is not None
    town.manifest(publish=OTHER_TITLE)
    assert statuses(run(town)) == ["failed", "updated", "updated"]
    assert said(town, "app") == as_published("app")
    assert said(town, "site") == as_published("site")
    town.bump("app", nixpkgs=NEWER, lib=update)
    outcomes = run(town)
    assert statuses(outcomes) == ["failed", "updated", "unchanged"]
    assert said(town, "app") == (*as_published("app")[:2], [])
    found = look(town)
    assert [found[name].stage for name in CHAIN] == ["failed", "open", "open"]
    assert [found[name].waits_for for name in CHAIN] == [[], ["lib"], ["app", "lib"]]
    assert found["lib"].error is not None
    assert found["lib"].error.code == "branch-taken"
    assert found["lib"].pull is not None
    assert (found["lib"].pull.number, found["lib"].pull.state) == (1, "open")
    assert {found["lib"].local, found["lib"].remote} == lib
    assert town.updates("lib") == lib


def test_an_upstream_whose_update_somebody_has_amended_is_still_depended_on(town: Town) -> None:
    base = town.ref(town.server("lib"), "refs/heads/main")
    assert base is not None
    theirs = repos.commit(town.server("lib"), {"flake.lock": "{}"}, message="Amended", branch=BRANCH, parents=[base])
    town.manifest(publish=OTHER_TITLE)
    for machine in ("this", "another"):
        if machine == "another":
            forget(town)
            town.manifest()
        assert statuses(run(town)) == ["failed", "updated", "updated"]
        assert said(town, "app") == as_published("app")
        assert said(town, "site") == as_published("site")
    found = look(town)
    assert [found[name].waits_for for name in CHAIN] == [[], ["lib"], ["app", "lib"]]
    assert town.ref(town.server("lib")) == theirs


Tables = dict[str, dict[str, object]]
"""More of the manifest."""


def _no_server(town: Town) -> Tables:
    town.server("lib").rename(town.root / "gone")
    return {}


def _no_mirror(town: Town) -> Tables:
    town.server("lib").rename(town.root / "gone")
    return {"repos": {"lib": {"url": f"git+{town.url('lib')}"}}}


def _no_forge(town: Town) -> Tables:
    town.forge.fail["find", "lib"] = ForgeError("forge-timeout", "no answer")
    return {}


def _no_token(town: Town) -> Tables:
    town.forge.fail["find", "lib"] = ForgeError("forge-token", "the forge does not take the token")
    return {}


@pytest.mark.parametrize("break_it", [_no_server, _no_mirror, _no_forge, _no_token])
@pytest.mark.parametrize("names", [(), ("app", "site"), ("site",)])
@pytest.mark.parametrize("machine", ["this", "another"])
def test_an_upstream_that_cannot_be_looked_at_is_still_depended_on(
    town: Town, break_it: Callable[[Town], Tables], names: tuple[str, ...], machine: str
) -> None:
    tables = break_it(town)
    if machine == "another":
        forget(town)
    town.manifest(publish=OTHER_TITLE, **tables)
    outcomes = run(town, *names)
    done = [name for name in outcomes if name != "lib"]
    assert [outcomes[name].status for name in done] == ["updated"] * len(done)
    assert {name: said(town, name) for name in done} == {name: as_published(name) for name in done}
    assert not any("is not linked" in note for name in done for note in outcomes[name].notes)
    found = look(town)
    assert [found[name].waits_for for name in CHAIN] == [[], ["lib"], ["app", "lib"]]
    assert found["lib"].stage == "failed"


def test_what_a_lock_does_not_say_of_an_upstream_its_pull_request_says(tmp_path: Path) -> None:
    town = make_town(tmp_path, CHAIN)
    town.names_branches = False
    town.bump_all()
    run(town)
    tables = _no_mirror(town)
    town.manifest(publish=OTHER_TITLE, **tables)
    assert [look(town)[name].waits_for for name in CHAIN] == [[], ["lib"], ["app", "lib"]]
    assert statuses(run(town, "app", "site")) == ["updated", "updated"]
    assert [look(town)[name].waits_for for name in CHAIN] == [[], ["lib"], ["app", "lib"]]


def test_somebody_elses_commit_is_the_error_also_where_the_forge_fails(town: Town) -> None:
    repos.commit(town.server("lib"), {"note": "mine"}, message="Fix", branch=BRANCH)
    _no_forge(town)
    town.manifest(publish=OTHER_TITLE)
    outcomes = run(town)
    assert statuses(outcomes) == ["failed", "updated", "updated"]
    assert outcomes["lib"].error is not None
    assert outcomes["lib"].error.code == "branch-taken"
    assert said(town, "app") == as_published("app")


def test_dependents_that_cannot_be_looked_at_are_still_named(town: Town) -> None:
    town.server("site").rename(town.root / "gone")
    forget(town)
    town.manifest(publish=OTHER_TITLE)
    assert statuses(run(town)) == ["updated", "updated", "failed"]
    assert {name: said(town, name) for name in ("lib", "app")} == {name: as_published(name) for name in ("lib", "app")}


@pytest.mark.parametrize("machine", ["this", "another"])
@pytest.mark.parametrize("name", CHAIN)
def test_one_repo_that_is_published_alone_loses_nothing(town: Town, name: str, machine: str) -> None:
    if machine == "another":
        forget(town)
    town.manifest(publish=OTHER_TITLE)
    assert statuses(run(town, name)) == ["updated"]
    assert said(town, name) == as_published(name)
    assert look(town, name)[name].waits_for == [*as_published(name)[0]]


def test_an_upstream_that_has_moved_on_here_is_still_depended_on(town: Town) -> None:
    town.bump("lib", nixpkgs=NEWER)
    town.manifest(publish=OTHER_TITLE)
    assert statuses(run(town, "app")) == ["updated"]
    assert said(town, "app") == as_published("app")
    assert look(town)["app"].waits_for == ["lib"]
    # And where the server's has too: what is out waits for whatever becomes of it.
    run(town, "lib")
    town.manifest()
    assert statuses(run(town, "app")) == ["updated"]
    assert said(town, "app") == as_published("app")
    assert look(town)["app"].waits_for == ["lib"]


def test_an_earlier_pull_request_is_not_that_of_an_update_that_somebody_has_committed_to(town: Town) -> None:
    lib = town.forge.one("lib")
    town.forge.put(Project("", "lib"), replace(lib, state="closed"))
    newer = town.bump("lib", nixpkgs=NEWER)
    repos.run_git("push", "-qf", "origin", BRANCH, cwd=town.clone("lib"))
    repos.commit(town.server("lib"), {"note": "mine"}, message="Fix", branch=BRANCH)
    town.bump("app", nixpkgs=NEWER, lib=newer)
    town.forge.pulls["app"].clear()
    repos.run_git("update-ref", "-d", f"refs/heads/{BRANCH}", cwd=town.server("app"))
    assert statuses(run(town, "app")) == ["opened"]
    assert said(town, "app") == ({}, [], [])


def test_what_is_known_to_be_otherwise_is_no_longer_said(town: Town) -> None:
    lib = town.forge.one("lib")
    repos.run_git("update-ref", "refs/heads/main", lib.head, cwd=town.server("lib"))
    repos.run_git("update-ref", "-d", f"refs/heads/{BRANCH}", cwd=town.server("lib"))
    town.forge.put(Project("", "lib"), replace(lib, state="merged", merged_rev=lib.head))
    town.forge.put(Project("", "site"), replace(town.forge.one("site"), state="closed"))
    repos.run_git("update-ref", "-d", f"refs/heads/{BRANCH}", cwd=town.server("site"))
    forget(town, "site")
    outcomes = run(town)
    assert [outcome.reason or outcome.status for outcome in outcomes.values()] == ["merged", "updated", "no-update"]
    assert said(town, "app") == ({}, [], [])
    assert look(town)["app"].waits_for == []


def test_an_upstream_is_known_by_its_address_where_the_table_is_cut_off(town: Town) -> None:
    body = town.forge.one("app").body.replace("[pull request of lib]", "[compare]")
    town.forge.put(Project("", "app"), replace(town.forge.one("app"), body=body))
    _no_forge(town)
    assert run(town, "app")["app"].status == "updated"
    assert said(town, "app") == as_published("app")


def test_an_upstream_that_has_lost_its_server_is_still_depended_on(town: Town) -> None:
    """Nobody can be asked where its pull request is now."""
    tables = {"repos": {"lib": {"path": "repos/lib", "aliases": [f"git+{town.url('lib')}"]}}}
    repos.run_git("remote", "remove", "origin", cwd=town.clone("lib"))
    town.manifest(publish=OTHER_TITLE, **tables)
    servers = MemoryServers(town.workspace, town.forge, plain=["lib"])
    outcomes = {outcome.repo: outcome for outcome in town.publish(servers=servers).repos}
    assert (outcomes["lib"].reason, statuses(outcomes)[1:]) == ("no-server", ["updated", "updated"])
    assert {name: said(town, name) for name in ("app", "site")} == {
        name: as_published(name) for name in ("app", "site")
    }


class _Elsewhere(MemoryServers):
    """lib is no longer on a forge, or it cannot be told whether it is."""

    error: ForgeError | None = None

    def for_repo(self, repo: Repo, url: str | None = None) -> OnForge | None:
        if repo.name != "lib":
            return super().for_repo(repo, url)
        if self.error is not None:
            raise self.error
        return None


@pytest.mark.parametrize("error", [None, ForgeError("forge-token", "the variable holds no token")])
def test_a_pull_request_whose_repo_nobody_can_tell_any_more_is_left_out_and_the_others_stay(
    town: Town, error: ForgeError | None
) -> None:
    body = town.forge.one("site").body.replace("[pull request of lib]", "[compare]")
    town.forge.put(Project("", "site"), replace(town.forge.one("site"), body=body))
    _no_server(town)
    town.manifest(publish=OTHER_TITLE)
    servers = _Elsewhere(town.workspace, town.forge)
    servers.error = error
    (site,) = town.publish("site", servers=servers).repos
    assert (site.status, site.error) == ("updated", None)
    assert said(town, "site") == ({APP: URL.format("app")}, [URL.format("app")], [])
