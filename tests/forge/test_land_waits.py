"""Landing waits where it must, on each kind of forge, and merges only what was tested."""

from pathlib import Path

import pytest

from flakesync.demo.forge import pulls
from flakesync.demo.forge.parts import Job
from flakesync.demo.forge.web.messages import Answer
from tests.support.forge import Forge, faults
from tests.support.forge.client import REVIEWER
from tests.support.forge.faults import Perform
from tests.support.forge.landing import Hosted, make_hosted

# What it waits for is the same on the third; its adapter has tests of its own.
KINDS = ("github", "gitlab", pytest.param("forgejo", marks=pytest.mark.slow))
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


@pytest.fixture
def github(tmp_path: Path, forge: Forge, monkeypatch: pytest.MonkeyPatch) -> Hosted:
    """The same on GitHub."""
    found = make_hosted(tmp_path, forge, "github", monkeypatch, TWO)
    assert set(found.sync().statuses.values()) == {"updated"}
    return found


@pytest.fixture
def gitlab(tmp_path: Path, forge: Forge, monkeypatch: pytest.MonkeyPatch) -> Hosted:
    """The same on GitLab."""
    found = make_hosted(tmp_path, forge, "gitlab", monkeypatch, TWO)
    assert set(found.sync().statuses.values()) == {"updated"}
    return found


def test_a_merge_queue_is_joined_and_waited_for(github: Hosted) -> None:
    for name in github.names:
        github.project(name).protect("main", queue=True)
        github.project(name).queue_after_s = 60
    published(github)
    first = github.land()
    assert (first["lib"].status, first["lib"].reason) == ("waiting", "queue")
    assert "merge queue" in (first["lib"].detail or "")
    # Another run leaves it there.
    assert github.land()["lib"].reason == "queue"
    assert github.land(wait=True).statuses == BOTH
    github.assert_done()


def test_what_is_merged_between_two_looks_is_locked_as_it_was_merged(hosted: Hosted) -> None:
    """The base is read by git, and a moment later the forge says that it has been merged meanwhile."""
    published(hosted)
    lib = hosted.project("lib")
    lib.protect("main", approvals=1)
    assert hosted.land()["lib"].reason == "reviews"
    pressed: list[str] = []

    def press(_request: object, perform: Perform) -> Answer:
        if not pressed:
            pressed.append("once")
            lib.rules.clear()
            person = hosted.site.accounts[REVIEWER]
            pulls.merge(hosted.site, lib, lib.pulls[0], "squash", person, "By hand")
        return perform()

    hosted.forge.faults.add(press, path=r"(pulls|merge_requests)\?|/graphql$", times=None)
    assert hosted.land(wait=True).statuses == BOTH
    hosted.assert_done()


def test_a_queue_that_wants_checks_first_gets_it_when_they_have_passed(github: Hosted) -> None:
    for name in github.names:
        project = github.project(name)
        project.ci = [Job("build", after_s=20, takes_s=10)]
        project.protect("main", queue=True, checks=["build"])
        project.allow_auto_merge = True
        project.queue_after_s = 60
    published(github)
    assert github.land()["lib"].reason in ("queue", "checks")
    assert github.land(wait=True).statuses == BOTH
    github.assert_done()


def test_what_a_queue_throws_out_fails_with_its_reason(github: Hosted) -> None:
    lib = github.project("lib")
    lib.protect("main", queue=True)
    lib.queue_after_s = 10
    lib.queue_fails = "failed checks"
    published(github)
    landed = github.land(wait=True)
    assert landed.errors == {"lib": "pull-dequeued", "app": "upstream-failed"}
    assert landed["lib"].error is not None
    assert "failed checks" in landed["lib"].error.message.lower().replace("_", " ")


def test_a_merge_train_is_joined_and_waited_for(gitlab: Hosted) -> None:
    for name in gitlab.names:
        gitlab.project(name).trains = True
        gitlab.project(name).ci = [Job("build", takes_s=30)]
        gitlab.project(name).queue_after_s = 60
    published(gitlab)
    assert gitlab.land()["lib"].reason in ("queue", "checks")
    assert gitlab.land(wait=True).statuses == BOTH
    gitlab.assert_done()


