"""Where pins are, whose findings are reported and in which order; the findings themselves are in findings/."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flakesync.analysis.drift import find_drift
from flakesync.errors import FlakesyncError
from flakesync.survey.pins import Target
from flakesync.terms import FlakeDir, RepoName, Rev
from tests.support import locks
from tests.support.drift import NEW, NEXT, NIXPKGS, OLD, X, drift_of, kinds, pinned
from tests.support.locks import Input, Inputs
from tests.support.workspaces import NOW, nixpkgs, pin, repo, scene, takes


def test_a_workspace_in_step_has_no_findings() -> None:
    report = pinned({"app": {"lib": takes("lib"), "nixpkgs": nixpkgs(NEW)}, "lib": {"nixpkgs": nixpkgs(NEW)}})
    assert report.findings == []
    assert [(found.rev, found.repos) for found in report.pins[0].locked] == [(NEW, ["app", "lib"])]


def test_a_pin_shows_who_locks_what_newest_first() -> None:
    report = pinned(
        {
            "a": {"nixpkgs": nixpkgs(OLD, last_modified=100)},
            "b": {"nixpkgs": nixpkgs(NEW, last_modified=200)},
            "c": {"nixpkgs": nixpkgs(OLD, last_modified=100)},
            "d": {},
        }
    )
    (shown,) = report.pins
    assert (shown.name, shown.source, shown.target_rev, shown.target_last_modified) == ("nixpkgs", NIXPKGS, NEW, 200)
    assert [(found.rev, found.last_modified, found.repos) for found in shown.locked] == [
        (NEW, 200, ["b"]),
        (OLD, 100, ["a", "c"]),
    ]


def test_a_pin_names_the_flakes_of_a_repo_that_are_not_all_at_one_commit() -> None:
    at_old, at_new = {"nixpkgs": nixpkgs(OLD)}, {"nixpkgs": nixpkgs(NEW)}
    flakes = {"a": {".": at_new, "dev": at_old, "ci": at_old}, "b": {".": at_old, "dev": at_old}}
    repos = {name: repo(name, flakes=tuple(map(FlakeDir, each))) for name, each in flakes.items()}
    found = scene(flakes, pins=[pin("nixpkgs", NIXPKGS)], repos=repos)
    (shown,) = drift_of(found, {"nixpkgs": Target(NEW)}).pins
    assert {each.rev: (each.repos, each.flakes) for each in shown.locked} == {
        NEW: (["a"], {"a": ["."]}),
        OLD: (["a", "b"], {"a": ["ci", "dev"]}),
    }


@pytest.mark.parametrize(("target", "wanted"), [("newest-locked", OLD), ("repo:lib", OLD), (NEW, NEW), ("latest", OLD)])
def test_every_kind_of_target_without_a_server(target: str, wanted: Rev) -> None:
    flakes: dict[str, Inputs] = {
        "app": {"x": locks.github("other", "x", inputs={"nixpkgs": nixpkgs(NEXT, last_modified=300)})},
        "lib": {"nixpkgs": nixpkgs(OLD, last_modified=200)},
        "tool": {"nixpkgs": nixpkgs(NEW, last_modified=100)},
    }
    report = drift_of(scene(flakes, pins=[pin("nixpkgs", NIXPKGS, target)]))
    assert report.pins[0].target_rev == wanted
    assert {found.wanted_rev for found in report.findings if found.kind == "pin"} <= {wanted}
    off = {found.repo for found in report.findings if found.kind == "pin"}
    assert off == {"lib": {OLD}, "tool": {NEW}}.keys() - {
        "lib" if wanted == OLD else "",
        "tool" if wanted == NEW else "",
    }


def test_an_offline_target_says_that_it_is_one() -> None:
    report = drift_of(scene({"app": {"nixpkgs": nixpkgs(OLD)}}, pins=[pin("nixpkgs", NIXPKGS)]))
    assert report.pins[0].target_note == "newest in any lock (offline)"
    assert report.findings == []


def test_a_pin_that_nobody_locks_has_no_target_offline() -> None:
    report = drift_of(scene({"app": {}}, pins=[pin("nixpkgs", NIXPKGS)]))
    assert (report.pins[0].target_rev, report.pins[0].locked, report.findings) == (None, [], [])


def test_a_target_in_a_repo_that_has_no_such_input_is_an_error() -> None:
    found = scene({"app": {"nixpkgs": nixpkgs(OLD)}, "lib": {}}, pins=[pin("nixpkgs", NIXPKGS, "repo:lib")])
    with pytest.raises(FlakesyncError) as caught:
        found.survey()
    assert caught.value.code == "pin-target"


def test_the_newest_lock_is_not_one_from_a_foreign_repository() -> None:
    evil = Input(locks.github("evil", "nixpkgs", rev=X, last_modified=NOW).locked, nixpkgs(NEW).original)
    found = scene({"a": {"nixpkgs": evil}, "b": {"nixpkgs": nixpkgs(OLD)}}, pins=[pin("n", NIXPKGS, "newest-locked")])
    assert drift_of(found).pins[0].target_rev == OLD


def test_findings_are_of_the_selected_repos_and_pins_of_all() -> None:
    found = scene({"app": {"nixpkgs": nixpkgs(OLD)}, "lib": {"nixpkgs": nixpkgs(OLD)}}, pins=[pin("nixpkgs", NIXPKGS)])
    report = find_drift(found.survey({"nixpkgs": Target(NEW)}), frozenset({RepoName("lib")}))
    assert kinds(report) == [("pin", "lib", "nixpkgs")]
    assert report.pins[0].locked[0].repos == ["app", "lib"]


@given(st.integers(0, 10_000), st.permutations(["r0", "r1", "r2", "r3"]))
@settings(max_examples=40)
def test_the_order_of_repos_in_the_manifest_changes_nothing(seed: int, order: list[str]) -> None:
    pins = [pin("n", "github:NixOS/nixpkgs", "newest-locked", inputs=("*",))]
    flakes = {name: {".": locks.random_lock(seed + int(name[1]), nodes=12)} for name in sorted(order)}
    shuffled = {name: flakes[name] for name in order}
    assert drift_of(scene(flakes, pins=pins)) == drift_of(scene(shuffled, pins=pins))
