"""A pull request is published only when the servers have all that its lock names."""

from dataclasses import replace
from pathlib import Path

import pytest

from flakesync.documents.pulls.publish import PublishOutcome
from flakesync.errors import GitError
from flakesync.forge.model import Project
from flakesync.git.remotes.remote import list_refs
from flakesync.report.publish import render_publish
from flakesync.report.text import to_text
from flakesync.terms import Rev
from tests.forge.town import BRANCH, NEW, NEWER, Town, make_town
from tests.support import locks, repos
from tests.support.landing import Landing
from tests.support.nixspace import Space, Take

CHAIN = {"lib": (), "app": ("lib",), "site": ("app",)}
LIB = Project("", "lib")
LOCAL = {"name": "acme", "jobs": 2, "read": "local"}


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return make_town(tmp_path, CHAIN)


def run(town: Town, *names: str) -> dict[str, PublishOutcome]:
    return {outcome.repo: outcome for outcome in town.publish(*names).repos}


def reasons(outcomes: dict[str, PublishOutcome]) -> list[str | None]:
    return [outcome.reason or outcome.status for outcome in outcomes.values()]


def delete(path: Path, branch: str = BRANCH) -> None:
    repos.run_git("update-ref", "-d", f"refs/heads/{branch}", cwd=path)


def is_untouched(town: Town, *names: str) -> bool:
    """Tell whether there is neither an update branch nor a pull request of these repos on their servers."""
    return not any(town.ref(town.server(name)) or town.forge.pulls.get(name) for name in names)


def test_a_rejected_push_holds_back_all_that_lock_that_update(town: Town) -> None:
    town.bump_all()
    hook = town.refuse_pushes("lib")
    outcomes = run(town)
    assert reasons(outcomes) == ["failed", "upstream", "upstream"]
    assert outcomes["lib"].error is not None
    assert outcomes["app"].notes == ["lib: its update branch could not be pushed (error[push-rejected])"]
    assert outcomes["site"].notes == [f"app is not published: {outcomes['app'].notes[0]}"]
    assert is_untouched(town, "app", "site")
    hook.unlink()
    assert reasons(run(town)) == ["opened"] * 3


def test_the_text_says_which_upstream_is_lacking(town: Town) -> None:
    commits = town.bump_all()
    town.refuse_pushes("lib")
    lines = to_text(render_publish(town.publish(), width=100)).splitlines()
    app = lines.index(f"skipped    app   {commits['app'][:7]}  flakesync/update  an upstream is not on its server")
    assert lines[app + 1] == "    note: lib: its update branch could not be pushed (error[push-rejected])"
    assert lines[-1] == "1 failed, 2 skipped"


def test_an_upstream_that_was_not_selected_has_to_be_out_already(town: Town) -> None:
    commits = town.bump_all()
    outcomes = run(town, "app")
    assert reasons(outcomes) == ["upstream"]
    assert outcomes["app"].notes == ["lib was not selected and its update is not on its server: publish it too"]
    assert is_untouched(town, "lib", "app")
    assert reasons(run(town, "lib")) == ["opened"]
    assert reasons(run(town, "app")) == ["opened"]
    assert town.ref(town.server("app")) == commits["app"]


def test_only_those_that_lock_it_are_held_back(tmp_path: Path) -> None:
    town = make_town(tmp_path, {"lib": (), "other": (), "app": ("lib", "other"), "site": ("other",)})
    town.bump_all()
    town.refuse_pushes("lib")
    assert reasons(run(town)) == ["failed", "opened", "upstream", "opened"]


def test_what_the_server_has_below_somebody_elses_commit_counts(town: Town) -> None:
    town.bump_all()
    run(town, "lib")
    repos.commit(town.server("lib"), {"note": "mine"}, message="Fix", branch=BRANCH)
    assert reasons(run(town)) == ["failed", "opened", "opened"]
    assert "Depends-On: https://forge.test/lib/pull/1" in town.forge.one("app").body


