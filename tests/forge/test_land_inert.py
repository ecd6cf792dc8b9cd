"""Landing where updates do not reach each other: nobody waits, nothing is made anew, a failure stays alone."""

import random
from pathlib import Path

import pytest

from tests.support.landing import Landing
from tests.support.memory_forge import Way
from tests.support.nixspace import Space, Take, flake_nix, run_sync
from tests.support.workspaces import UPDATE_BRANCH

SHARED = Take(follows={"nixpkgs": "nixpkgs"})
FAILS = ["sh -c 'exit 1'"]
PASSES = ["true"]


def followed(root: Path, way: Way = "squash") -> Landing:
    """Return lib ← app ← tool, which all share one nixpkgs; tool takes lib too. way: how pull requests are merged."""
    space = Space(root).add("lib").add("app", {"nixpkgs": Take(), "lib": SHARED})
    space.add("tool", {"nixpkgs": Take(), "app": Take(follows={"nixpkgs": "nixpkgs", "lib": "lib"}), "lib": SHARED})
    landing = Landing(space)
    landing.forge.way = way
    return landing


def bump(landing: Landing) -> None:
    landing.space.commit("nixpkgs", {"flake.nix": flake_nix("", note="more")}, message="More")


def first_night(landing: Landing) -> None:
    run_sync(landing.file, locker="native")
    landing.publish()
    assert set(landing.land(locker="native").statuses.values()) == {"landed"}


@pytest.mark.parametrize(("seed", "way"), [(0, "squash"), (1, "merge"), (2, "rebase")])
def test_updates_that_do_not_reach_each_other_land_in_any_order_as_published(
    tmp_path: Path, seed: int, way: Way
) -> None:
    landing = followed(tmp_path, way)
    first_night(landing)
    bump(landing)
    assert [len(wave) for wave in run_sync(landing.file, locker="native").plan.waves] == [3]
    landing.publish()
    published = {name: landing.update(name) for name in landing.space.names}
    names = list(landing.space.names)
    random.Random(seed).shuffle(names)
    for name in names:
        landed = landing.land(name, locker="native")
        assert landed.statuses == {name: "landed"}
        assert landed[name].commit == published[name], "made anew"
    landing.land(locker="native")
    landing.assert_done()


def test_beside_a_real_commit_the_base_is_taken_and_lands_as_published_after_and_before_it(tmp_path: Path) -> None:
    for number, order in enumerate([("lib", "app", "tool"), ("tool", "app", "lib")]):
        landing = followed(tmp_path / str(number))
        first_night(landing)
        bump(landing)
        real = landing.space.commit("lib", {"new.nix": "1"})
        run_sync(landing.file, locker="native")
        landing.publish()
        assert landing.space.locked("app", "lib")["rev"] == real
        for name in order:
            published = landing.update(name)
            landed = landing.land(name, locker="native")
            assert (landed[name].status, landed[name].commit) == ("landed", published), (order, name)
        landing.land(locker="native")
        landing.assert_done()


def test_an_upstream_that_fails_its_checks_leaves_its_real_commit_to_the_others(tmp_path: Path) -> None:
    landing = followed(tmp_path)
    first_night(landing)
    bump(landing)
    real = landing.space.commit("lib", {"new.nix": "1"})
    landing.file = landing.space.manifest(mirrored=landing.space.names, tables={"lib": {"checks": FAILS}})
    ran = run_sync(landing.file, locker="native")
    assert ran.statuses == {"lib": "failed", "app": "updated", "tool": "updated"}
    assert (ran["app"].failed_upstreams, ran["tool"].failed_upstreams) == (["lib"], ["lib"])
    landing.publish()
    assert landing.space.locked("app", "lib")["rev"] == real


def test_a_dependent_goes_on_by_its_own_checks_and_without_any_is_skipped(tmp_path: Path) -> None:
    landing = followed(tmp_path)
    first_night(landing)
    bump(landing)
    tables = {"lib": {"checks": FAILS}, "app": {"checks": PASSES}}
    landing.file = landing.space.manifest(mirrored=landing.space.names, tables=tables)
    ran = run_sync(landing.file, locker="native")
    assert ran.statuses == {"lib": "failed", "app": "updated", "tool": "skipped"}
    assert ran["app"].failed_upstreams == ["lib"]


def test_where_nobody_has_checks_an_upstream_that_fails_was_no_test_and_all_others_go_on(tmp_path: Path) -> None:
    landing = followed(tmp_path)
    first_night(landing)
    bump(landing)
    landing.space.commit("lib", {"x": "of a person"}, branch=UPDATE_BRANCH)
    ran = run_sync(landing.file, locker="native")
    assert ran.statuses == {"lib": "failed", "app": "updated", "tool": "updated"}
    assert (ran["app"].failed_upstreams, ran["tool"].failed_upstreams) == (["lib"], ["lib"])


def test_an_upstream_that_does_not_land_leaves_the_others_alone(tmp_path: Path) -> None:
    landing = followed(tmp_path)
    first_night(landing)
    bump(landing)
    run_sync(landing.file, locker="native")
    landing.publish()
    landing.forge.checks = {"lib": "failed", "app": "passed", "tool": "passed"}
    landed = landing.land(locker="native")
    assert landed.statuses == {"lib": "failed", "app": "landed", "tool": "landed"}
    assert (landed["app"].failed_upstreams, landed["tool"].failed_upstreams) == (["lib"], ["lib"])


def test_a_repo_that_nothing_tests_does_not_land_where_an_upstream_of_it_fails(tmp_path: Path) -> None:
    landing = followed(tmp_path)
    first_night(landing)
    bump(landing)
    tables = {"app": {"checks": PASSES}}
    landing.file = landing.space.manifest(mirrored=landing.space.names, tables=tables)
    run_sync(landing.file, locker="native")
    landing.publish()
    landing.forge.checks = {"lib": "failed"}
    landed = landing.land(locker="native")
    assert landed.statuses == {"lib": "failed", "app": "landed", "tool": "skipped"}
    error = landed["tool"].error
    assert error is not None
    assert error.because == "lib"
    landing.forge.checks = {"lib": "passed"}
    assert set(landing.land(locker="native").statuses.values()) == {"landed"}
    landing.assert_done()


def test_on_a_plain_server_too_it_does_not_land(tmp_path: Path) -> None:
    landing = followed(tmp_path)
    landing = Landing(landing.space, plain=["tool"])
    with landing.file.open("a") as manifest:
        manifest.write('\n[publish]\nmerge-method = "fast-forward"\n')
    landing.forge.way = "fast-forward"
    first_night(landing)
    bump(landing)
    run_sync(landing.file, locker="native")
    landing.publish()
    landing.forge.checks = {"lib": "failed", "app": "passed"}
    assert landing.land(locker="native").statuses == {"lib": "failed", "app": "landed", "tool": "skipped"}


def test_a_squashed_update_commit_in_a_lock_is_moved_though_the_trees_are_equal(tmp_path: Path) -> None:
    landing = followed(tmp_path)
    first_night(landing)
    bump(landing)
    run_sync(landing.file, locker="native")
    landing.publish()
    update = landing.update("lib")
    assert update is not None
    landing.land("lib", locker="native")
    # A person takes lib at its update commit, which no branch has any more.
    landing.space.lock("app", {".": {"nixpkgs": Take(), "lib": Take(at=update, follows={"nixpkgs": "nixpkgs"})}})
    run_sync(landing.file, locker="native")
    landing.publish()
    landing.land(locker="native")
    assert landing.base_locked("app", "lib")["rev"] == landing.space.tip("lib")
