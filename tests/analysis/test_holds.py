"""Holds with an end: the plan leaves their inputs, drift shows what it finds there and does not count it."""

import itertools
from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest

from flakesync.analysis.drift import find_drift
from flakesync.analysis.left import find_left
from flakesync.analysis.plan import make_plan
from flakesync.analysis.why import why
from flakesync.documents.drift import DriftReport
from flakesync.land.server_state import movable_edges
from flakesync.survey.holds import idle_ends
from flakesync.survey.pins import Target
from flakesync.survey.survey import Survey
from flakesync.terms import FlakeDir, RepoName
from flakesync.workspace.settings.holds import Hold
from tests.support import locks
from tests.support.locks import Input, Inputs
from tests.support.workspaces import DAY_S, NOW, commit_id, nixpkgs, pin, repo, scene, takes

OLD, NEW = commit_id("nixpkgs", 1), commit_id("nixpkgs", 2)
A, B = commit_id("lib", 0), commit_id("lib", 1)
PIN = pin("nixpkgs", "github:NixOS/nixpkgs/nixos-25.11")
APP = RepoName("app")
ALL = frozenset({APP, RepoName("lib")})
WHY = "held until 2099-01-31: waits for tool"


def hold(path: str, flake: str | None = None, reason: str = "waits for tool", until: str = "2099-01-31") -> Hold:
    dir = FlakeDir(flake) if flake is not None else None
    return Hold(repo=APP, flake=dir, input=path, reason=reason, until=date.fromisoformat(until))


def survey(*holds: Hold, inputs: Inputs | None = None, age_s: int | None = None) -> Survey:
    """Return `app`, whose nixpkgs and lib are behind, with these holds."""
    own = inputs if inputs is not None else {"nixpkgs": nixpkgs(OLD), "lib": takes("lib", rev=A)}
    app = msgspec.structs.replace(repo("app"), holds=holds)
    governing = msgspec.structs.replace(PIN, max_age_s=age_s)
    found = scene({"app": own, "lib": {}}, repos={"app": app}, pins=[governing], branches={"lib": {"main": [A, B]}})
    return found.survey({"nixpkgs": Target(NEW)})


def found(report: DriftReport) -> dict[tuple[str, str | None], str | None]:
    return {(each.kind, each.input): each.held for each in report.findings}


def test_the_plan_leaves_what_is_held_and_says_until_when_and_why() -> None:
    plan = make_plan(survey(hold("nixpkgs")), ALL)
    assert [(each.input, each.reason) for each in plan.held] == [(("nixpkgs",), WHY)]
    assert [change.input for _, changes in plan.changes() for change in changes] == [("lib",)]
    (reason,) = why(survey(hold("nixpkgs")), plan, APP, ("nixpkgs",))
    assert (reason.fate, reason.reason) == ("held", WHY)


def test_drift_shows_what_is_held_beside_the_finding_and_does_not_count_it() -> None:
    report = find_drift(survey(hold("nixpkgs")), ALL)
    assert found(report) == {("pin", "nixpkgs"): WHY, ("upstream", "lib"): None}
    assert [each.input for each in report.counted] == ["lib"]
    assert find_drift(survey(hold("*")), ALL).counted == []


def test_what_is_held_for_ever_counts_as_ever() -> None:
    app = repo("app", hold=("nixpkgs",))
    held = scene({"app": {"nixpkgs": nixpkgs(OLD)}}, repos={"app": app}, pins=[PIN]).survey({"nixpkgs": Target(NEW)})
    assert found(find_drift(held, frozenset({APP}))) == {("pin", "nixpkgs"): None}


def test_an_old_commit_that_is_held_is_not_counted_as_too_old() -> None:
    own: Inputs = {"nixpkgs": nixpkgs(OLD, last_modified=NOW - 90 * DAY_S)}
    report = find_drift(survey(hold("nixpkgs"), inputs=own, age_s=30 * DAY_S), ALL)
    assert found(report) == {("pin", "nixpkgs"): WHY, ("age", "nixpkgs"): WHY}


def test_a_poisoned_lock_is_one_held_or_not() -> None:
    poisoned = Input({**nixpkgs(OLD).locked, "owner": "mallory"}, nixpkgs(OLD).original)
    report = find_drift(survey(hold("*"), inputs={"nixpkgs": poisoned}), ALL)
    assert "foreign" in {each.kind for each in report.counted}


def test_what_follows_a_held_input_is_held_with_it() -> None:
    pins = locks.github("o", "pins", inputs={"nixpkgs": nixpkgs(OLD)})
    own: Inputs = {"pins": pins, "nixpkgs": ("pins", "nixpkgs")}
    assert found(find_drift(survey(hold("pins"), inputs=own), ALL)) == {("pin", "nixpkgs"): WHY}
    assert found(find_drift(survey(hold("other"), inputs=own), ALL)) == {("pin", "nixpkgs"): None}


@pytest.mark.parametrize(("flake", "held"), [(".", True), ("dev", False), (None, True)])
def test_a_hold_of_one_flake_is_none_of_another(flake: str | None, held: bool) -> None:
    plan = make_plan(survey(hold("nixpkgs", flake)), ALL)
    assert bool(plan.held) is held


def test_sync_lists_what_is_held_and_does_not_fail_for_it() -> None:
    state = survey(hold("*"))
    left = find_left(state, make_plan(state, ALL), ALL)
    assert [(each.kind, each.input, each.fails) for each in left] == [
        ("upstream", "lib", False),
        ("pin", "nixpkgs", False),
    ]
    assert all(each.reason.endswith(f"; {WHY}") for each in left)


def test_neither_the_reason_nor_the_day_of_a_hold_names_the_run() -> None:
    runs = [
        make_plan(survey(hold("nixpkgs", reason=reason, until=until)), ALL).run
        for reason, until in itertools.product(("one", "other"), ("2099-01-31", "2099-02-01"))
    ]
    assert len({*runs}) == 1
    assert make_plan(survey(), ALL).run not in runs


def notes(*holds: Hold, today: date) -> list[str]:
    snapshot = survey(*(each for each in holds if each.until >= today)).snapshot
    workspace = msgspec.structs.replace(snapshot.workspace, holds=holds)
    repos = tuple(snapshot.states[each.name].repo for each in workspace.repos)
    return list(idle_ends(msgspec.structs.replace(snapshot, workspace=msgspec.structs.replace(workspace, repos=repos))))


def test_what_is_over_is_told_once_with_the_command_that_removes_it() -> None:
    today = datetime.now(UTC).date()
    before = (today - timedelta(days=1)).isoformat()
    over = [hold(path, until=before) for path in ("nixpkgs", "lib", "a", "b", "c", "d")]
    (one,) = notes(hold("nixpkgs"), over[1], today=today)
    assert one.partition("; ")[0] == f"a hold is over and holds nothing: lib of app ({before})"
    assert one.partition("; ")[2] == "`flakesync hold --prune` takes what is over out of the manifest"
    (text,) = notes(*over, today=today)
    assert text.startswith("6 holds are over and hold nothing: nixpkgs of app")
    assert " and 1 more; " in text


def test_a_hold_that_matches_no_input_is_told_of() -> None:
    assert notes(hold("nixpkg"), today=date(2000, 1, 1)) == [
        "hold[0]: `nixpkg` matches no input of app, did you mean `nixpkgs`?"
    ]


def test_landing_moves_no_input_that_is_held() -> None:
    inputs = {path: takes("lib", rev=A) for path in ("lib", "other")}
    edges = movable_edges(survey(hold("lib"), inputs=inputs).graph)[APP]
    assert [edge.input for edge in edges] == [("other",)]
