"""Landing believes no forge, no base that it read earlier and no lock: it reads again what has become of them."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from flakesync.cache.layout import cache_dir
from flakesync.errors import FlakesyncError
from flakesync.forge.model import MergeMethod, Project, Pull
from flakesync.publish.body import depends_on_in, pulls_in
from flakesync.sync.engine import only_run
from flakesync.sync.events import Event, Step
from flakesync.terms import Rev
from flakesync.workspace.manifest import load_workspace
from tests.support import repos
from tests.support.kept import Kept
from tests.support.landing import Landing
from tests.support.memory_forge import HOST
from tests.support.nixspace import UPDATE_BRANCH, Space, Take

BOTH = {"lib": "landed", "app": "landed"}


def published(root: Path) -> Landing:
    space = Space(root)
    space.add("lib").add("app", {"nixpkgs": Take(), "lib": Take()}).add("alone")
    found = Landing(space, defaults={"checks": ["test -f flake.nix"]})
    assert set(found.sync().statuses.values()) == {"updated"}
    found.publish()
    return found


@pytest.fixture
def landing(kept: Kept) -> Landing:
    """`lib`, `app` that takes it, and `alone`: synced and published; without Nix."""
    return kept.again("trust", published)


def at_step(name: str, step: str, act: Callable[[], None], times: int = 1) -> Callable[[Event[object]], None]:
    """Return a listener that acts when a repo comes to a step, so many times."""
    left = [times]

    def listen(event: Event[object]) -> None:
        if isinstance(event, Step) and (event.repo, event.step) == (name, step) and left[0]:
            left[0] -= 1
            act()

    return listen


def gone(landing: Landing, name: str) -> None:
    landing.space.path(name).rename(landing.space.root / f"{name}-is-down")


# ---- servers that answer nobody --------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", [None, "main"])
def test_a_server_that_cannot_be_reached_is_no_set_that_has_landed(landing: Landing, base: str | None) -> None:
    if base is not None:
        text = landing.file.read_text()
        landing.file.write_text(text.replace("[repos.lib]\n", f'[repos.lib]\nbase = "{base}"\n'))
    gone(landing, "lib")
    before = landing.tip("app")
    landed = landing.land()
    assert landed.statuses == {"lib": "failed", "app": "skipped", "alone": "landed"}
    assert landed.errors == {"lib": "unreachable", "app": "upstream-failed"}
    assert landing.tip("app") == before


def test_a_server_that_is_down_is_not_asked_for_pull_requests_nor_is_its_branch_deleted(landing: Landing) -> None:
    gone(landing, "lib")
    landed = landing.land()
    assert landed.document.deleted == ["alone"]
    assert [call for call in landing.forge.calls if call == ("merge", "lib")] == []


# ---- the base moves --------------------------------------------------------------------------------------------------


def test_a_base_that_moves_while_the_checks_run_gets_an_update_that_was_tested_on_it(landing: Landing) -> None:
    landing.space.commit("app", {"news": "one"}, message="One")  # so that the checks run again
    moved: list[Rev] = []

    def move() -> None:
        moved.append(landing.space.commit("app", {"news": "two"}, message="Two"))

    landed = landing.land(listener=at_step("app", "checking", move))
    assert landed.statuses == {**BOTH, "alone": "landed"}, landed.errors
    assert landing.forge.storage("app").git("rev-parse", f"{landed['app'].commit}^") == moved[0]


def test_a_base_that_never_stays_where_it_is_fails_in_the_end(landing: Landing) -> None:
    landing.space.commit("app", {"news": "0"}, message="News")
    count = iter(range(1, 100))

    def move() -> None:
        landing.space.commit("app", {"news": str(next(count))}, message="More news")

    landed = landing.land(listener=at_step("app", "checking", move, times=100))
    assert landed.errors == {"app": "ref-moved"}


def test_a_lock_that_changes_on_the_base_before_it_is_published_is_taken_in(landing: Landing) -> None:
    landing.space.commit("app", {"news": "one"}, message="One")
    newest = landing.space.commit("nixpkgs", {"three": "3"})

    def lock() -> None:
        landing.space.lock("app", {".": {"nixpkgs": Take(at=newest), "lib": Take()}})

    landed = landing.land(listener=at_step("app", "publishing", lock))
    assert landed.statuses == {**BOTH, "alone": "landed"}, landed.errors
    assert landing.base_locked("app", "nixpkgs")["rev"] == newest


# ---- what the forge says ---------------------------------------------------------------------------------------------


def test_a_merge_that_the_forge_tells_of_and_the_base_lacks_is_no_landing(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = landing.forge.merge

    def merge(project: Project, pull: Pull, *, head: Rev, method: MergeMethod) -> Pull:
        if project.path != "lib":
            return real(project, pull, head=head, method=method)
        return landing.forge.put(project, replace(pull, state="merged", merged_rev=head))

    monkeypatch.setattr(landing.forge, "merge", merge)
    landed = landing.land()
    assert landed.errors == {"lib": "not-landed", "app": "upstream-failed"}
    assert "was merged, but main does not have its locks" in (landed["lib"].error or FlakesyncError("", "")).message


@pytest.mark.parametrize("something_else_first", [False, True])
def test_a_merge_that_comes_late_is_waited_for(
    landing: Landing, monkeypatch: pytest.MonkeyPatch, something_else_first: bool
) -> None:
    real = landing.forge.merge
    late: list[Callable[[], object]] = []

    def merge(project: Project, pull: Pull, *, head: Rev, method: MergeMethod) -> Pull:
        if project.path != "lib":
            return real(project, pull, head=head, method=method)
        if something_else_first:
            late.append(lambda: landing.space.commit("lib", {"news": "x"}, message="News"))
        late.append(lambda: real(project, pull, head=head, method=method))
        return replace(pull, state="merged", merged_rev=None)

    def pause() -> None:
        if late:
            late.pop(0)()

    monkeypatch.setattr(landing.forge, "merge", merge)
    landed = landing.land("lib", wait=pause)
    assert landed.statuses == {"lib": "landed"}, landed.errors
    assert landed["lib"].merged == landing.tip("lib")
    assert landing.base_locked("lib", "nixpkgs")["rev"] == landing.space.tip("nixpkgs")


@pytest.mark.parametrize("looks", [2, 1000])
def test_a_pushed_commit_that_the_forge_sees_late_is_waited_for(
    landing: Landing, monkeypatch: pytest.MonkeyPatch, looks: int
) -> None:
    landing.space.commit("lib", {"news": "x"}, message="News")
    old = landing.update("lib")
    assert old is not None
    left = [looks]

    def lagging(pull: Pull) -> Pull:
        left[0] -= 1
        return replace(pull, head=old) if left[0] >= 0 else pull

    update, get = landing.forge.update, landing.forge.get
    monkeypatch.setattr(landing.forge, "update", lambda *all, **named: lagging(update(*all, **named)))
    monkeypatch.setattr(landing.forge, "get", lambda *all: lagging(get(*all)))
    landed = landing.land("lib")
    if looks == 2:
        assert landed.statuses == {"lib": "landed"}, landed.errors
        return
    assert (landed["lib"].status, landed["lib"].reason) == ("waiting", "computing")
    assert landed["lib"].detail == "the forge has not seen the pushed commit yet"
    assert ("merge", "lib") not in landing.forge.calls


def test_checks_are_asked_of_the_head_that_is_merged_and_not_of_the_one_before(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody has pushed, and the forge still shows the pull request at the commit before when it is asked first."""
    head = landing.update("lib")
    before = Rev(repos.run_git("rev-parse", f"{head}^", cwd=landing.space.path("lib")).strip())
    landing.forge.checks = {before: "passed", str(head): "failed"}
    find = landing.forge.find
    monkeypatch.setattr(
        landing.forge,
        "find",
        lambda project, **named: (
            replace(found, head=before)
            if (found := find(project, **named)) is not None and project.path == "lib"
            else found
        ),
    )
    landed = landing.land("lib")
    assert landed.errors == {"lib": "pull-checks-failed"}
    assert ("merge", "lib") not in landing.forge.calls