def test_an_upstream_without_a_server_holds_back_its_dependents(town: Town) -> None:
    town.bump_all()
    known = {name: {"url": f"git+{town.url(name)}", "path": f"repos/{name}"} for name in CHAIN}
    alias = {"path": "repos/lib", "aliases": [f"git+{town.url('lib')}"]}
    town.manifest(repos=known | {"lib": alias})
    text = (town.root / "workspace.toml").read_text()
    assert "server/lib.git" in text
    repos.run_git("remote", "remove", "origin", cwd=town.clone("lib"))
    outcomes = run(town)
    assert reasons(outcomes) == ["no-server", "upstream", "upstream"]
    assert outcomes["app"].notes == ["lib has no server"]


@pytest.mark.parametrize("branch_is_there", [True, False])
def test_a_closed_upstream_holds_back_its_dependents_where_its_branch_is_gone(
    town: Town, branch_is_there: bool
) -> None:
    town.bump_all()
    run(town, "lib")
    town.forge.put(LIB, replace(town.forge.one("lib"), state="closed"))
    if branch_is_there:
        assert reasons(run(town)) == ["closed", "opened", "opened"]
        return
    delete(town.server("lib"))
    outcomes = run(town)
    assert reasons(outcomes) == ["closed", "upstream", "upstream"]
    assert outcomes["app"].notes == [
        "lib: a person has closed its pull request, and its server does not have the update"
    ]


def test_an_upstream_that_was_merged_as_another_commit_makes_its_dependents_stale(town: Town) -> None:
    town.bump_all()
    run(town, "lib")
    squashed = repos.commit(town.server("lib"), {"flake.lock": "{}"}, message="Squashed", branch="main")
    town.forge.put(LIB, replace(town.forge.one("lib"), state="merged", merged_rev=squashed))
    delete(town.server("lib"))
    outcomes = run(town)
    assert reasons(outcomes) == ["merged", "stale", "stale"]
    assert all("`flakesync sync` makes it anew" in outcomes[name].notes[0] for name in ("app", "site"))
    # Nor where nobody here remembers the update.
    delete(town.clone("lib"))
    outcomes = run(town)
    assert reasons(outcomes) == ["no-update", "upstream", "upstream"]
    assert is_untouched(town, "app", "site")


def test_an_upstream_that_was_merged_as_that_very_commit_is_there(town: Town) -> None:
    commits = town.bump_all()
    run(town, "lib")
    repos.run_git("update-ref", "refs/heads/main", commits["lib"], cwd=town.server("lib"))
    town.forge.put(LIB, replace(town.forge.one("lib"), state="merged", merged_rev=commits["lib"]))
    delete(town.server("lib"))
    assert reasons(run(town)) == ["merged", "opened", "opened"]


def test_a_commit_of_a_base_branch_that_its_server_lacks_is_to_be_pushed_first(town: Town) -> None:
    town.manifest(workspace=LOCAL)
    tip = repos.commit(town.clone("lib"), {"more": "1"}, message="More", checkout=False)
    town.bump("app", nixpkgs=NEW, lib=tip)
    outcomes = run(town, "app")
    assert reasons(outcomes) == ["upstream"]
    assert outcomes["app"].notes == ["the commit is only in the local base branch main of lib: push it first"]
    assert is_untouched(town, "app")
    repos.run_git("push", "-q", "origin", "main", cwd=town.clone("lib"))
    assert reasons(run(town, "app")) == ["opened"]


def test_an_update_is_not_a_way_out_for_local_commits_of_its_own_base(town: Town) -> None:
    town.manifest(workspace=LOCAL)
    repos.commit(town.clone("lib"), {"more": "1"}, message="More", checkout=False)
    town.bump_all()
    outcomes = run(town)
    assert reasons(outcomes) == ["unpushed-base", "upstream", "upstream"]
    note = "it is made on commits that are only in the local base branch main: push it first"
    assert outcomes["lib"].notes == [note]
    assert outcomes["app"].notes == [f"lib is not published: {note}"]
    assert is_untouched(town, *CHAIN)
    repos.run_git("push", "-q", "origin", "main", cwd=town.clone("lib"))
    assert reasons(run(town)) == ["opened"] * 3


@pytest.mark.parametrize("read", ["server", "local"])
def test_an_update_that_was_merged_only_here_has_not_landed(town: Town, read: str) -> None:
    town.manifest(workspace={**LOCAL, "read": read})
    commits = town.bump_all()
    repos.run_git("update-ref", "refs/heads/main", commits["lib"], cwd=town.clone("lib"))
    assert reasons(run(town)) == ["opened"] * 3
    assert town.ref(town.server("lib"), "refs/heads/main") != commits["lib"]


