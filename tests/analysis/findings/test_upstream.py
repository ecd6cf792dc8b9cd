"""Where the locked commit of a repo of the workspace stands: behind, not landed, unknown."""

import msgspec
import pytest

from flakesync.analysis.drift import find_drift
from flakesync.documents.drift import DriftReport
from flakesync.terms import Rev
from tests.support import locks
from tests.support.drift import A, B, C, X, drift_of, kinds, lib_at, one
from tests.support.locks import Input, Inputs
from tests.support.workspaces import UPDATE_BRANCH, commit_id, everything, repo, scene, takes


def test_an_input_behind_its_upstream_is_counted_in_commits() -> None:
    finding = one(lib_at(A, {"main": [A, B, C]}))
    assert (finding.kind, finding.repo, finding.input) == ("upstream", "app", "lib")
    assert (finding.locked_rev, finding.wanted_rev) == (A, C)
    assert finding.detail == "2 commits behind lib (main)"
    assert one(lib_at(B, {"main": [A, B, C]})).detail == "1 commit behind lib (main)"


def test_an_input_is_compared_with_the_branch_that_it_tracks() -> None:
    branches = {"main": [A, B], "stable": [A, C]}
    assert lib_at(C, branches, ref="stable").findings == []
    finding = one(lib_at(A, branches, ref="refs/heads/stable"))
    assert (finding.wanted_rev, finding.detail) == (C, "1 commit behind lib (stable)")


def test_a_source_is_compared_too() -> None:
    assert one(lib_at(A, {"main": [A, B]}, flake=False)).kind == "upstream"


@pytest.mark.parametrize("original", [{"rev": A}, {"ref": "refs/tags/v1"}])
def test_what_flake_nix_fixes_is_not_behind(original: dict[str, str]) -> None:
    fixed = Input(takes("lib", rev=A).locked, {**takes("lib").original, **original})
    assert drift_of(scene({"app": {"lib": fixed}, "lib": {}}, branches={"lib": {"main": [A, B]}})).findings == []


def test_a_follows_is_reported_where_its_node_is() -> None:
    flakes: dict[str, Inputs] = {"app": {"a": takes("lib", rev=A), "b": ("a",)}, "lib": {}}
    assert kinds(drift_of(scene(flakes, branches={"lib": {"main": [A, B]}}))) == [("upstream", "app", "a")]


def test_a_plain_folder_has_no_history_to_be_behind() -> None:
    assert lib_at(A, {}).findings == []


def test_an_alias_is_neither_foreign_nor_unknown() -> None:
    moved = Input(locks.github("old-owner", "lib", rev=A).locked, takes("lib").original)
    repos = {"lib": repo("lib", aliases=["github:old-owner/lib"])}
    found = scene({"app": {"lib": moved}, "lib": {}}, repos=repos, branches={"lib": {"main": [A, B]}})
    assert one(drift_of(found)).kind == "upstream"


def test_a_commit_that_the_upstream_does_not_have_is_unknown() -> None:
    finding = one(lib_at(X, {"main": [A, B]}))
    assert (finding.kind, finding.locked_rev, finding.wanted_rev) == ("unknown-rev", X, B)
    assert finding.detail == "lib does not have this commit"


def test_a_commit_of_another_branch_is_not_in_the_history() -> None:
    finding = one(lib_at(X, {"main": [A, B], "feature": [A, X]}))
    assert (finding.kind, finding.wanted_rev) == ("unknown-rev", B)
    assert finding.detail == "not in the history of lib (main), but on another branch"


def test_a_branch_that_is_gone_is_said() -> None:
    finding = one(lib_at(A, {"main": [A]}, ref="gone"))
    detail = "lib has no branch gone any more: name another one in flake.nix, main say"
    assert (finding.kind, finding.wanted_rev, finding.detail) == ("unknown-rev", None, detail)


def test_a_commit_of_the_update_branch_alone_is_unlanded() -> None:
    finding = one(lib_at(X, {"main": [A, B], UPDATE_BRANCH: [A, X]}))
    assert (finding.kind, finding.locked_rev, finding.wanted_rev) == ("unlanded", X, B)
    assert finding.detail == "only on lib's update branch, not yet on main"


def test_an_update_commit_that_has_landed_as_another_one_is_unlanded() -> None:
    found = scene({"app": {"lib": takes("lib", rev=X)}, "lib": {}}, branches={"lib": {"main": [A, B]}}).survey()
    history = {asked: msgspec.structs.replace(answer, position="landed") for asked, answer in found.history.items()}
    found = msgspec.structs.replace(found, history=history)
    finding = one(find_drift(found, everything(found)))
    assert (finding.kind, finding.locked_rev, finding.wanted_rev) == ("unlanded", X, B)
    assert finding.detail == "an update commit of lib, which has landed as another one"


def at_update(rev: Rev) -> DriftReport:
    branches = {"lib": {"main": [A], UPDATE_BRANCH: [A, B]}}
    return drift_of(scene({"app": {"lib": takes("lib", rev=rev)}, "lib": {}}, branches=branches, at="update"))


def test_at_update_the_update_branch_is_what_is_wanted() -> None:
    assert at_update(B).findings == []
    finding = one(at_update(A))
    assert (finding.kind, finding.wanted_rev, finding.detail) == (
        "upstream",
        B,
        "1 commit behind lib (its update branch)",
    )


def test_at_update_an_input_of_another_branch_is_compared_with_that_branch() -> None:
    branches = {"lib": {"main": [A], UPDATE_BRANCH: [A, B], "stable": [A, C]}}
    flakes: dict[str, Inputs] = {"app": {"lib": takes("lib", rev=A, ref="stable")}, "lib": {}}
    finding = one(drift_of(scene(flakes, branches=branches, at="update")))
    assert (finding.wanted_rev, finding.detail) == (C, "1 commit behind lib (stable)")


def test_at_update_an_edge_that_opens_a_cycle_may_take_the_base_commit() -> None:
    flakes: dict[str, Inputs] = {"a": {"b": takes("b")}, "b": {"a": takes("a", rev=A)}}
    branches = {"a": {"main": [commit_id("a"), A]}, "b": {"main": [commit_id("b")]}}
    assert drift_of(scene(flakes, branches=branches)).findings == []
    updated = {**branches, "b": {"main": [commit_id("b")], UPDATE_BRANCH: [commit_id("b"), B]}}
    found = scene(flakes, branches=updated, at="update")
    survey = found.survey()
    assert [edge.input for edge in survey.graph.edges if survey.graph.is_back_edge(edge)] == [("b",)]
    # read_snapshot knows the base commit of an updated repo; here it is the tip of main.
    assert drift_of(found).findings == []
