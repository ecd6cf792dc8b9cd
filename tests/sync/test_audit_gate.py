"""The gate: no update is written that adds a grave finding, and only the repo that it is in fails."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pytest

from flakesync.sync.lockers.auto import LockerChoice
from flakesync.terms import Rev
from tests.support.nix import RealNix
from tests.support.nixspace import UPDATE_BRANCH, Space, Take, Takes, commit_info, read, ref_in, run_sync
from tests.support.repos import commit, make_repo
from tests.sync.test_stale_locks import FLAKES, NP, Ground

IGNORE = {"rule": "foreign", "reason": "forked on purpose", "until": "2999-01-01"}
PATHS_ARE_FINE = {"severity": {"local-path": "off"}}


def swapped(space: Space, repo: str, name: str, other: str) -> str:
    """Return the lock of a repo's tip with an input locked to another repository, whose commit and hash are true."""
    lock = json.loads(read(space.path(repo), space.tip(repo), "flake.lock"))
    lock["nodes"][name]["locked"] |= {"url": space.url(other), **commit_info(space.path(other), space.tip(other))}
    return json.dumps(lock, indent=2) + "\n"


@pytest.fixture
def space(tmp_path: Path) -> Space:
    """`app` takes `lib`, which takes `dep`; by now `lib` is locked to `evil` in its place. `other` takes nixpkgs."""
    space = Space(tmp_path / "space")
    space.make("dep", {"flake.nix": '{ outputs = _: { who = "dep"; }; }'})
    space.make("evil", {"flake.nix": '{ outputs = _: { who = "evil"; }; }'})
    space.add("lib", {"dep": Take()}).add("app", {"nixpkgs": Take(), "lib": Take()}).add("other")
    space.add("top", {"app": Take()})
    space.commit("lib", {"flake.lock": swapped(space, "lib", "dep", "evil")})
    return space


def refs(space: Space) -> dict[str, Rev | None]:
    return {name: space.ref(name) for name in space.names}


@pytest.mark.parametrize("locker", ["nix", "native"])
def test_an_upstream_whose_lock_is_poisoned_fails_the_repo_that_would_take_it(
    nix: object, use_nix: object, space: Space, locker: LockerChoice
) -> None:
    ran = run_sync(space.manifest(audit=PATHS_ARE_FINE), locker=locker)
    assert ran.statuses == {"lib": "unchanged", "app": "failed", "other": "updated", "top": "skipped"}
    error = ran["app"].error
    assert error is not None
    assert error.code == "audit-gate"
    assert error.message.startswith("flake.lock: the new lock adds foreign: lib/dep: ")
    assert str(space.path("evil")) in error.message
    assert error.hint is not None
    assert "[[audit.ignore]]" in error.hint
    assert space.ref("app") is None


def test_a_dry_run_says_the_same(space: Space) -> None:
    ran = run_sync(space.manifest(audit=PATHS_ARE_FINE), locker="native", dry_run=True)
    assert ran.errors == {"app": "audit-gate", "top": "upstream-failed"}
    assert refs(space) == dict.fromkeys(space.names)


@pytest.mark.parametrize("audit", [{"gate": "never"}, {"severity": {"foreign": "low", "local-path": "off"}},
                                   {**PATHS_ARE_FINE, "ignore": [IGNORE]}])  # fmt: skip
def test_what_the_manifest_lets_pass_is_written(space: Space, audit: Mapping[str, object]) -> None:
    ran = run_sync(space.manifest(audit=audit), locker="native")
    assert ran.statuses == {"lib": "unchanged", "app": "updated", "other": "updated", "top": "updated"}, ran[
        "app"
    ].error
    assert space.locked("app", "lib/dep")["url"] == space.url("evil")


@pytest.mark.parametrize("stands", ["low", "medium", "high"])
def test_a_finding_below_the_gate_passes(space: Space, stands: Literal["low", "medium", "high"]) -> None:
    audit = {"gate": "medium", "severity": {"foreign": stands, "local-path": "off"}}
    ran = run_sync(space.manifest(audit=audit), locker="native", only=["app"])
    assert ran.statuses == {"app": "updated" if stands == "low" else "failed"}


def test_a_branch_that_is_there_is_judged_anew_when_the_gate_changes_and_stays_as_it_is(space: Space) -> None:
    run_sync(space.manifest(audit={"gate": "never"}), locker="native")
    before = refs(space)
    assert None not in {before["app"], before["top"]}
    ran = run_sync(space.manifest(audit=PATHS_ARE_FINE), locker="native")
    assert ran.errors == {"app": "audit-gate", "top": "upstream-failed"}
    assert refs(space) == before
    again = run_sync(space.manifest(audit={"gate": "never"}), locker="native")
    assert set(again.statuses.values()) == {"unchanged"}
    assert refs(space) == before