def test_an_update_that_was_merged_only_here_on_local_commits_stays_here(town: Town) -> None:
    town.manifest(workspace=LOCAL)
    repos.commit(town.clone("lib"), {"more": "1"}, message="More", checkout=False)
    commits = town.bump_all()
    repos.run_git("update-ref", "refs/heads/main", commits["lib"], cwd=town.clone("lib"))
    outcomes = run(town)
    assert reasons(outcomes) == ["unpushed-base", "upstream", "upstream"]
    assert outcomes["app"].notes == ["the commit is only in the local base branch main of lib: push it first"]
    assert is_untouched(town, *CHAIN)


def test_an_upstream_whose_branch_has_moved_on_is_no_longer_what_a_lock_names(town: Town) -> None:
    town.bump_all()
    run(town, "lib")
    newer = town.bump("lib", nixpkgs=NEWER)
    # As long as the server still has it, it can be fetched.
    assert reasons(run(town, "app")) == ["opened"]
    outcomes = run(town, "lib", "site")
    assert reasons(outcomes) == ["updated", "opened"]
    assert town.ref(town.server("lib")) == newer
    delete(town.server("app"))
    town.forge.pulls["app"].clear()
    outcomes = run(town, "app")
    assert reasons(outcomes) == ["upstream"]
    assert "lib" in outcomes["app"].notes[0]


def test_a_branch_that_this_run_moves_on_does_not_count_as_it_was(town: Town) -> None:
    town.bump_all()
    run(town, "lib")
    town.bump("lib", nixpkgs=NEWER)
    outcomes = run(town)
    assert reasons(outcomes) == ["updated", "upstream", "upstream"]
    assert outcomes["app"].notes == ["lib: its update branch has moved on since: `flakesync sync` makes it anew"]
    assert reasons(run(town)) == ["unchanged", "upstream", "upstream"]


def test_what_is_out_already_stays_as_it_is(town: Town) -> None:
    town.bump_all()
    run(town)
    bodies = {name: town.forge.one(name).body for name in CHAIN}
    town.server("lib").rename(town.root / "gone")
    outcomes = run(town)
    assert reasons(outcomes) == ["failed", "unchanged", "unchanged"]
    assert outcomes["app"].notes == [f"lib: {outcomes['lib'].error.message}"]  # type: ignore[union-attr]
    assert {name: town.forge.one(name).body for name in CHAIN} == bodies


def test_an_open_branch_without_a_pull_request_is_not_out_yet(town: Town) -> None:
    town.bump_all()
    repos.run_git("push", "-q", "origin", BRANCH, cwd=town.clone("app"))
    town.refuse_pushes("lib")
    assert reasons(run(town)) == ["failed", "upstream", "opened"]
    assert not town.forge.pulls.get("app")


@pytest.mark.parametrize("kind", ["branch", "tag", "full"])
def test_an_input_that_tracks_another_branch_is_looked_for_there(tmp_path: Path, kind: str) -> None:
    ref = {"branch": "stable", "tag": "v1", "full": "refs/heads/stable"}[kind]
    town = make_town(tmp_path, {"lib": (), "app": ("lib",)}, refs={"lib": ref})
    tip = repos.commit(town.clone("lib"), {"more": "1"}, message="More", branch="stable", checkout=False)
    repos.run_git("tag", "-a", "-m", "one", "v1", tip, cwd=town.clone("lib"))
    town.bump("app", nixpkgs=NEW, lib=tip)
    assert reasons(run(town, "app")) == ["upstream"]
    repos.run_git("push", "-q", "origin", "v1" if kind == "tag" else "stable", cwd=town.clone("lib"))
    assert reasons(run(town, "app")) == ["opened"]


