"""Landing waits where it must, on each kind of forge, and merges only what was tested."""

from pathlib import Path

import pytest

from flakesync.demo.forge.model import Kind
from flakesync.demo.forge.parts import Job
from tests.support.forge import Forge
from tests.support.forge.landing import Hosted, make_hosted

KINDS: tuple[Kind, ...] = ("github", "gitlab", "forgejo")
TWO = {"lib": (), "app": ("lib",)}
BOTH = {"lib": "landed", "app": "landed"}


@pytest.fixture(params=KINDS)
def hosted(request: pytest.FixtureRequest, tmp_path: Path, forge: Forge, monkeypatch: pytest.MonkeyPatch) -> Hosted:
    """lib, and app that takes it, synced; nothing is published yet."""
    found = make_hosted(tmp_path, forge, request.param, monkeypatch, TWO)
    assert set(found.sync().statuses.values()) == {"updated"}
    return found


def published(hosted: Hosted) -> Hosted:
    assert {outcome.status for outcome in hosted.publish().repos} == {"opened"}
    return hosted


def protect(hosted: Hosted, *jobs: Job, approvals: int = 0) -> None:
    for name in hosted.names:
        project = hosted.project(name)
        project.ci = list(jobs)
        project.protect("main", checks=[job.name for job in jobs], approvals=approvals)


def test_a_required_check_that_reports_late_is_waited_for(hosted: Hosted) -> None:
    protect(hosted, Job("ci", after_s=8, takes_s=4))
    published(hosted)
    first = hosted.land()
    assert (first.statuses, first["lib"].reason) == ({"lib": "waiting", "app": "waiting"}, "checks")
    assert first["app"].waits_for == ["lib"]
    assert hosted.land(wait=True).statuses == BOTH
    hosted.assert_done()


def test_one_of_two_required_checks_is_not_enough(hosted: Hosted) -> None:
    protect(hosted, Job("build"), Job("lint", after_s=40))
    published(hosted)
    assert hosted.land()["lib"].reason == "checks"
    assert hosted.land(wait=True).statuses == BOTH
    hosted.assert_done()


def test_an_approval_that_comes_late_is_waited_for(hosted: Hosted) -> None:
    protect(hosted, approvals=1)
    published(hosted)
    first = hosted.land()
    assert (first["lib"].status, first["lib"].reason) == ("waiting", "reviews")
    hosted.site.approve_after_s = 100
    assert hosted.land(wait=True).statuses == BOTH
    hosted.assert_done()


def test_a_required_check_that_never_reports_ends_at_the_timeout_with_its_name(hosted: Hosted) -> None:
    protect(hosted, Job("nightly-build", after_s=None))
    published(hosted)
    landed = hosted.land(wait=True, timeout_s=300)
    assert (landed["lib"].status, landed["lib"].reason) == ("waiting", "checks")
    if hosted.site.kind != "gitlab":  # GitLab wants a pipeline, whatever its jobs are called
        assert "nightly-build" in (landed["lib"].detail or "")
    assert sum(hosted.naps) <= 300


def test_a_red_check_fails_with_its_name_and_skips_the_dependents(hosted: Hosted) -> None:
    protect(hosted, Job("build", takes_s=10, state="failure"))
    published(hosted)
    landed = hosted.land(wait=True)
    assert landed.errors == {"lib": "pull-checks-failed", "app": "upstream-failed"}
    error = landed["lib"].error
    assert error is not None
    assert "build" in error.message


def test_a_check_that_was_red_before_the_branch_was_made_anew_does_not_count(hosted: Hosted) -> None:
    protect(hosted, Job("build", state="failure"))
    hosted.project("lib").ci = [Job("build")]
    published(hosted)
    # lib is squashed, so app gets another commit, on which the check passes.
    hosted.project("app").ci = [Job("build", after_s=20)]
    assert hosted.land(wait=True).statuses == BOTH
    hosted.assert_done()


def test_checks_that_nobody_requires_are_waited_for_on_a_commit_that_was_made_anew(hosted: Hosted) -> None:
    for name in hosted.names:
        hosted.project(name).ci = [Job("build", after_s=1, takes_s=1)]
    published(hosted)
    hosted.clock.sleep(10)
    assert {repo.pull.checks for repo in hosted.status().repos if repo.pull is not None} == {"passed"}
    # Somebody commits to lib: app gets other content than what was tested.
    hosted.commit("lib", {"new": "file"})
    hosted.project("app").ci = [Job("build", after_s=30, takes_s=30, state="failure")]
    assert hosted.land(wait=True).errors == {"app": "pull-checks-failed"}


def test_a_check_that_had_not_ended_before_the_branch_was_made_anew_does_not_carry_over(hosted: Hosted) -> None:
    hosted.project("app").ci = [Job("build", takes_s=1000)]
    published(hosted)
    assert {repo.pull.checks for repo in hosted.status().repos if repo.pull is not None} == {"none", "pending"}
    hosted.project("app").ci = [Job("build", after_s=20, takes_s=5, state="failure")]
    landed = hosted.land(wait=True)
    assert landed.errors == {"app": "pull-checks-failed"}
    assert landed["lib"].status == "landed"