def test_what_the_base_has_already_is_not_added(tmp_path: Path) -> None:
    space = Space(tmp_path / "space")
    space.make("dep", {"flake.nix": "{ outputs = _: { }; }"})
    space.make("fork", {"flake.nix": "{ outputs = _: { }; }"})
    space.add("lib", {"nixpkgs": Take(), "dep": Take()})
    space.commit("lib", {"flake.lock": swapped(space, "lib", "dep", "fork")})
    assert run_sync(space.manifest(audit=PATHS_ARE_FINE), locker="native").statuses == {"lib": "updated"}
    assert space.locked("lib", "dep")["url"] == space.url("fork")
    # Nor is it when the input moves on in the same repository.
    space.commit("lib", {"flake.lock": read(space.path("lib"), space.tip("lib", UPDATE_BRANCH), "flake.lock").decode()})
    space.commit("fork", {"README": "two"})
    space.commit("lib", {"flake.lock": swapped(space, "lib", "dep", "fork")})
    space.commit("nixpkgs", {"README": "three"})
    assert run_sync(space.manifest(audit=PATHS_ARE_FINE), locker="native").statuses == {"lib": "updated"}


def renewed(space: Space, name: str, takes: Takes) -> None:
    """Have the flake.nix of a repo take other inputs than its lock has."""
    space.commit(name, {"flake.nix": space.flake_nix(takes)})


@pytest.mark.slow_between
@pytest.mark.parametrize("locker", ["nix", "native"])
def test_a_stale_lock_that_would_gain_what_is_grave_is_refused(
    nix: object, use_nix: object, space: Space, locker: LockerChoice
) -> None:
    renewed(space, "other", {"nixpkgs": Take(), "lib": Take()})
    ran = run_sync(space.manifest(audit=PATHS_ARE_FINE), locker=locker, only=["other"])
    assert ran.errors == {"other": "audit-gate"}
    assert ran["other"].error is not None
    assert ran["other"].error.message.startswith("flake.lock: the new lock adds foreign: lib/dep: ")
    assert space.ref("other") is None
    assert run_sync(space.manifest(audit={"gate": "never"}), locker=locker, only=["other"]).errors == {}


def test_what_a_stale_lock_has_already_is_not_added(space: Space) -> None:
    space.lock("other", {".": {"lib": Take()}})
    space.commit("other", {"flake.lock": swapped(space, "other", "dep", "evil")})
    renewed(space, "other", {"nixpkgs": Take(), "lib": Take()})
    ran = run_sync(space.manifest(audit=PATHS_ARE_FINE), locker="native", only=["other"])
    assert ran.statuses == {"other": "updated"}
    assert space.locked("other", "lib/dep")["url"] == space.url("evil")


def test_what_only_gets_another_name_is_not_added_and_a_second_one_is(space: Space) -> None:
    space.lock("other", {".": {"lib": Take()}})
    space.commit("other", {"flake.lock": swapped(space, "other", "dep", "evil")})
    renewed(space, "other", {"renamed": Take("lib")})
    ran = run_sync(space.manifest(audit=PATHS_ARE_FINE), locker="native", only=["other"])
    assert ran.statuses == {"other": "updated"}
    assert space.locked("other", "renamed/dep")["url"] == space.url("evil")
    renewed(space, "other", {"lib": Take(), "renamed": Take("lib")})
    ran = run_sync(space.manifest(audit=PATHS_ARE_FINE), locker="native", only=["other"])
    assert ran.errors == {"other": "audit-gate"}


def test_a_stale_lock_gains_what_its_flake_nix_overrides(nix: RealNix, use_nix: RealNix, tmp_path: Path) -> None:
    ground = Ground(tmp_path, {"app": FLAKES["nested-url"]})
    assert run_sync(ground.manifest).errors == {}
    assert ground.rev("app", "lib/np") == ref_in(tmp_path / "x", "refs/heads/main")


@pytest.fixture
def between(use_nix: RealNix, tmp_path: Path) -> Ground:
    """`app` is about to take `mid`, which takes lib and says that the np of lib is x."""
    at = f"git+file://{tmp_path}"
    mid = f'lib.url = "{at}/lib"; lib.inputs.np.url = "{at}/x?ref=main";'
    return Ground(tmp_path, {"mid": (mid, mid), "app": (NP, NP + f'mid.url = "{at}/mid";')})


@pytest.mark.slow_between
@pytest.mark.parametrize("locker", ["nix", "auto"])
@pytest.mark.parametrize("dry_run", [True, False])
def test_what_a_flake_in_between_overrides_is_not_refused(
    nix: RealNix, between: Ground, locker: LockerChoice, dry_run: bool
) -> None:
    ran = run_sync(between.manifest, locker=locker, dry_run=dry_run)
    assert (ran.errors, ran["app"].status) == ({}, "updated")
    if not dry_run:
        assert between.rev("app", "mid/lib/np") == ref_in(between.root / "x", "refs/heads/main")


def test_what_is_in_the_place_of_what_a_flake_in_between_overrides_is_refused(nix: RealNix, between: Ground) -> None:
    evil = between.root / "evil"
    rev = make_repo(evil, {"flake.nix": "{ outputs = _: { }; }"})
    lock = json.loads((between.root / "mid/flake.lock").read_text())
    lock["nodes"]["np"]["locked"] |= {"url": f"file://{evil}", **commit_info(evil, rev)}
    commit(between.root / "mid", {"flake.lock": json.dumps(lock, indent=2) + "\n"})
    ran = run_sync(between.manifest, only=["app"])
    if nix.version < (2, 20):  # it fetches what is overridden each time
        assert ran.errors == {}
        assert between.rev("app", "mid/lib/np") == ref_in(between.root / "x", "refs/heads/main")
        return
    assert ran.errors == {"app": "audit-gate"}
    assert ran["app"].error is not None
    assert f"foreign: mid/lib/np: {between.root}/x is locked to {evil}" in ran["app"].error.message