@pytest.mark.parametrize("reached", [True, False])
def test_a_tracked_branch_that_has_moved_on_elsewhere_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reached: bool
) -> None:
    town = make_town(tmp_path, {"lib": (), "app": ("lib",)}, refs={"lib": "stable"})
    tip = repos.commit(town.clone("lib"), {"more": "1"}, message="More", branch="stable", checkout=False)
    repos.run_git("push", "-q", "origin", "stable", cwd=town.clone("lib"))
    repos.commit(town.server("lib"), {"more": "2"}, message="By somebody", branch="stable")
    town.bump("app", nixpkgs=NEW, lib=tip)

    def refuse(*_: object) -> None:
        raise GitError("unreachable", "it says nothing any more")

    if not reached:
        monkeypatch.setattr("flakesync.publish.fetchable.fetch", refuse)
    assert reasons(run(town, "app")) == ["opened" if reached else "upstream"]


def test_a_commit_that_flake_nix_names_is_not_looked_for(tmp_path: Path) -> None:
    town = make_town(tmp_path, {"lib": (), "app": ("lib",)}, chosen={"lib"})
    town.bump("app", nixpkgs=NEW, lib=Rev(locks.rev_of("some commit of a branch that is gone")))
    assert reasons(run(town, "app")) == ["opened"]


def test_inputs_below_the_moves_are_looked_at_too(tmp_path: Path) -> None:
    space = Space(tmp_path / "space")
    space.add("lib").add("app", {"nixpkgs": Take(), "lib": Take()}).add("top", {"nixpkgs": Take(), "app": Take()})
    landing = Landing(space)
    landing.sync()
    landing.publish("lib")
    landing.publish("app")
    delete(space.path("lib"))
    landing.forge.pulls["lib"].clear()
    (outcome,) = landing.publish("top").repos
    assert (outcome.reason, landing.update("top")) == ("upstream", None)
    assert outcome.notes == ["lib was not selected and its update is not on its server: publish it too"]
    landing.publish("lib")
    (outcome,) = landing.publish("top").repos
    assert outcome.status == "opened"


@pytest.mark.parametrize("how", ["no mirror", "plain folder"])
def test_a_commit_that_flake_nix_names_of_a_repo_that_is_not_there_is_not_looked_for(tmp_path: Path, how: str) -> None:
    town = make_town(tmp_path, {"lib": (), "app": ("lib",)}, chosen={"lib"})
    tip = repos.commit(town.clone("lib"), {"more": "1"}, message="More", branch="stable", checkout=False)
    town.bump("app", nixpkgs=NEW, lib=tip)
    town.server("lib").rename(town.root / "gone")
    if how == "plain folder":
        (town.clone("lib") / ".git").rename(town.root / "lib.git")
    else:
        town.manifest(repos={"lib": {"url": f"git+{town.url('lib')}"}})
    assert reasons(run(town, "app")) == ["opened"]


def test_a_commit_that_flake_nix_names_and_a_clone_has_damaged_is_not_looked_for(tmp_path: Path) -> None:
    town = make_town(tmp_path, {"lib": (), "app": ("lib",)}, chosen={"lib"})
    tip = repos.commit(town.clone("lib"), {"more": "1"}, message="More", branch="stable", checkout=False)
    town.bump("app", nixpkgs=NEW, lib=tip)
    repos.run_git("update-ref", "-d", "refs/heads/stable", cwd=town.clone("lib"))
    file = town.clone("lib") / ".git/objects" / tip[:2] / tip[2:]
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-4])
    outcomes = run(town, "app")
    assert (reasons(outcomes), outcomes["app"].error) == (["opened"], None)


def test_a_branch_that_moves_while_it_is_fetched_fails_its_repo_with_what_to_do(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.bump_all()
    town.publish()
    seen = Rev(repos.commit(town.server("lib"), {"more": "1"}, message="More", branch="main"))
    real = list_refs

    def then_moved(*asked: object, **how: bool) -> dict[str, Rev]:
        """Give the answer of just before somebody has moved the branch on by force, and the commit is gone."""
        found = real(*asked, **how)  # type: ignore[arg-type]
        return {name: Rev("e" * 40) if rev == seen else rev for name, rev in found.items()}

    monkeypatch.setattr("flakesync.publish.branches.list_refs", then_moved)
    outcome = run(town, "lib")["lib"]
    assert outcome.error is not None
    assert (outcome.status, outcome.error.code, outcome.error.hint) == ("failed", "ref-moved", "run it again")
    assert outcome.error.message == "lib: refs/heads/main moved on its server just now"
