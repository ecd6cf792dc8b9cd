"""Landing: whatever way the forge merges, the set ends in step and no lock names an update branch."""

import shutil
from pathlib import Path

import pytest

from flakesync.errors import GitError
from flakesync.forge.model import ForgeError, Project
from flakesync.git.remotes.mirror import mirror
from flakesync.git.remotes.remote import Address
from flakesync.nix.lock.file import LockFile
from flakesync.sync.events import Note
from flakesync.sync.lockers import Request
from flakesync.sync.lockers.auto import LockerChoice
from flakesync.sync.lockers.native.locker import NativeLocker
from flakesync.sync.lockers.native.values import NotNativeError
from tests.support.kept import Kept
from tests.support.landing import Landing
from tests.support.memory_forge import Way
from tests.support.nix import RealNix
from tests.support.nixspace import UPDATE_BRANCH, Space, Take

pytestmark = pytest.mark.usefixtures("use_nix")


def four(root: Path) -> Space:
    """Return `lib`, `tool` and `app` above it, and `top` above both."""
    space = Space(root)
    space.add("lib")
    space.add("tool", {"nixpkgs": Take(), "lib": Take()})
    space.add("app", {"nixpkgs": Take(), "lib": Take()})
    space.add("top", {"tool": Take(), "app": Take()})
    return space


@pytest.fixture
def landing(kept: Kept, any_nix: RealNix) -> Landing:
    """Return a workspace that has been synced and published."""
    return kept.again("four-published", published)


def published(root: Path) -> Landing:
    found = Landing(four(root), defaults={"checks": ["test -f flake.nix"]})
    assert set(found.sync().statuses.values()) == {"updated"}
    assert {outcome.status for outcome in found.publish().repos} == {"opened"}
    return found


ALL_LANDED = {"lib": "landed", "app": "landed", "tool": "landed", "top": "landed"}


@pytest.mark.parametrize(
    ("way", "locker"),
    [
        ("merge", "auto"),
        ("squash", "auto"),
        ("squash", "nix"),
        ("rebase", "auto"),
        pytest.param("rebase-merge", "auto", marks=pytest.mark.slow),
        ("fast-forward", "auto"),
    ],
)
def test_a_set_lands_in_one_run_whatever_way_the_forge_merges(
    landing: Landing, any_nix: RealNix, way: Way, locker: LockerChoice
) -> None:
    landing.forge.way = way
    landed = landing.land(locker=locker)
    assert landed.statuses == ALL_LANDED, landed.errors
    assert landed.document.locker == (f"nix {any_nix.full_version}" if locker == "nix" else "native")
    landing.assert_done()
    # The lock of app has changed, and so has its narHash: what top was tested with is not what it gets.
    assert landed.checks == {"lib": "as-published", "app": "carried-over", "tool": "carried-over", "top": "ran"}
    assert landed["lib"].merged == landing.tip("lib")
    assert landing.base_locked("app", "lib")["rev"] == landing.tip("lib")
    assert landing.base_locked("top", "app/lib")["rev"] == landing.tip("lib")
    assert sorted(landed.document.deleted) == ["app", "lib", "tool", "top"]
    assert landing.land().document.repos == []


@pytest.mark.slow_but_newest
def test_landing_makes_the_commits_that_it_makes_with_nix(tmp_path: Path, nix: RealNix) -> None:
    landing = Landing(four(tmp_path))
    landing.sync()
    landing.publish()
    landing.forge.press("lib", "squash")
    published = {name: landing.update(name) for name in ("app", "tool")}
    made = []
    lockers: tuple[LockerChoice, ...] = ("nix", "native")
    for locker in lockers:
        assert landing.land(merge=False, locker=locker).statuses["app"] == "repinned"
        made.append({name: landing.update(name) for name in published})
        for name, tip in published.items():
            landing.forge.storage(name).git("update-ref", f"refs/heads/{UPDATE_BRANCH}", str(tip))
    assert made[0] == made[1]
    assert made[0].keys() == published.keys()
    assert not {*made[0].values()} & {*published.values()}


