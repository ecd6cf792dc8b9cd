"""The base of a pull request is the branch that the server says, where the manifest does not fix one."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from flakesync.documents.pulls.publish import PublishOutcome
from flakesync.documents.pulls.status import RepoStatus
from flakesync.errors import ManifestError
from flakesync.forge.model import Project
from flakesync.git.remotes.remote import Remote, list_refs
from flakesync.publish.abandon import abandon
from flakesync.publish.status import status
from flakesync.report.status import render_status
from flakesync.report.text import to_text
from flakesync.terms import Rev
from tests.forge.town import BRANCH, NEWER, Town, make_town
from tests.support import repos

CHAIN = {"lib": (), "app": ("lib",)}


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return make_town(tmp_path, CHAIN)


def run(town: Town) -> dict[str, PublishOutcome]:
    return {outcome.repo: outcome for outcome in town.publish().repos}


def look(town: Town, *, offline: bool = False) -> dict[str, RepoStatus]:
    document = status(town.workspace, town.read(), town.everything, town.servers, offline=offline)
    return {each.repo: each for each in document.repos}


def rename(town: Town, *names: str) -> None:
    """Rename the default branches on their servers; a forge brings open pull requests along."""
    for name in names:
        repos.run_git("branch", "-m", "main", "trunk", cwd=town.server(name))
        for pull in town.forge.pulls.get(name, []):
            town.forge.put(Project("", name), replace(pull, base_branch="trunk"))


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_default_branch_that_was_renamed_is_the_new_base(town: Town, mirrored: bool) -> None:
    town.bump_all()
    if mirrored:
        for name in CHAIN:
            repos.run_git("push", "-q", "origin", BRANCH, cwd=town.clone(name))
        town.manifest(repos={name: {"url": f"git+{town.url(name)}"} for name in CHAIN})
    rename(town, *CHAIN)
    assert [outcome.status for outcome in run(town).values()] == ["opened", "opened"]
    assert {town.forge.one(name).base_branch for name in CHAIN} == {"trunk"}
    assert [each.base for each in look(town).values()] == ["trunk", "trunk"]


def test_pull_requests_that_were_opened_before_are_found_again(town: Town) -> None:
    town.bump_all()
    run(town)
    rename(town, *CHAIN)
    assert [outcome.status for outcome in run(town).values()] == ["unchanged", "unchanged"]
    assert [each.stage for each in look(town).values()] == ["open", "open"]
    town.bump_all(NEWER)
    assert [outcome.status for outcome in run(town).values()] == ["updated", "updated"]
    assert [len(town.forge.pulls[name]) for name in CHAIN] == [1, 1]
    abandon(town.workspace, town.read(), town.everything, town.servers)
    assert {town.forge.one(name).state for name in CHAIN} == {"closed"}
    assert town.ref(town.server("lib")) is None


def test_what_has_landed_on_the_renamed_branch_has_landed(town: Town) -> None:
    town.bump_all()
    rename(town, "lib")
    repos.run_git("push", "-q", "origin", f"{BRANCH}:trunk", cwd=town.clone("lib"))
    assert [each.stage for each in look(town).values()] == ["landed", "local"]
    assert [outcome.reason or outcome.status for outcome in run(town).values()] == ["merged", "opened"]


def test_an_update_that_has_no_pull_request_yet_names_the_branch_that_it_goes_to(town: Town) -> None:
    town.bump_all()
    rename(town, "lib")
    document = status(town.workspace, town.read(), town.everything, town.servers)
    first, second, *_ = to_text(render_status(document, width=100)).splitlines()
    assert "→ trunk" in first
    assert "→ main" in second


def test_offline_the_base_is_what_was_last_fetched(town: Town) -> None:
    town.bump_all()
    rename(town, *CHAIN)
    assert [each.base for each in look(town, offline=True).values()] == ["main", "main"]


def test_the_manifest_fixes_the_base(town: Town) -> None:
    town.bump_all()
    known = {name: {"url": f"git+{town.url(name)}", "path": f"repos/{name}", "base": "main"} for name in CHAIN}
    town.manifest(repos=known)
    for name in CHAIN:
        repos.run_git("branch", "next", "main", cwd=town.server(name))
        repos.run_git("symbolic-ref", "HEAD", "refs/heads/next", cwd=town.server(name))
    assert [outcome.status for outcome in run(town).values()] == ["opened", "opened"]
    assert {town.forge.one(name).base_branch for name in CHAIN} == {"main"}


@pytest.mark.parametrize("place", ["repos.lib", "workspace"])
def test_a_base_that_the_server_does_not_have_is_an_error_that_names_both(town: Town, place: str) -> None:
    town.bump_all()
    rename(town, "lib")
    if place == "workspace":
        town.manifest(workspace={"name": "acme", "jobs": 2, "base": "main"})
    else:
        town.manifest(repos={"lib": {"url": f"git+{town.url('lib')}", "path": "repos/lib", "base": "main"}})
    outcomes = run(town)
    assert [outcome.reason or outcome.status for outcome in outcomes.values()] == ["failed", "upstream"]
    taken_away = abandon(town.workspace, town.read(), frozenset({town.workspace.repo("lib").name}), town.servers)
    for error in (outcomes["lib"].error, look(town)["lib"].error, taken_away.repos[0].error):
        assert error is not None
        assert error.code == "no-such-branch"
        assert error.message == (
            f"repos.lib: {town.url('lib')} has no branch main, its base; its default branch is trunk"
        )
        assert error.hint == 'set `base = "trunk"`, or push main'


def test_a_base_that_a_mirrored_server_does_not_have_is_the_same_error(town: Town) -> None:
    rename(town, "lib")
    town.manifest(repos={"lib": {"url": f"git+{town.url('lib')}", "base": "main"}})
    with pytest.raises(ManifestError) as caught:
        town.read()
    assert caught.value.code == "no-such-branch"
    assert caught.value.message == (
        f"repos.lib: {town.url('lib')} has no branch main, its base; its default branch is trunk"
    )
    assert caught.value.hint == 'set `base = "trunk"`, or push main'


@pytest.mark.parametrize("head", ["detached", "unborn"])
def test_a_server_whose_head_names_no_branch_has_the_base_that_is_known_here(town: Town, head: str) -> None:
    town.bump_all()
    server = town.server("lib")
    tip = town.ref(server, "refs/heads/main")
    (server / "HEAD").write_text(f"{tip}\n" if head == "detached" else "ref: refs/heads/nowhere\n")
    assert [outcome.status for outcome in run(town).values()] == ["opened", "opened"]
    assert town.forge.one("lib").base_branch == "main"


def test_an_empty_server_is_an_error_of_its_repo(town: Town) -> None:
    town.bump_all()
    repos.run_git("update-ref", "-d", "refs/heads/main", cwd=town.server("lib"))
    error = run(town)["lib"].error
    assert error is not None
    assert (error.code, error.hint) == ("no-such-branch", "push main first")


def test_the_server_is_asked_once_for_all_of_it(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    town.bump_all()
    rename(town, *CHAIN)
    asked: list[str] = []

    def ask(remote: Remote, patterns: Sequence[str], *, symbolic: bool = False) -> dict[str, Rev]:
        asked.append(remote.url.rpartition("/")[2])
        return list_refs(remote, patterns, symbolic=symbolic)

    monkeypatch.setattr("flakesync.publish.branches.list_refs", ask)
    run(town)
    assert sorted(asked) == ["app.git", "lib.git"]
    look(town)
    assert sorted(asked) == ["app.git", "app.git", "lib.git", "lib.git"]
