"""Landing at its edges: what cannot be landed, what is there already, and what a forge refuses in between."""

from dataclasses import replace
from pathlib import Path

import pytest

from flakesync.errors import ManifestError, RepoError
from flakesync.forge.model import ForgeError, Project, Pull
from flakesync.git.repository import Repository
from flakesync.land import waits
from flakesync.land.server_state import at_commit
from flakesync.nix.lock.file import LockFile
from flakesync.publish.body import depends_on_in, mark_abandoned, pulls_in, run_of
from flakesync.survey.graph import RepoGraph, build_graph
from flakesync.sync.events import Event, Started
from flakesync.sync.job import BumpJob
from flakesync.sync.outcome import Unchanged
from flakesync.sync.tools import Tools
from flakesync.terms import FlakeDir, RepoName, Rev
from flakesync.workspace.snapshot import FlakeState, Snapshot, UnreadableRepo
from tests.support import locks, repos
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


def test_a_text_that_a_landing_could_not_write_for_the_branch_it_pushed_is_written_before_the_merge(
    landing: Landing,
) -> None:
    published_text = landing.forge.pulls["lib"][0].body
    landing.space.commit("lib", {"news": "x"}, message="News")
    landing.forge.fail["update", "lib"] = ForgeError("forge", "it is gone")
    landing.land()
    pushed = landing.update("lib")
    assert landing.forge.pulls["lib"][0].body == published_text
    landing.forge.fail.clear()
    assert landing.land().statuses == {"lib": "landed", "app": "landed"}
    merged = landing.forge.pulls["lib"][0]
    trailer = "--format=%(trailers:key=Flakesync-Run,valueonly)"
    run = repos.run_git("log", "-1", trailer, str(merged.head), cwd=landing.space.path("lib"))
    assert merged.head == pushed
    assert run_of(merged.body) == run != run_of(published_text)


def test_an_upstream_that_does_not_move_is_not_linked(tmp_path: Path) -> None:
    space = Space(tmp_path)
    space.add("lib").add("app", {"nixpkgs": Take(), "lib": Take()})
    landing = Landing(space, tables={"lib": {"hold": ["nixpkgs"]}})
    assert landing.sync().statuses["app"] == "updated"
    landing.publish()
    space.commit("app", {"news": "x"}, message="News")
    landing.forge.calls.clear()
    assert landing.land().statuses == {"app": "landed"}
    assert not [what for what, name in landing.forge.calls if name == "lib"], "nothing is asked of it either"
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


def test_a_repo_without_an_address_that_locks_an_update_which_is_gone_has_no_server_for_its_mending(
    landing: Landing,
) -> None:
    """A person merged it before its upstream; what would mend it can be made, and pushed nowhere."""
    landing.forge.press("app", "squash")
    landing.forge.storage("app").git("update-ref", "-d", f"refs/heads/{UPDATE_BRANCH}")
    before = landing.tip("app")
    text = landing.file.read_text()
    landing.file.write_text(text.replace(f'url = "git+{landing.space.url("app")}"', 'path = "./app"'))
    landed = landing.land()
    assert (landed.statuses, landed.errors) == ({"lib": "landed", "app": "failed"}, {"app": "no-url"})
    assert landed["app"].error is not None
    assert landed["app"].error.message == "app has no `url`: there is no server to land its update on"
    assert landing.tip("app") == before


def test_what_is_out_as_it_is_to_land_is_merged_without_another_word_to_the_forge(landing: Landing) -> None:
    landing.forge.calls.clear()
    assert landing.land("lib").statuses == {"lib": "landed"}
    assert [what for what, name in landing.forge.calls if name == "lib"] == ["find", "merge_status", "merge"]


def test_an_update_that_was_only_pushed_gets_a_pull_request_and_lands(landing: Landing) -> None:
    """A publish was cut off in between."""
    published = landing.update("lib")
    landing.forge.pulls["lib"].clear()
    landed = landing.land("lib")
    assert (landed.statuses, landed["lib"].commit) == ({"lib": "landed"}, published)
    assert [pull.state for pull in landing.forge.pulls["lib"]] == ["merged"]


def test_an_update_whose_pull_request_flakesync_itself_closed_gets_another_and_lands(landing: Landing) -> None:
    published = landing.update("lib")
    pull = landing.forge.one("lib")
    landing.forge.put(Project(HOST, "lib"), replace(pull, state="closed", body=mark_abandoned(pull.body)))
    landed = landing.land("lib")
    assert (landed.statuses, landed["lib"].commit) == ({"lib": "landed"}, published)
    assert [pull.state for pull in landing.forge.pulls["lib"]] == ["closed", "merged"]


