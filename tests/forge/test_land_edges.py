"""Landing at its edges: what cannot be landed, what is there already, and what a forge refuses in between."""

from dataclasses import replace
from pathlib import Path

import pytest

from flakesync.errors import ManifestError
from flakesync.forge.model import ForgeError, Project
from flakesync.publish.body import depends_on_in, pulls_in
from flakesync.sync.job import BumpJob
from flakesync.sync.outcome import Unchanged
from flakesync.sync.tools import Tools
from flakesync.terms import Rev
from tests.support.kept import Kept
from tests.support.landing import Landing
from tests.support.memory_forge import HOST
from tests.support.nixspace import UPDATE_BRANCH, Space, Take


def published(root: Path) -> Landing:
    space = Space(root)
    space.add("lib").add("app", {"nixpkgs": Take(), "lib": Take()})
    found = Landing(space)
    assert set(found.sync().statuses.values()) == {"updated"}
    found.publish()
    return found


@pytest.fixture
def landing(kept: Kept) -> Landing:
    """`lib`, and `app` that takes it: synced and published; without Nix."""
    return kept.again("edges", published)


def test_a_branch_that_has_nothing_of_flakesyncs_is_not_deleted(landing: Landing) -> None:
    landing.forge.press("lib", "squash")
    mine = landing.space.commit("lib", {"news": "x"}, message="News")
    landing.forge.storage("lib").git("update-ref", f"refs/heads/{UPDATE_BRANCH}", mine)
    landed = landing.land()
    assert (landed.statuses, landed.document.deleted) == ({"app": "landed"}, ["app"])
    assert landing.update("lib") == mine


def test_a_pull_request_that_cannot_be_brought_up_to_date_fails_its_repo(landing: Landing) -> None:
    landing.space.commit("lib", {"news": "x"}, message="News")
    landing.forge.fail["update", "lib"] = ForgeError("forge-rights", "the token may not do this", hint="another token")
    landed = landing.land()
    assert landed.errors == {"lib": "forge-rights", "app": "upstream-failed"}
    assert landed["lib"].error is not None
    assert landed["lib"].error.hint == "another token"


def test_an_upstream_that_does_not_move_is_not_linked(tmp_path: Path) -> None:
    space = Space(tmp_path)
    space.add("lib").add("app", {"nixpkgs": Take(), "lib": Take()})
    landing = Landing(space, tables={"lib": {"hold": ["nixpkgs"]}})
    assert landing.sync().statuses["app"] == "updated"
    landing.publish()
    space.commit("app", {"news": "x"}, message="News")
    assert landing.land().statuses == {"app": "landed"}
    (pull,) = landing.forge.pulls["app"]
    assert (pulls_in(pull.body), depends_on_in(pull.body)) == ({}, [])


def test_a_merge_that_the_base_never_shows_is_waited_for(landing: Landing) -> None:
    (pull,) = landing.forge.pulls["lib"]
    merged = replace(pull, state="merged", merged_rev=Rev("a" * 40))
    landing.forge.put(Project(HOST, "lib"), merged)
    landed = landing.land("lib")
    assert (landed["lib"].status, landed["lib"].reason) == ("waiting", "computing")
    assert landed["lib"].detail == f"it was merged as {'a' * 12}, which main does not have yet"


def test_a_merge_of_which_the_forge_names_no_commit_is_believed(landing: Landing) -> None:
    (pull,) = landing.forge.pulls["lib"]
    landing.forge.put(Project(HOST, "lib"), replace(pull, state="merged"))
    landed = landing.land("lib")
    assert (landed["lib"].status, landed["lib"].merged) == ("landed", landing.tip("lib"))


def test_a_base_whose_lock_is_broken_fails_its_repo(landing: Landing) -> None:
    landing.space.commit("lib", {"flake.lock": "{"}, message="Break")
    landed = landing.land()
    assert landed.errors == {"lib": "bad-lock", "app": "upstream-failed"}
    assert landed["lib"].error is not None
    assert "flake.lock" in landed["lib"].error.message


def test_where_the_new_lock_is_that_of_the_base_there_is_nothing_to_merge(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(job: BumpJob, _: Tools) -> Unchanged:
        return Unchanged(repo=job.repo, branch=None, commit=job.base_rev, moves=())

    monkeypatch.setattr("flakesync.land.repo.bump", nothing)
    landed = landing.land("lib")
    assert (landed["lib"].status, landed["lib"].merged) == ("landed", landing.tip("lib"))
    assert ("merge", "lib") not in landing.forge.calls
    assert [pull.state for pull in landing.forge.pulls["lib"]] == ["closed"]


def test_a_base_that_the_manifest_names_and_no_server_has_ends_the_run(landing: Landing) -> None:
    text = landing.file.read_text()
    landing.file.write_text(text.replace("[repos.lib]\n", '[repos.lib]\nbase = "trunk"\n'))
    with pytest.raises(ManifestError, match=r"repos\.lib: .* has no branch trunk"):
        landing.land()


def test_a_repo_without_an_address_that_has_no_update_is_none_to_land(landing: Landing) -> None:
    landing.forge.press("lib", "squash")
    landing.forge.storage("lib").git("update-ref", "-d", f"refs/heads/{UPDATE_BRANCH}")
    text = landing.file.read_text()
    landing.file.write_text(text.replace(f'url = "git+{landing.space.url("lib")}"', 'path = "./lib"'))
    assert "lib" not in landing.land().statuses


def test_an_input_at_a_commit_that_flake_nix_names_waits_for_nobody(tmp_path: Path) -> None:
    space = Space(tmp_path)
    space.add("lib").add("app", {"nixpkgs": Take(), "lib": Take(fixed=True)})
    landing = Landing(space)
    fixed = landing.base_locked("app", "lib")["rev"]
    landing.sync()
    landing.publish()
    landing.forge.checks = {"lib": "pending"}
    assert landing.land().statuses == {"lib": "waiting", "app": "landed"}
    assert landing.base_locked("app", "lib")["rev"] == fixed


def test_a_base_lock_without_a_commit_names_no_update(landing: Landing) -> None:
    lock = landing.forge.storage("app").git("show", "main:flake.lock") + "\n"
    lib = str(landing.base_locked("app", "lib")["rev"])
    landing.space.commit("app", {"flake.lock": lock.replace(f'"rev": "{lib}",', f'"dirtyRev": "{lib}-dirty",')})
    landed = landing.land("lib")
    assert landed.statuses == {"lib": "landed"}