def test_landing_needs_no_nix_and_fetches_nothing_that_was_published(
    landing: Landing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = shutil.which("git")
    assert git is not None
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").symlink_to(git)
    (tmp_path / "bin/test").symlink_to("/usr/bin/test")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    landing.space.path("nixpkgs").rename(tmp_path / "gone")
    landing.forge.press("lib", "squash")
    landed = landing.land()
    assert landed.statuses == {"app": "landed", "tool": "landed", "top": "landed"}, landed.errors
    (tmp_path / "gone").rename(landing.space.path("nixpkgs"))
    landing.assert_done()


def test_what_native_cannot_do_exactly_nix_does_and_it_is_told(
    landing: Landing, any_nix: RealNix, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: NativeLocker, request: Request) -> LockFile:
        raise NotNativeError("it is a hard one")

    monkeypatch.setattr(NativeLocker, "lock", refuse)
    landing.forge.press("lib", "squash")
    told: list[str] = []
    landed = landing.land("app", listener=lambda event: told.append(event.text) if isinstance(event, Note) else None)
    assert landed.statuses == {"app": "landed"}, landed.errors
    assert landed.document.locker == f"native, nix {any_nix.full_version}"
    assert told == ["app: Nix writes its lock: it is a hard one"]


def test_a_person_merges_the_upstream_in_between(landing: Landing) -> None:
    landing.forge.press("lib", "squash")
    landed = landing.land()
    assert landed.statuses == {"app": "landed", "tool": "landed", "top": "landed"}, landed.errors
    landing.assert_done()


@pytest.mark.parametrize(
    ("way", "delete"),
    [
        ("merge", True),
        ("squash", False),
        pytest.param("merge", False, marks=pytest.mark.slow),
        pytest.param("squash", True, marks=pytest.mark.slow),
        pytest.param("fast-forward", False, marks=pytest.mark.slow),
        pytest.param("fast-forward", True, marks=pytest.mark.slow),
    ],
)
def test_dependents_that_a_person_merged_first_are_locked_anew(landing: Landing, way: Way, delete: bool) -> None:
    landing.forge.delete = delete
    landing.forge.press("top", way)
    landing.forge.press("app", way)
    landed = landing.land()
    assert landed.statuses == ALL_LANDED, landed.errors
    assert len(landing.forge.pulls["app"]) == len(landing.forge.pulls["top"]) == 2
    landing.assert_done()


def test_a_set_that_people_merged_upside_down_is_mended_without_an_update_branch(landing: Landing) -> None:
    landing.forge.delete = True
    for name in ("top", "app", "tool", "lib"):
        landing.forge.press(name, "squash")
    assert landing.drift() != []
    landed = landing.land()
    assert landed.statuses == {"app": "landed", "tool": "landed", "top": "landed"}, landed.errors
    landing.assert_done()


def test_somebody_s_commit_on_a_base_in_between_lands_too(landing: Landing) -> None:
    landing.space.commit("lib", {"news": "of lib"}, message="News")
    landing.forge.on_merge = lambda project, _: once(landing, project.path)
    landed = landing.land()
    assert landed.statuses == ALL_LANDED, landed.errors
    assert set(landed.checks.values()) == {"ran"}
    landing.assert_done()


def once(landing: Landing, name: str) -> None:
    """Commit to the base of `app` when `lib` is merged."""
    if name == "lib":
        landing.space.commit("app", {"news": "of app"}, message="News")


def test_a_branch_with_somebody_s_commit_fails_and_what_takes_it_is_skipped(landing: Landing) -> None:
    tip = landing.space.commit("app", {"mine": "x"}, branch="flakesync/update", message="Mine")
    landed = landing.land()
    assert landed.statuses == {"lib": "landed", "tool": "landed", "app": "failed", "top": "skipped"}
    assert landed.errors == {"app": "branch-taken", "top": "upstream-failed"}
    assert landing.update("app") == tip
    # Its update still locks a commit of lib's, so that has to stay for now.
    assert landing.update("lib") is not None


def test_running_checks_are_waited_for(landing: Landing) -> None:
    landing.forge.checks = {"app": "pending"}
    landed = landing.land()
    assert landed.statuses == {"lib": "landed", "tool": "landed", "app": "waiting", "top": "waiting"}
    assert (landed["app"].detail, landed["top"].waits_for) == ("its checks on the forge are running", ["app"])

    def passes() -> None:
        landing.forge.checks = {"app": "passed"}

    assert landing.land(wait=passes).statuses == {"app": "landed", "top": "landed"}
    landing.assert_done()


def test_waiting_ends_at_its_time(landing: Landing) -> None:
    landing.forge.checks = {"lib": "pending"}
    assert set(landing.land(wait=lambda: None).statuses.values()) == {"waiting"}


def test_failed_checks_on_the_forge_fail_the_repo(landing: Landing) -> None:
    landing.forge.checks = {"app": "failed"}
    landed = landing.land()
    assert landed.errors == {"app": "pull-checks-failed", "top": "upstream-failed"}
    assert landed.statuses["tool"] == "landed"


def test_a_wish_for_changes_is_waited_for(landing: Landing) -> None:
    landing.forge.reviews = {"lib": "changes-requested"}
    landed = landing.land()
    assert set(landed.statuses.values()) == {"waiting"}
    assert landed["lib"].detail == "a review asks for changes"


def test_checks_that_the_forge_has_not_begun_are_not_taken_for_none(landing: Landing) -> None:
    app = landing.update("app")
    assert app is not None
    landing.forge.checks = {app: "passed"}
    landing.space.commit("app", {"news": "x"}, message="News")
    landed = landing.land()
    assert landed.statuses["app"] == "waiting"
    assert landed["app"].detail == "its checks on the forge have not begun yet"


def test_a_pull_request_that_a_person_closed_stays_closed(landing: Landing) -> None:
    (pull,) = landing.forge.pulls["app"]
    landing.forge.close(Project("forge.test", "app"), pull)
    landed = landing.land()
    assert landed.statuses == {"lib": "landed", "tool": "landed", "app": "skipped", "top": "skipped"}
    assert landed.errors == {"app": "pull-closed", "top": "upstream-failed"}
    assert len(landing.forge.pulls["app"]) == 1


def test_a_head_that_moved_is_looked_at_again(landing: Landing) -> None:
    moves = iter(["mine", "yours"])

    def push(project: Project, _: object) -> None:
        if project.path == "lib" and (name := next(moves, None)) is not None:
            landing.space.commit("lib", {name: "x"}, message=name)  # the base moves
            raise ForgeError("head-moved", "it moved")

    landing.forge.on_merge = push
    assert landing.land().statuses == ALL_LANDED
    landing.assert_done()


def test_a_protected_branch_fails_with_the_words_of_the_forge(landing: Landing) -> None:
    def protect(project: Project, _: object) -> None:
        if project.path == "tool":
            raise ForgeError("forge-protected", "tool: main is protected")

    landing.forge.on_merge = protect
    landed = landing.land()
    assert landed.errors == {"tool": "forge-protected", "top": "upstream-failed"}
    assert landed.statuses["app"] == "landed"


def test_without_merging_branches_are_made_anew_for_people_to_merge(landing: Landing) -> None:
    first = landing.land(merge=False)
    assert first.statuses == {"lib": "waiting", "app": "waiting", "tool": "waiting", "top": "waiting"}
    landing.forge.press("lib", "squash")
    second = landing.land(merge=False)
    assert second.statuses == {"app": "repinned", "tool": "repinned", "top": "waiting"}
    assert landing.space.locked("app", "lib")["rev"] == landing.tip("lib")
    landing.forge.press("app", "squash")
    landing.forge.press("tool", "squash")
    assert landing.land(merge=False).statuses == {"top": "repinned"}
    landing.forge.press("top", "squash")
    assert landing.land(merge=False).document.repos == []
    landing.assert_done()


def test_a_repo_that_was_not_chosen_is_waited_for(landing: Landing) -> None:
    landed = landing.land("app", "top")
    assert landed.statuses == {"app": "waiting", "top": "waiting"}
    assert landed["app"].waits_for == ["lib"]


def test_a_revert_on_the_base_is_not_undone(landing: Landing) -> None:
    before = landing.space.tip("lib")
    landing.forge.press("lib", "squash")
    lock = landing.forge.storage("lib").git("show", f"{before}:flake.lock") + "\n"
    landing.space.commit("lib", {"flake.lock": lock}, message="Revert")
    assert landing.land("lib").statuses == {"lib": "landed"}
    assert landing.base_locked("lib", "nixpkgs")["rev"] == landing.space.first_nixpkgs


def test_an_input_that_somebody_moved_on_is_not_moved_back(landing: Landing) -> None:
    newest = landing.space.commit("nixpkgs", {"three": "3"})
    landing.space.lock("lib", {".": {"nixpkgs": Take(at=newest)}})
    landed = landing.land("lib")
    assert landed.statuses == {"lib": "landed"}
    assert landing.base_locked("lib", "nixpkgs")["rev"] == newest
    assert [pull.state for pull in landing.forge.pulls["lib"]] == ["closed"]


def test_plain_servers_are_landed_on_by_a_push_where_that_is_wished(tmp_path: Path, any_nix: RealNix) -> None:
    space = four(tmp_path)
    landing = Landing(space, plain=space.names)
    landing.sync()
    landing.publish()
    landed = landing.land()
    assert set(landed.statuses.values()) == {"waiting"}
    assert landed["lib"].detail == "somebody has to merge flakesync/update into main"
    with landing.file.open("a") as manifest:
        manifest.write('\n[publish]\nmerge-method = "fast-forward"\n')
    assert landing.land().statuses == ALL_LANDED
    landing.assert_done()


def test_a_failed_check_of_the_new_commit_fails_the_repo(tmp_path: Path, any_nix: RealNix) -> None:
    landing = Landing(four(tmp_path), tables={"app": {"checks": ["test ! -e broken"]}})
    landing.sync()
    landing.publish()
    before = landing.update("app")
    landing.space.commit("app", {"broken": "yes"}, message="Break")
    landed = landing.land()
    assert landed.errors == {"app": "check-failed", "top": "upstream-failed"}
    assert landed["app"].results[0].exit_status == 1
    assert landing.update("app") == before


def test_a_draft_waits_for_the_person_who_marks_it_as_ready(landing: Landing) -> None:
    landing.forge.drafts = {"lib"}
    landed = landing.land("lib")
    assert (landed["lib"].status, landed["lib"].detail) == ("waiting", "it is a draft")


def test_an_upstream_that_was_not_chosen_may_be_merged_meanwhile(landing: Landing) -> None:
    presses = iter(["lib"])

    def press() -> None:
        for name in presses:
            landing.forge.press(name, "squash")

    assert landing.land("app", wait=press).statuses == {"app": "landed"}


def test_repos_that_take_each_other_land_in_their_order_and_that_is_all(tmp_path: Path, any_nix: RealNix) -> None:
    space = Space(tmp_path)
    space.add("one").add("two", {"nixpkgs": Take(), "one": Take()})
    space.lock("one", {".": {"nixpkgs": Take(), "two": Take()}})
    landing = Landing(space)
    landing.sync()
    landing.publish()
    landing.forge.way = "squash"
    assert landing.land().statuses == {"one": "landed", "two": "landed"}
    # The first of a cycle took the base commit of the second; what the second has since are locks, which count as none.
    assert [found[:2] for found in landing.drift() if found[0] != "duplicate"] == []
    assert landing.land().document.repos == []


def test_a_repo_without_an_address_is_not_landed_and_stops_what_takes_it(tmp_path: Path, any_nix: RealNix) -> None:
    space = Space(tmp_path)
    space.add("lib").add("app", {"nixpkgs": Take(), "lib": Take()})
    landing = Landing(space)
    landing.sync()
    landing.publish()
    text = landing.file.read_text().replace(f'url = "git+{space.url("lib")}"', 'path = "./lib"')
    landing.file.write_text(text)
    landed = landing.land()
    assert landed.errors == {"lib": "no-url", "app": "upstream-failed"}


def test_a_plain_folder_that_locks_an_update_commit_fails_alone(landing: Landing) -> None:
    folder = landing.space.root / "loose"
    folder.mkdir()
    for file in ("flake.nix", "flake.lock"):
        (folder / file).write_text(landing.forge.storage("app").git("show", f"{UPDATE_BRANCH}:{file}"))
    with landing.file.open("a") as manifest:
        manifest.write('\n[repos.loose]\npath = "./loose"\n')
    landed = landing.land()
    assert landed.statuses == {**ALL_LANDED, "loose": "failed"}
    assert landed.errors == {"loose": "not-a-repository"}


def test_a_repo_that_cannot_be_read_at_first_does_not_land_before_what_it_takes(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [0]

    def read(url: Address, cache: Path, *, offline: bool) -> Path:
        asked[0] += "/tool" in str(url)
        if "/tool" in str(url) and asked[0] == 1:
            raise GitError("disk-full", "there is no room left")
        return mirror(url, cache, offline=offline)

    with monkeypatch.context() as patch:
        patch.setattr("flakesync.land.server_state.mirror", read)
        landed = landing.land()
    assert landed.statuses == {"lib": "landed", "app": "landed", "tool": "failed", "top": "skipped"}
    assert landed.errors["tool"] == "disk-full"
    assert set(landing.land().statuses.values()) == {"landed"}
    landing.assert_done()
