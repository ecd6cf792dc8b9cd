"""A base whose lock is as planned already, as somebody was quicker: there is no update, not an empty one."""

from pathlib import Path

import pytest

from flakesync.git.repository import Repository
from flakesync.sync.events import Note
from flakesync.terms import Rev
from flakesync.update.commit import write_update
from tests.support.landing import Landing
from tests.support.nixspace import UPDATE, UPDATE_BRANCH, Space, Take, read, run_sync
from tests.support.repos import run_git

pytestmark = pytest.mark.usefixtures("use_nix")


@pytest.fixture
def space(tmp_path: Path) -> Space:
    """lib, tool that takes it, app that takes tool; somebody has merged the update of tool before that of lib."""
    space = Space(tmp_path / "space").add("lib").add("tool", {"lib": Take()}).add("app", {"tool": Take()})
    run_sync(space.manifest())
    merge(space, "tool")
    return space


def merge(space: Space, name: str) -> Rev:
    lock = read(space.path(name), space.tip(name, UPDATE_BRANCH), "flake.lock").decode()
    return space.commit(name, {"flake.lock": lock}, message="Merge")


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("propagate", ["content", "always"])
def test_a_base_that_names_the_update_commit_gets_no_update(space: Space, propagate: str, dry_run: bool) -> None:
    base, before = space.tip("tool"), space.ref("tool")
    manifest = space.manifest({"propagate": propagate})
    ran = run_sync(manifest, dry_run=dry_run)
    assert ran.errors == {}
    assert (ran["tool"].status, ran["tool"].branch, ran["tool"].commit, ran["tool"].changes) == (
        ("unchanged", None, None, [])
    )
    assert space.tip("tool") == base
    assert space.ref("tool") == (before if dry_run else None), "its old update branch goes, if anything is written"
    if not dry_run:
        refs = {name: space.ref(name) for name in space.names}
        assert set(run_sync(manifest).statuses.values()) == {"unchanged"}
        assert {name: space.ref(name) for name in space.names} == refs


@pytest.mark.parametrize("locker", ["native", "nix"])
def test_its_dependents_take_the_base_commit_on_the_base_branch(space: Space, locker: str) -> None:
    ran = run_sync(space.manifest({"propagate": "always"}), locker=locker)  # type: ignore[arg-type]
    assert ran["app"].status == "updated"
    taken = space.locked("app", "tool")
    assert (taken["rev"], taken["ref"]) == (space.tip("tool"), "main")
    assert space.locked("app", "tool/lib")["rev"] == space.ref("lib")


def test_an_empty_update_commit_of_an_older_version_goes(space: Space) -> None:
    text = "flake.lock: Update\n\nFlake lock file updates:\n\n\n\nFlakesync-Run: 0123456789ab\n"
    with Repository.open(space.path("tool")) as repository:
        empty = write_update(repository, space.tip("tool"), {}, text, None, [])
        repository.update_ref(UPDATE, empty, old=space.ref("tool"), message="test")
    ran = run_sync(space.manifest({"propagate": "always"}))
    assert ran.errors == {}
    assert (ran["tool"].status, space.ref("tool")) == ("unchanged", None)
    assert any(isinstance(event, Note) and "tool: its base has the planned locks" in event.text for event in ran.events)


def test_it_comes_to_rest_once_its_upstream_has_landed(tmp_path: Path) -> None:
    space = Space(tmp_path / "space").add("lib").add("tool", {"lib": Take()}).add("app", {"tool": Take()})
    landing = Landing(space, settings={"propagate": "always"})
    landing.sync()
    landing.publish("lib")
    early = read(space.path("tool"), space.tip("tool"), "flake.lock")
    run_sync(space.manifest({"propagate": "always"}))
    merge(space, "tool")
    assert read(space.path("tool"), space.tip("tool"), "flake.lock") != early
    run_git("update-ref", "-d", UPDATE, cwd=space.path("tool"))
    run_git("update-ref", "-d", UPDATE, cwd=space.path("app"))
    landing = Landing(space, settings={"propagate": "always"})
    assert landing.sync()["tool"].branch is None
    landing.publish()
    assert landing.update("tool") is None
    landing.land()
    for _ in range(2):
        landing.sync()
        landing.publish()
        landing.land()
    landing.assert_done()
