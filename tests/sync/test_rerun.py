"""Running it again: nothing changes, not even commit ids; when something moved, the update branch is built anew."""

from pathlib import Path

import pytest

from tests.support.nixspace import UPDATE, UPDATE_BRANCH, Space, Take, drift_of, run_sync
from tests.support.repos import run_git

pytestmark = pytest.mark.usefixtures("use_nix")


@pytest.fixture
def space(tmp_path: Path) -> Space:
    space = Space(tmp_path / "space")
    return space.add("lib").add("tool", {"nixpkgs": Take(), "lib": Take()}).add("other").add("app", {"tool": Take()})


def refs(space: Space) -> dict[str, str | None]:
    return {name: space.ref(name) for name in space.names}


def test_a_second_run_moves_no_ref_and_makes_no_object(any_nix: object, space: Space) -> None:
    manifest = space.manifest(defaults={"checks": ["true"]})
    run_sync(manifest)
    before = refs(space)
    objects = {name: run_git("count-objects", "-v", cwd=space.path(name)) for name in space.names}
    logs = {name: run_git("reflog", UPDATE_BRANCH, cwd=space.path(name)) for name in space.names}
    again = run_sync(manifest, jobs=1)
    assert set(again.statuses.values()) == {"unchanged"}
    assert refs(space) == before
    assert objects == {name: run_git("count-objects", "-v", cwd=space.path(name)) for name in space.names}
    assert logs == {name: run_git("reflog", UPDATE_BRANCH, cwd=space.path(name)) for name in space.names}
    assert all(not outcome.checks for outcome in again.document.repos), "checked again although nothing is new"


def test_a_run_from_nothing_makes_the_same_commits(any_nix: object, space: Space) -> None:
    manifest = space.manifest()
    run_sync(manifest, jobs=2)
    before = refs(space)
    for name in space.names:
        run_git("update-ref", "-d", UPDATE, cwd=space.path(name))
        run_git("reflog", "expire", "--expire=now", "--all", cwd=space.path(name))
        run_git("gc", "--quiet", "--prune=now", cwd=space.path(name))
    run_sync(manifest, jobs=1)
    assert refs(space) == before


def test_the_order_of_repos_in_the_manifest_changes_nothing(any_nix: object, space: Space) -> None:
    run_sync(space.manifest())
    before = refs(space)
    for name in space.names:
        run_git("update-ref", "-d", UPDATE, cwd=space.path(name))
    space.names.reverse()
    assert run_sync(space.manifest(), jobs=1).errors == {}
    assert refs(space) == {name: before[name] for name in space.names}


def test_one_repo_after_the_other_ends_where_one_run_does(any_nix: object, space: Space) -> None:
    manifest = space.manifest()
    run_sync(manifest, dry_run=True)
    for name in space.names:
        run_sync(manifest, only=[name])
    trees = {name: tree(space, name) for name in ("lib", "other")}
    run_sync(manifest)
    assert {name: tree(space, name) for name in trees} == trees
    assert drift_of(manifest) == []


def tree(space: Space, name: str) -> str:
    return run_git("rev-parse", f"{UPDATE_BRANCH}^{{tree}}", cwd=space.path(name))


def test_a_moved_base_rebuilds_the_branch_on_it_and_those_that_take_it(any_nix: object, space: Space) -> None:
    manifest = space.manifest()
    run_sync(manifest)
    before = refs(space)
    base = space.commit("lib", {"README": "new"})
    ran = run_sync(manifest)
    assert ran.statuses == {"lib": "updated", "tool": "updated", "app": "updated", "other": "unchanged"}
    assert run_git("rev-parse", f"{UPDATE_BRANCH}^", cwd=space.path("lib")) == base
    assert run_git("rev-list", "--count", f"main..{UPDATE_BRANCH}", cwd=space.path("lib")) == "1"
    assert run_git("show", f"{UPDATE_BRANCH}:README", cwd=space.path("lib")) == "new"
    assert space.ref("other") == before["other"]
    assert space.locked("tool", "lib")["rev"] == space.ref("lib")
    assert drift_of(manifest) == []


