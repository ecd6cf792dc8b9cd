"""Which inputs a plan moves: those that follow others, those of the repo's own folders, those whose branch is gone."""

from collections.abc import Mapping

import pytest

from flakesync.analysis.moves import Plan, ToRev
from flakesync.analysis.plan import make_plan
from flakesync.survey.pins import Target
from flakesync.terms import Rev
from tests.support import locks
from tests.support.drift import NEW, NIXPKGS, OLD, A, B, drift_of
from tests.support.locks import Inputs
from tests.support.workspaces import Scene, everything, nixpkgs, pin, repo, scene, takes

PIN = pin("nixpkgs", NIXPKGS)
SERVER = {"nixpkgs": Target(NEW)}


def plan_of(found: Scene) -> Plan:
    return make_plan(found.survey(SERVER), everything(found))


def moves(plan: Plan) -> dict[str, str]:
    """Return `repo#input` → the commit it goes to, or `update of` the repo."""
    return {
        f"{name}#{'/'.join(change.input)}": change.to.rev
        if isinstance(change.to, ToRev)
        else f"update of {change.to.upstream}"
        for name, changes in plan.changes()
        for change in changes
    }


def held(plan: Plan) -> Mapping[str, str]:
    return {f"{each.repo}#{'/'.join(each.input)}": each.reason for each in plan.held}


def test_a_pinned_input_that_follows_moves_with_what_it_follows() -> None:
    pins = takes("pins", inputs={"nixpkgs": nixpkgs(OLD)})
    app: Inputs = {"nixpkgs": ("pins", "nixpkgs"), "pins": pins}
    plan = plan_of(scene({"app": app, "pins": {"nixpkgs": nixpkgs(OLD)}}, pins=[PIN]))
    assert moves(plan) == {"pins#nixpkgs": NEW, "app#pins": "update of pins"}
    assert held(plan) == {}


def test_a_pinned_input_whose_way_does_not_move_is_held() -> None:
    pins = locks.github("other", "pins", inputs={"nixpkgs": nixpkgs(OLD)})
    app: Inputs = {"nixpkgs": ("pins", "nixpkgs"), "pins": pins}
    plan = plan_of(scene({"app": app}, pins=[PIN]))
    assert moves(plan) == {}
    assert held(plan) == {"app#nixpkgs": "through pins/nixpkgs: moves when pins moves"}


@pytest.mark.parametrize("old", [False, True])
def test_the_inputs_of_the_repos_own_folders_move_like_root_inputs(old: bool) -> None:
    deep = locks.folder("./deep", {"src": takes("lib", rev=A, flake=False)}, parent=("sub",), old=old)
    sub = locks.folder("./sub", {"deep": deep, "lib": takes("lib", rev=A), "nixpkgs": nixpkgs(OLD)}, old=old)
    found = scene({"app": {"sub": sub}, "lib": {}}, pins=[PIN], branches={"lib": {"main": [A, B]}})
    assert moves(plan_of(found)) == {"app#sub/deep/src": B, "app#sub/lib": B, "app#sub/nixpkgs": NEW}
    kinds = [(each.kind, each.input) for each in drift_of(found, SERVER).findings]
    assert kinds == [("upstream", "sub/deep/src"), ("upstream", "sub/lib"), ("pin", "sub/nixpkgs")]


def test_an_input_of_a_folder_is_held_by_its_path() -> None:
    sub = locks.folder("./sub", {"lib": takes("lib", rev=A)})
    repos = {"app": repo("app", hold=("sub/*",))}
    plan = plan_of(scene({"app": {"sub": sub}, "lib": {}}, repos=repos, branches={"lib": {"main": [A, B]}}))
    assert held(plan) == {"app#sub/lib": "hold"}


def test_an_input_at_head_moves_to_the_default_branch() -> None:
    app: Inputs = {"lib": takes("lib", rev=A, ref="HEAD")}
    assert moves(plan_of(scene({"app": app, "lib": {}}, branches={"lib": {"main": [A, B]}}))) == {"app#lib": B}
    followed: Inputs = {"nixpkgs": nixpkgs(OLD, ref="HEAD")}
    plan = plan_of(scene({"app": followed}, pins=[pin("nixpkgs", "github:NixOS/nixpkgs")]))
    assert moves(plan) == {"app#nixpkgs": NEW}


@pytest.mark.parametrize("rev", [A, B])
def test_a_branch_that_is_gone_is_said_to_be_gone(rev: Rev) -> None:
    app: Inputs = {"lib": takes("lib", rev=rev, ref="refs/heads/feature")}
    found = scene({"app": app, "lib": {}}, branches={"lib": {"main": [A]}})
    said = "lib has no branch feature any more: name another one in flake.nix, main say"
    assert held(plan_of(found)) == {"app#lib": said}
    assert [each.detail for each in drift_of(found).findings] == [said]
