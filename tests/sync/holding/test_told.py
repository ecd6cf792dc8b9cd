"""What sync holds is told of by plan, why, drift and sync; a pull request says it, and landing carries it along."""

from pathlib import Path

import pytest

from flakesync.analysis.documents.plan import plan_document
from flakesync.analysis.drift import find_drift
from flakesync.analysis.plan import make_plan
from flakesync.analysis.why import why
from flakesync.report.sync import render_sync
from flakesync.report.text import to_text
from flakesync.survey.read import read_survey
from flakesync.survey.survey import Survey
from flakesync.terms import RepoName
from flakesync.workspace.manifest import load_workspace, select
from flakesync.workspace.snapshot import At
from tests.support.landing import Landing
from tests.support.nixspace import run_sync
from tests.sync.bisect.bisecting import Bisecting
from tests.sync.holding.test_on_failure import locked, night


@pytest.fixture(autouse=True)
def _without_nix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAKESYNC_NIX", "no-nix-here")


def survey_of(made: Bisecting, at: At = "base") -> tuple[Survey, frozenset[RepoName]]:
    workspace = load_workspace(made.manifest)
    return read_survey(workspace, at=at), select(workspace, (), (), ())


@pytest.fixture
def holding(tmp_path: Path) -> Bisecting:
    made = Bisecting(tmp_path, 3, on_failure="bisect")
    made.break_with("r1")
    night(made)
    return made


def test_the_plan_has_it_among_what_is_held_and_names_the_same_run(holding: Bisecting) -> None:
    survey, selected = survey_of(holding)
    plan = make_plan(survey, selected)
    document = plan_document(plan)
    [[app]] = document.waves
    assert [change.input for change in app.changes] == ["nixpkgs", "r0", "r2"]
    [stays] = document.held
    assert (stays.repo, stays.input) == ("app", "r1")
    assert stays.reason.startswith("held since 20")
    assert "`sh check.sh` fails with" in stays.reason
    [reason] = why(survey, plan, RepoName("app"), ("r1",))
    assert (reason.fate, reason.reason) == ("held", stays.reason)
    holding.space.commit("r1", {"note": "mended"})
    assert make_plan(*survey_of(holding)).on_hold == ()


@pytest.mark.parametrize("at", ["base", "update"])
def test_drift_shows_it_beside_the_finding_and_does_not_count_it(holding: Bisecting, at: At) -> None:
    report = find_drift(*survey_of(holding, at))
    by_input = {finding.input: finding for finding in report.findings if finding.kind != "age"}
    assert "`sh check.sh` fails with" in (by_input["r1"].held or "")
    assert by_input.keys() == ({"r1"} if at == "update" else {"nixpkgs", "r0", "r1", "r2"})
    assert {finding.input for finding in report.counted} == by_input.keys() - {"r1"}


def test_sync_names_it_each_time(holding: Bisecting) -> None:
    bad = holding.space.tip("r1")
    holding.space.commit("app", {"other": "file"})
    first, again = (to_text(render_sync(night(holding).document, width=100)) for _ in range(2))
    for text in (first, again):
        assert "    held: r1, since 20" in text
        assert f"`sh check.sh` fails with {bad[:12]}" in text
    assert f"    | error: {bad} is bad\n" in first
    assert "unchanged  app" in again


def test_what_was_found_out_is_in_the_error(tmp_path: Path) -> None:
    made = Bisecting(tmp_path, 3, more="exit 3", on_failure="bisect")
    text = to_text(render_sync(night(made).document, width=200))
    assert "ended with exit status 3, and nothing could be held: they fail without the update too" in text


def test_a_published_hold_is_in_the_pull_request_and_is_landed_along(tmp_path: Path) -> None:
    made = Bisecting(tmp_path, 3)
    made.break_with("r1")
    tables = {"app": {"checks": ["sh check.sh"], "on-failure": "bisect"}}
    landing = Landing(made.space, tables=tables)
    ran = run_sync(landing.file, locker="native")
    assert [each.input for each in ran["app"].held] == ["r1"]
    old = locked(made, "app", "r1", branch="main")
    landing.publish()
    [[pull]] = landing.forge.pulls.values()
    bad = made.space.tip("r1")
    assert f"- `r1` does not go to `{bad[:7]}`, since {ran['app'].held[0].since}: `sh check.sh` fails" in pull.body
    assert f"The last lines of `sh check.sh`:\n\n- `error: {bad} is bad`" in pull.body
    # The base has moved on: the update is made anew, and holds what was published as held.
    made.space.commit("app", {"other": "file"})
    landed = landing.land(locker="native")
    assert landed.statuses["app"] == "landed", landed.errors
    assert locked(made, "app", "r1", branch="main") == old
    assert locked(made, "app", "r2", branch="main") == made.space.tip("r2")


def test_a_runner_that_has_nothing_knows_a_hold_from_the_published_branch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Bisecting(tmp_path, 3)
    made.break_with("r1")
    landing = Landing(made.space, tables={"app": {"checks": ["sh check.sh"], "on-failure": "bisect"}})
    run_sync(landing.file, locker="native")
    landing.publish()
    before = landing.update("app"), made.runs
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
    again = run_sync(landing.file, locker="native")
    assert (again.statuses["app"], [each.input for each in again["app"].held]) == ("unchanged", ["r1"])
    assert (again["app"].commit, made.runs) == before