def test_a_moved_base_without_dependents_moves_nothing_else(any_nix: object, space: Space) -> None:
    manifest = space.manifest()
    run_sync(manifest)
    before = refs(space)
    space.commit("app", {"README": "new"})
    ran = run_sync(manifest)
    assert ran.statuses == {"lib": "unchanged", "tool": "unchanged", "other": "unchanged", "app": "updated"}
    assert {name: space.ref(name) for name in ("lib", "tool", "other")} == {
        name: before[name] for name in ("lib", "tool", "other")
    }


def test_a_moved_target_rebuilds_all(any_nix: object, space: Space) -> None:
    manifest = space.manifest()
    run_sync(manifest)
    space.commit("nixpkgs", {"README": "three"})
    ran = run_sync(manifest)
    assert set(ran.statuses.values()) == {"updated"}
    for name in space.names:
        assert run_git("rev-list", "--count", f"main..{UPDATE_BRANCH}", cwd=space.path(name)) == "1"
    assert space.locked("app", "tool/lib/nixpkgs")["rev"] == space.tip("nixpkgs")
    assert drift_of(manifest) == []


def test_a_changed_manifest_rebuilds_what_it_concerns(any_nix: object, space: Space) -> None:
    run_sync(space.manifest())
    before = refs(space)
    ran = run_sync(space.manifest(tables={"tool": {"hold": ["nixpkgs"]}}))
    assert ran.statuses == {"lib": "unchanged", "tool": "updated", "app": "updated", "other": "unchanged"}
    assert space.locked("tool", "nixpkgs")["rev"] == space.first_nixpkgs
    assert space.ref("lib") == before["lib"]


def test_an_update_branch_that_is_no_longer_needed_goes(any_nix: object, space: Space) -> None:
    run_sync(space.manifest())
    ran = run_sync(space.manifest(tables={"other": {"hold": ["*"]}}))
    assert ran["other"].status == "unchanged"
    assert ran["other"].branch is None
    assert space.ref("other") is None
    assert space.ref("lib") is not None
    assert any("other: nothing to update any more" in str(event) for event in ran.events)


def test_a_user_on_an_update_branch_that_is_no_longer_needed_keeps_it(any_nix: object, space: Space) -> None:
    run_sync(space.manifest())
    run_git("switch", "--quiet", UPDATE_BRANCH, cwd=space.path("other"))
    ran = run_sync(space.manifest(tables={"other": {"hold": ["*"]}}))
    assert ran["other"].status == "unchanged"
    assert space.ref("other") is not None
    assert any("other: its update branch stays" in str(event) for event in ran.events)


def test_after_landing_by_fast_forward_there_is_nothing_left_to_do(any_nix: object, space: Space) -> None:
    manifest = space.manifest()
    run_sync(manifest)
    for name in space.names:
        run_git("merge", "--quiet", "--ff-only", UPDATE_BRANCH, cwd=space.path(name))
    assert drift_of(manifest, at="base") == []
    ran = run_sync(manifest)
    assert set(ran.statuses.values()) == {"unchanged"}
    assert set(refs(space).values()) == {None}


def test_after_landing_one_repo_only_its_dependents_are_still_open(any_nix: object, space: Space) -> None:
    manifest = space.manifest()
    run_sync(manifest)
    before = refs(space)
    run_git("merge", "--quiet", "--ff-only", UPDATE_BRANCH, cwd=space.path("lib"))
    ran = run_sync(manifest)
    assert ran.errors == {}
    assert ran["lib"].status == "unchanged"
    assert space.ref("lib") is None
    assert space.locked("tool", "lib")["rev"] == space.tip("lib") == before["lib"]
    assert space.locked("tool", "lib")["ref"] == "main", "names an update branch that is gone"
    assert set(run_sync(manifest).statuses.values()) == {"unchanged"}
    assert drift_of(manifest) == []


def test_the_branch_has_a_reflog_entry_for_each_run(any_nix: object, space: Space) -> None:
    manifest = space.manifest()
    first = run_sync(manifest)
    space.commit("nixpkgs", {"README": "three"})
    second = run_sync(manifest)
    run_git("config", "core.logAllRefUpdates", "true", cwd=space.path("lib"))
    log = run_git("reflog", "--format=%gs", UPDATE_BRANCH, cwd=space.path("lib")).splitlines()
    assert log == [f"flakesync: run {second.document.run}", f"flakesync: run {first.document.run}"]
    assert first.document.run != second.document.run
