from dataclasses import replace
from pathlib import Path

import pytest

from flakesync.documents.pulls.status import RepoStatus
from flakesync.forge.model import ForgeError, MergeStatus, Project
from flakesync.publish.status import status
from flakesync.report.status import render_status
from flakesync.report.text import to_text
from flakesync.terms import RepoName
from tests.forge.town import BRANCH, NEW, Town, make_town
from tests.support import repos
from tests.support.memory_forge import MemoryServers

CHAIN = {"lib": (), "app": ("lib",), "site": ("app", "lib")}


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return make_town(tmp_path, CHAIN)


def look(town: Town, *names: str, offline: bool = False, forge: bool = True) -> dict[str, RepoStatus]:
    selected = frozenset(map(RepoName, names)) if names else town.everything
    servers = MemoryServers(town.workspace, town.forge if forge else None)
    document = status(town.workspace, town.read(), selected, servers, offline=offline)
    return {each.repo: each for each in document.repos}


def put_out(town: Town) -> None:
    town.publish()


def merge(town: Town, name: str, *, squash: bool = False) -> None:
    """Merge a pull request, and delete its branch as a forge may do."""
    pull = town.forge.one(name)
    if squash:
        merged = repos.commit(town.server(name), {"flake.lock": "{}"}, message="Squashed", branch="main")
    else:
        merged = pull.head
        repos.run_git("update-ref", "refs/heads/main", merged, cwd=town.server(name))
    town.forge.put(Project("", name), replace(pull, state="merged", merged_rev=merged))
    repos.run_git("update-ref", "-d", f"refs/heads/{BRANCH}", cwd=town.server(name))


def stages(found: dict[str, RepoStatus]) -> list[str]:
    return [each.stage for each in found.values()]


def test_without_updates_no_forge_is_asked(town: Town) -> None:
    assert stages(look(town)) == ["none"] * 3
    assert town.forge.calls == []


def test_an_update_goes_from_local_to_open_to_landed(town: Town) -> None:
    commits = town.bump_all()
    found = look(town)
    assert stages(found) == ["local"] * 3
    assert (found["app"].local, found["app"].remote, found["app"].commit) == (commits["app"], None, commits["app"])
    put_out(town)
    town.forge.merge_statuses["lib"] = MergeStatus("passed", "approved")
    found = look(town)
    assert stages(found) == ["open"] * 3
    lib = found["lib"].pull
    assert lib is not None
    assert (lib.number, lib.state, lib.checks, lib.reviews) == (1, "open", "passed", "approved")
    assert found["lib"].remote == commits["lib"]
    assert [found[name].waits_for for name in CHAIN] == [[], ["lib"], ["app", "lib"]]
    merge(town, "lib")
    found = look(town)
    assert stages(found) == ["landed", "open", "open"]
    assert [found[name].waits_for for name in CHAIN] == [[], [], ["app"]]


def test_a_squash_merge_has_landed_although_the_base_has_another_commit(town: Town) -> None:
    town.bump_all()
    put_out(town)
    merge(town, "lib", squash=True)
    found = look(town)
    assert stages(found) == ["landed", "open", "open"]
    assert found["app"].waits_for == []


def test_a_merge_that_was_taken_out_of_the_base_has_not_landed(town: Town) -> None:
    town.bump_all()
    put_out(town)
    before = town.ref(town.server("lib"), "refs/heads/main")
    merge(town, "lib", squash=True)
    repos.run_git("update-ref", "refs/heads/main", str(before), cwd=town.server("lib"))
    found = look(town)
    assert found["lib"].landed is False
    assert found["app"].waits_for == ["lib"]


def test_without_a_forge_the_branches_tell(town: Town) -> None:
    commits = town.bump_all()
    assert stages(look(town, forge=False)) == ["local"] * 3
    town.publish(servers=MemoryServers(town.workspace, None))
    found = look(town, forge=False)
    assert stages(found) == ["pushed"] * 3
    repos.run_git("update-ref", "refs/heads/main", commits["lib"], cwd=town.server("lib"))
    assert stages(look(town, forge=False)) == ["landed", "pushed", "pushed"]


def test_a_closed_pull_request_is_shown_as_closed(town: Town) -> None:
    town.bump_all()
    put_out(town)
    town.forge.put(Project("", "lib"), replace(town.forge.one("lib"), state="closed"))
    found = look(town)
    assert stages(found) == ["closed", "open", "open"]
    assert found["lib"].pull is not None
    assert found["lib"].pull.checks is None


def test_offline_nobody_is_asked_and_the_last_fetch_counts(town: Town) -> None:
    town.bump_all()
    put_out(town)
    repos.run_git("fetch", "-q", "origin", cwd=town.clone("lib"))
    (town.root / "server").rename(town.root / "gone")
    town.forge.calls.clear()
    assert stages(look(town, offline=True)) == ["pushed", "local", "local"]
    assert town.forge.calls == []


def test_a_repo_that_cannot_be_asked_does_not_hide_the_others(town: Town) -> None:
    town.bump_all()
    put_out(town)
    town.forge.fail["find", "lib"] = ForgeError("forge-timeout", "no answer\x1b[31m")
    theirs = repos.commit(town.server("site"), {"note": "mine"}, message="Fix", branch=BRANCH)
    found = look(town)
    assert stages(found) == ["failed", "open", "failed"]
    errors = [found[name].error for name in ("lib", "site")]
    assert [error.code for error in errors if error is not None] == ["forge-timeout", "branch-taken"]
    assert errors[1] is not None
    assert theirs[:12] in errors[1].message