def test_a_merge_that_the_base_shows_at_the_next_look_needs_no_other_run(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = landing.forge.find
    told: list[Rev] = []

    def early(project: Project, **named: str) -> Pull | None:
        """Say that the pull request is merged as a commit which the base has only when it is looked at again."""
        pull = find(project, **named)
        if pull is not None and project.path == "lib" and not told:
            told.append(pull.head)
            merged = landing.forge.press("lib", "squash").merged_rev
            landing.forge.storage("lib").git("update-ref", "refs/heads/main", f"{merged}^")
            landing.forge.storage("lib").git("update-ref", "refs/heads/later", str(merged))
            return find(project, **named)
        if project.path == "lib":
            landing.forge.storage("lib").git("update-ref", "refs/heads/main", "refs/heads/later")
        return pull

    monkeypatch.setattr(landing.forge, "find", early)
    landed = landing.land("lib")
    assert landed.statuses == {"lib": "landed"}, landed["lib"].detail
    assert told


# ---- what nobody foresaw ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["pending", "waited_for"])
@pytest.mark.parametrize("name", ["lib", "app"])
def test_what_nobody_foresaw_of_what_a_repo_waits_for_fails_it_and_what_waits_for_it(
    landing: Landing, monkeypatch: pytest.MonkeyPatch, where: str, name: str
) -> None:
    real = getattr(waits, where)

    def break_down(*known: object) -> object:
        if name in known:
            raise ZeroDivisionError("nobody foresaw this")
        return real(*known)

    monkeypatch.setattr(f"flakesync.land.land.{where}", break_down)
    landed = landing.land()
    assert landed.errors == ({"lib": "bug", "app": "upstream-failed"} if name == "lib" else {"app": "bug"})
    assert landing.update(name) is not None


def test_a_repo_that_cannot_be_decided_on_when_its_turn_comes_has_not_landed(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its base has moved on to something that nobody foresaw since the run began."""
    begun: list[str] = []

    def at_its_turn(event: Event[object]) -> None:
        if isinstance(event, Started):
            begun.append(event.repo)

    def build(snapshot: Snapshot) -> RepoGraph:
        if "lib" in begun and not isinstance(snapshot.states[RepoName("lib")], UnreadableRepo):
            raise RepoError("lib", ZeroDivisionError("nobody foresaw this"))
        return build_graph(snapshot)

    monkeypatch.setattr("flakesync.land.server_state.build_graph", build)
    landed = landing.land(listener=at_its_turn)
    assert landed.errors == {"lib": "bug", "app": "upstream-failed"}
    assert landed["lib"].error is not None
    assert "ZeroDivisionError: nobody foresaw this" in landed["lib"].error.message
    assert [pull.state for pull in landing.forge.pulls["lib"]] == ["open"]


# ---- many upstreams --------------------------------------------------------------------------------------------------


def wide(root: Path) -> Landing:
    space = Space(root)
    uppers = [f"lib{number}" for number in range(6)]
    for name in uppers:
        space.add(name)
    space.add("app", {"nixpkgs": Take(), **{name: Take() for name in uppers}})
    found = Landing(space)
    assert set(found.sync().statuses.values()) == {"updated"}
    found.publish()
    return found


def test_the_upstreams_that_a_repo_waits_for_are_told_by_name_and_so_is_the_first_that_failed(kept: Kept) -> None:
    landing = kept.again("wide", wide)
    names = [f"lib{number}" for number in range(6)]
    landing.forge.checks = dict.fromkeys(names, "pending")
    assert landing.land()["app"].waits_for == names
    landing.forge.checks = dict.fromkeys(names, "failed")
    error = landing.land()["app"].error
    assert error is not None
    assert error.because == "lib0"


def test_a_flake_whose_lock_in_the_update_cannot_be_read_counts_as_it_is_on_the_base(tmp_path: Path) -> None:
    broken = repos.make_repo(tmp_path, {"flake.nix": "{}", "flake.lock": "{", "dev/flake.lock": "{}"})
    known = FlakeState(FlakeDir("."), LockFile.parse(locks.to_bytes(locks.lock({"lib": locks.github("acme", "lib")}))))
    with Repository.open(tmp_path) as repository:
        assert at_commit(repository, broken, known) is known
        assert at_commit(repository, broken, FlakeState(FlakeDir("none"), known.lock)).lock is known.lock
        good = repos.commit(tmp_path, {"flake.lock": locks.to_bytes(locks.lock({})).decode()}, message="Mend")
        found = at_commit(repository, good, known).lock
        assert found is not None
        assert [*found.root_inputs()] == []
