"""The checks of a commit, as each forge tells of them: the newest of each name, all of them, whatever the page."""

import pytest

from flakesync.demo.forge import pipelines, pulls
from flakesync.demo.forge.model import Check, Kind
from flakesync.forge.model import ForgeError
from flakesync.terms import Rev
from tests.forge.sides import KINDS, Make, Side

NO_CHECKS = "token-that-may-not-read-checks"


def check(side: Side, name: str, state: str, *, run: bool = False) -> Rev:
    """Report a check of the tip of `main`; return the commit."""
    rev, site = side.tip("main"), side.hand.site
    pulls.add_check(site, side.hand.project, rev, name, state, site.ci_account, run=run)
    return rev


def states(side: Side, rev: Rev) -> dict[str, str]:
    found = side.forge.commit_checks(side.project, rev)
    assert len({each.name for each in found}) == len(found)
    return {each.name: each.state if each.decides else "none" for each in found if each.name != "pipeline"}


def test_a_commit_without_checks_has_none(side: Side) -> None:
    assert states(side, side.tip("main")) == {}


def test_each_check_has_its_state(side: Side) -> None:
    failed = "failed" if side.project.host == "gitlab.com" else "failure"
    for name, state in (("build", "success"), ("lint", failed), ("deploy", "pending")):
        rev = check(side, name, state)
    assert states(side, rev) == {"build": "passed", "lint": "failed", "deploy": "pending"}


def test_the_newest_result_of_a_name_counts(side: Side) -> None:
    failed = "failed" if side.project.host == "gitlab.com" else "failure"
    check(side, "build", failed)
    rev = check(side, "build", "success")
    assert states(side, rev) == {"build": "passed"}


@pytest.mark.parametrize(
    ("conclusion", "state"),
    [
        ("success", "passed"),
        ("neutral", "none"),
        ("skipped", "none"),
        ("failure", "failed"),
        ("cancelled", "failed"),
        ("timed_out", "failed"),
        ("action_required", "failed"),
        ("queued", "pending"),
    ],
)
def test_what_a_check_run_comes_to(make: Make, conclusion: str, state: str) -> None:
    side = make("github")
    rev = check(side, "build", conclusion, run=True)
    assert states(side, rev) == {"build": state}


def test_statuses_and_check_runs_come_together(make: Make) -> None:
    side = make("github")
    check(side, "ci/old", "success")
    rev = check(side, "build", "failure", run=True)
    side.calls()
    assert states(side, rev) == {"ci/old": "passed", "build": "failed"}
    assert side.calls() == 2


@pytest.mark.parametrize("kind", KINDS)
def test_all_pages_are_read(make: Make, kind: Kind) -> None:
    side = make(kind)
    for number in range(130):
        rev = check(side, f"check {number}", "success", run=kind == "github")
    assert len(states(side, rev)) == 130


def test_a_token_that_may_not_read_check_runs_says_so(make: Make) -> None:
    side = make("github", token=NO_CHECKS)
    side.hand.site.add_account(NO_CHECKS, "bot", lacks=["checks"])
    with pytest.raises(ForgeError) as caught:
        side.forge.commit_checks(side.project, side.tip("main"))
    assert caught.value.code == "forge-rights"


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("success", "passed"),
        ("failed", "failed"),
        ("canceled", "failed"),
        ("running", "pending"),
        ("manual", "pending"),
    ],
)
def test_what_a_pipeline_has_beside_its_jobs_counts_as_pipeline(make: Make, status: str, state: str) -> None:
    side = make("gitlab")
    rev = check(side, "build", "success")
    pipelines.add(side.hand.site, side.hand.project, rev, "main").status = status
    found = {each.name: each.state for each in side.forge.commit_checks(side.project, rev)}
    assert found == {"build": "passed", "pipeline": state}


def test_of_two_pipelines_with_one_job_the_newer_counts(make: Make) -> None:
    side = make("gitlab")
    project, site, rev = side.hand.project, side.hand.site, side.tip("main")
    for state in ("failed", "success"):
        pipeline = pipelines.add(site, project, rev, "main")
        job = Check(next(site.ids), "build", state, "", "", site.ci_account, site.time())
        pipeline.jobs.append(job)
    assert states(side, rev) == {"build": "passed"}
    project.pipelines.reverse()  # in whatever order they are told
    assert states(side, rev) == {"build": "passed"}


def test_a_pipeline_that_was_skipped_is_no_check(make: Make) -> None:
    side = make("gitlab")
    pipelines.add(side.hand.site, side.hand.project, side.tip("main"), "main").status = "skipped"
    assert side.forge.commit_checks(side.project, side.tip("main")) == []