def test_what_is_known_of_a_repo_is_shown_although_not_all_of_it_is(town: Town) -> None:
    commits = town.bump_all()
    put_out(town)
    town.forge.fail["merge_status", "app"] = ForgeError("forge-rights", "the token may not read checks")
    app = look(town)["app"]
    assert (app.stage, app.commit, app.remote, app.waits_for) == ("failed", commits["app"], commits["app"], ["lib"])
    assert app.pull is not None
    assert (app.pull.number, app.pull.state, app.pull.checks) == (1, "open", None)
    document = status(town.workspace, town.read(), frozenset({RepoName("app")}), town.servers)
    assert to_text(render_status(document, width=120)).splitlines() == [
        f"failed  app  {commits['app'][:7]}  https://forge.test/app/pull/1  waits for lib",
        "    error[forge-rights]: the token may not read checks",
        "",
        "1 failed",
    ]


def test_an_update_of_a_server_that_does_not_answer_is_known_from_here(town: Town) -> None:
    commits = town.bump_all()
    put_out(town)
    town.server("lib").rename(town.root / "gone")
    found = look(town)
    assert stages(found) == ["failed", "open", "open"]
    assert (found["lib"].local, found["lib"].commit, found["lib"].pull) == (commits["lib"], commits["lib"], None)
    assert found["app"].waits_for == ["lib"]


def test_a_merge_that_was_made_only_here_has_not_landed(town: Town) -> None:
    commits = town.bump_all()
    put_out(town)
    repos.run_git("update-ref", "refs/heads/main", commits["lib"], cwd=town.clone("lib"))
    found = look(town)
    assert stages(found) == ["open"] * 3
    assert found["app"].waits_for == ["lib"]


def test_a_merge_that_was_made_only_here_has_not_landed_where_clones_are_read_as_they_are(town: Town) -> None:
    town.manifest(workspace={"name": "acme", "jobs": 2, "read": "local"})
    commits = town.bump_all()
    repos.run_git("update-ref", "refs/heads/main", commits["lib"], cwd=town.clone("lib"))
    assert stages(look(town)) == ["local"] * 3
    # Offline nobody else can be asked.
    assert look(town, offline=True)["lib"].stage == "landed"


def test_checks_that_the_token_cannot_read_are_unknown(town: Town) -> None:
    town.bump_all()
    put_out(town)
    town.forge.merge_statuses["lib"] = MergeStatus("unknown", "none")
    document = status(town.workspace, town.read(), frozenset({RepoName("lib")}), town.servers)
    assert to_text(render_status(document, width=120)).splitlines()[0].endswith("  checks unknown")


def test_a_selected_repo_still_waits_for_what_is_not_selected(town: Town) -> None:
    town.bump_all()
    put_out(town)
    town.forge.calls.clear()
    found = look(town, "app")
    assert [*found] == ["app"]
    assert found["app"].waits_for == ["lib"]
    assert sorted(town.forge.calls) == [("find", "app"), ("find", "lib"), ("get", "app"), ("merge_status", "app")]


def test_nothing_is_written_by_looking(town: Town) -> None:
    town.bump_all()
    put_out(town)
    before = [
        repos.run_git("for-each-ref", cwd=path) for name in CHAIN for path in (town.clone(name), town.server(name))
    ]
    look(town)
    assert before == [
        repos.run_git("for-each-ref", cwd=path) for name in CHAIN for path in (town.clone(name), town.server(name))
    ]
    assert not {what for what, _ in town.forge.calls} & {"close", "reopen", "merge"}


def test_the_text_has_a_line_for_each_repo(town: Town) -> None:
    commits = town.bump_all()
    put_out(town)
    town.forge.merge_statuses["lib"] = MergeStatus("failed", "changes-requested")
    merge(town, "lib")
    town.forge.merge_statuses["app"] = MergeStatus("pending", "none")
    document = status(town.workspace, town.read(), town.everything, town.servers)
    assert to_text(render_status(document, width=120)).splitlines() == [
        f"landed  lib   {commits['lib'][:7]}  https://forge.test/lib/pull/1",
        f"open    app   {commits['app'][:7]}  https://forge.test/app/pull/1   checks pending",
        f"open    site  {commits['site'][:7]}  https://forge.test/site/pull/1  waits for app",
        "",
        "1 landed, 2 open",
    ]


def test_what_a_repo_without_a_server_has_merged_has_landed(town: Town) -> None:
    update = town.bump("lib", nixpkgs=NEW)
    town.manifest(repos={"lib": {"path": "repos/lib"}})
    text = (town.root / "workspace.toml").read_text().replace(f'url = "git+{town.url("lib")}"\n', "")
    (town.root / "workspace.toml").write_text(text)
    repos.run_git("remote", "remove", "origin", cwd=town.clone("lib"))
    assert look(town)["lib"].stage == "local"
    repos.run_git("update-ref", "refs/heads/main", update, cwd=town.clone("lib"))
    found = look(town)["lib"]
    assert (found.stage, found.landed, found.remote) == ("landed", True, None)


def test_an_update_is_waited_for_though_no_lock_names_its_branch(town: Town) -> None:
    """Locks of `github:` inputs do not."""
    town.names_branches = False
    town.bump_all()
    assert [look(town)[name].waits_for for name in CHAIN] == [[], ["lib"], ["app", "lib"]]


def test_a_commit_of_an_upstreams_base_is_not_waited_for_though_that_has_an_update(town: Town) -> None:
    tip = repos.commit(town.clone("lib"), {"more": "1"}, message="More")
    repos.run_git("push", "-q", "origin", "main", cwd=town.clone("lib"))
    town.bump("lib", nixpkgs=NEW)
    town.bump("app", nixpkgs=NEW, lib=tip)
    found = look(town)
    assert (found["lib"].stage, found["app"].stage, found["app"].waits_for) == ("local", "local", [])