def test_a_pipeline_that_lags_behind_a_push_is_waited_for(gitlab: Hosted) -> None:
    for name in gitlab.names:
        gitlab.project(name).ci = [Job("build", takes_s=1)]
    published(gitlab)
    gitlab.clock.sleep(10)
    assert {repo.pull.checks for repo in gitlab.status().repos if repo.pull is not None} == {"passed"}
    app = gitlab.project("app")
    # app is made anew when lib is squashed; until its new pipeline begins, the old one is the newest: a green one.
    app.pipeline_lag_s = 200
    app.ci = [Job("build", takes_s=50, state="failure")]
    assert gitlab.land(wait=True).errors == {"app": "pull-checks-failed"}


def test_what_was_said_of_the_head_before_does_not_count_while_the_forge_lags(gitlab: Hosted) -> None:
    for name in gitlab.names:
        gitlab.project(name).ci = [Job("build", takes_s=1)]
    published(gitlab)
    gitlab.clock.sleep(10)
    gitlab.status()
    app = gitlab.project("app")
    app.ci = [Job("build", takes_s=50, state="failure")]
    # For so long GitLab shows the merge request at the commit before, whose pipeline has passed.
    app.head_lag_looks = 12
    assert gitlab.land(wait=True).errors == {"app": "pull-checks-failed"}


def test_a_fine_grained_token_lands_what_has_passed_and_waits_for_what_has_not(github: Hosted) -> None:
    github.site.graphql = False
    github.site.add_account("github_pat_fine", "bot", lacks=("checks",))
    for name in github.names:
        github.project(name).ci = [Job("build", after_s=30, takes_s=30, run=True)]
    published(github)
    github.token = "github_pat_fine"
    github.clock.sleep(40)
    stands = {repo.repo: repo.pull.checks for repo in github.status().repos if repo.pull is not None}
    assert stands == {"lib": "unknown", "app": "unknown"}
    first = github.land()
    assert (first["lib"].status, first["lib"].reason) == ("waiting", "checks")
    assert github.land(wait=True).statuses == BOTH
    github.assert_done()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_transferred_repo_is_published_and_landed_under_its_new_owner(
    hosted: Hosted, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    monkeypatch.delenv("GIT_CONFIG_COUNT")  # git asks the forge, which sends it on
    if when == "after":
        published(hosted)
    hosted.site.move("acme/lib", "newco/lib")
    statuses = {outcome.repo: outcome.status for outcome in hosted.publish().repos}
    # The pull request of app names the one of lib by its new address.
    assert statuses == (
        {"lib": "opened", "app": "opened"} if when == "before" else {"lib": "unchanged", "app": "updated"}
    )
    assert {outcome.status for outcome in hosted.publish().repos} == {"unchanged"}
    assert {outcome.stage for outcome in hosted.status().repos} == {"open"}
    assert hosted.land(wait=True).statuses == BOTH
    moved = hosted.site.find("newco/lib")
    assert moved is not None
    assert [pull.state for pull in moved.pulls] == ["merged"]


@pytest.fixture
def limited(tmp_path: Path, forge: Forge, monkeypatch: pytest.MonkeyPatch) -> Hosted:
    """lib and app on GitHub, published."""
    found = make_hosted(tmp_path, forge, "github", monkeypatch, TWO)
    found.sync()
    return published(found)


def test_a_limit_that_outlasts_the_timeout_is_waited_for_and_no_failure(limited: Hosted) -> None:
    limited.forge.faults.add(faults.secondary_limit(7000), method="PUT", path="/merge$", times=None)
    before = limited.clock.now
    landed = limited.land(timeout_s=3600)
    assert (landed.statuses, landed["lib"].reason) == ({"lib": "waiting", "app": "waiting"}, "limit")
    assert "its rate limit lets nothing through for another 7000 s" in str(landed["lib"].detail)
    assert limited.clock.now - before < 60
    limited.forge.faults.clear()
    assert limited.land().statuses == BOTH


def test_a_limit_that_ends_before_the_timeout_is_waited_out(limited: Hosted) -> None:
    limited.forge.faults.add(faults.secondary_limit(3000), method="PUT", path="/merge$", times=1)
    assert limited.land(timeout_s=3600).statuses == BOTH


def test_the_first_look_of_land_is_one_question_to_github(
    tmp_path: Path, forge: Forge, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosted = make_hosted(tmp_path, forge, "github", monkeypatch, {"lib": (), "one": (), "two": ()})
    hosted.sync()
    published(hosted)
    forge.forget_log()
    assert set(hosted.land().statuses.values()) == {"landed"}
    asked = [exchange.request for exchange in forge.requests()]
    assert [each.target for each in asked if each.method == "GET" and "/pulls?" in each.target] == []
    names = [each.fields().get("operationName") for each in asked if each.path.endswith("/graphql")]
    assert names.count("PullRequests") == 1