def test_a_pull_request_that_is_closed_while_it_is_brought_up_to_date_is_not_merged(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing.space.commit("lib", {"news": "x"}, message="News")
    update = landing.forge.update

    def close(project: Project, pull: Pull, *, title: str, body: str) -> Pull:
        update(project, pull, title=title, body=body)
        return landing.forge.close(project, pull)

    monkeypatch.setattr(landing.forge, "update", close)
    landed = landing.land("lib")
    assert (landed.statuses, landed.errors) == ({"lib": "skipped"}, {"lib": "pull-closed"})
    assert len(landing.forge.pulls["lib"]) == 1


def test_a_pull_request_whose_closing_is_not_shown_yet_is_a_head_that_moved(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing.space.commit("lib", {"news": "x"}, message="News")
    update = landing.forge.update
    monkeypatch.setattr(landing.forge, "update", lambda *all, **named: replace(update(*all, **named), state="closed"))
    before = landing.tip("lib")
    landed = landing.land("lib")
    # The first look has moved the branch; the next one finds the pull request as it should be.
    assert landed.statuses == {"lib": "landed"}, landed.errors
    assert landing.tip("lib") != before


def test_an_update_that_is_made_again_as_a_person_has_closed_it_stays_closed(landing: Landing) -> None:
    landing.forge.delete = True
    landing.forge.press("app", "squash")
    landing.forge.press("lib", "squash")
    assert landing.land("app", merge=False).statuses == {"app": "repinned"}
    mend = landing.forge.pulls["app"][-1]
    landing.forge.close(Project(HOST, "app"), mend)
    landing.forge.storage("app").git("update-ref", "-d", f"refs/heads/{UPDATE_BRANCH}")
    landed = landing.land("app")
    assert (landed.statuses, landed.errors) == ({"app": "skipped"}, {"app": "pull-closed"})
    assert len(landing.forge.pulls["app"]) == 2


# ---- what is said of a landing ---------------------------------------------------------------------------------------


@pytest.fixture
def one_by_one(landing: Landing) -> Landing:
    """The same, landed one after the other: `alone`, `lib`, `app`."""
    landing.file.write_text(landing.file.read_text().replace('name = "acme"\n', 'name = "acme"\njobs = 1\n'))
    return landing


def test_what_a_person_merges_just_before_its_turn_is_reported_as_it_was_merged(one_by_one: Landing) -> None:
    landing = one_by_one
    merged: list[Pull] = []

    def press(project: Project, _: object) -> None:
        if project.path == "alone":
            merged.append(landing.forge.press("lib", "squash"))
            landing.space.commit("lib", {"news": "x"}, message="News")

    landing.forge.on_merge = press
    landed = landing.land("lib", "alone")
    assert landed.statuses == {"lib": "landed", "alone": "landed"}
    assert (landed["lib"].merged, landed["lib"].pull) == (merged[0].merged_rev, merged[0].url)
    assert landed["lib"].merged != landing.tip("lib")


def test_a_closed_pull_request_did_not_bring_what_the_base_has(one_by_one: Landing) -> None:
    landing = one_by_one
    update = landing.update("lib")

    def push_by_hand(project: Project, _: object) -> None:
        if project.path == "alone":
            (pull,) = landing.forge.pulls["lib"]
            # GitHub names a commit there too: that of a trial.
            landing.forge.put(Project(HOST, "lib"), replace(pull, state="closed", merged_rev=Rev("a" * 40)))
            landing.forge.storage("lib").git("update-ref", "refs/heads/main", str(update))

    landing.forge.on_merge = push_by_hand
    landed = landing.land("lib", "alone")
    assert (landed["lib"].status, landed["lib"].merged) == ("landed", update)


def test_a_lock_of_a_base_that_has_gone_on_is_not_linked_to_the_pull_request_before(landing: Landing) -> None:
    lib = landing.forge.press("lib", "squash")
    landing.land("app", merge=False)
    body = landing.forge.pulls["app"][0].body
    assert (pulls_in(body), depends_on_in(body)) == ({"lib": lib.url}, [lib.url])
    landing.space.commit("lib", {"news": "x"}, message="News")
    landing.land("app", merge=False)
    body = landing.forge.pulls["app"][0].body
    assert (pulls_in(body), depends_on_in(body)) == ({}, [])
    assert landing.space.locked("app", "lib")["rev"] == landing.tip("lib")


def test_the_branches_of_repos_that_were_not_chosen_stay_when_they_have_landed(landing: Landing) -> None:
    landing.forge.press("lib", "squash")
    landing.forge.press("alone", "squash")
    landed = landing.land("app")
    assert (landed.statuses, landed.document.deleted) == ({"app": "landed"}, ["app"])
    assert landing.update("lib") is not None
    assert landing.update("alone") is not None


# ---- other runs ------------------------------------------------------------------------------------------------------


def test_another_run_between_two_rounds_is_waited_for(landing: Landing) -> None:
    workspace = load_workspace(landing.file)
    other = contextlib.ExitStack()
    pauses = iter(["held", "still held", "free"])

    def pause() -> None:
        match next(pauses, None):
            case "held":
                other.enter_context(only_run(workspace.file, cache_dir()))
            case "free":
                other.close()
                landing.forge.checks = {}

    landing.forge.checks = {"lib": "pending"}
    landed = landing.land("lib", wait=pause)
    assert landed.statuses == {"lib": "landed"}
    assert next(pauses, None) is None


def test_another_run_at_the_beginning_is_an_error(landing: Landing) -> None:
    with (
        only_run(load_workspace(landing.file).file, cache_dir()),
        pytest.raises(FlakesyncError, match="another run holds") as caught,
    ):
        landing.land(wait=lambda: None)
    assert caught.value.code == "busy"


def test_what_else_goes_wrong_between_two_rounds_ends_the_run(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise FlakesyncError("disk-full", "there is no room")

    landing.forge.checks = {"lib": "pending"}
    with pytest.raises(FlakesyncError, match="there is no room"):
        landing.land("lib", wait=lambda: monkeypatch.setattr("flakesync.land.land.only_run", refuse))
