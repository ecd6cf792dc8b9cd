"""Repos that could not be reached for one reason are told together."""

from collections.abc import Sequence

from flakesync.documents.pulls.abandon import AbandonDocument, AbandonOutcome
from flakesync.documents.pulls.land import LandDocument, LandOutcome
from flakesync.documents.pulls.publish import PublishDocument, PublishOutcome, PullDocument
from flakesync.documents.pulls.status import RepoStatus, StatusDocument
from flakesync.documents.sync import ErrorDocument, Outcome
from flakesync.report.land import render_land
from flakesync.report.publish import render_abandon, render_publish
from flakesync.report.status import render_status
from flakesync.report.text import Line, to_text
from flakesync.report.unreachable import unreachable_together

DOWN = ErrorDocument(code="unreachable", message="h cannot be reached", hint="is it up?")
NAMES = [f"r{number}" for number in range(60)]
COMMITS = {name: f"abc{number:037x}" for number, name in enumerate(NAMES)}
TOGETHER = "60 repos: r0, r1, r2 and 57 more"


def failed(repo: str, code: str, message: str) -> Outcome:
    error = ErrorDocument(code=code, message=message)
    return Outcome(repo=repo, status="failed", branch=None, commit=None, changes=[], checks=[], error=error, diff=None)


def assert_told_once(lines: Sequence[Line]) -> None:
    text = to_text(lines)
    assert [text.count(words) for words in (TOGETHER, "h cannot be reached", "is it up?")] == [1, 1, 1]
    assert "60 failed" in text
    assert "abc0" not in text
    assert "main-of-" not in text


def test_the_repos_of_a_dead_host_are_one_line_and_all_others_their_own() -> None:
    outcomes = [
        *(failed(name, "unreachable", "h cannot be reached") for name in NAMES),
        failed("a", "unreachable", "i cannot be reached"),
        failed("b", "checks", "a check failed"),
        failed("c", "checks", "a check failed"),
    ]
    assert [outcome.repo for outcome in unreachable_together(outcomes)] == [TOGETHER, "a", "b", "c"]


def test_status_tells_a_dead_host_once_whatever_is_known_of_its_repos_here() -> None:
    repos = [
        RepoStatus(repo=name, stage="failed", base=f"main-of-{name}", local=commit, commit=commit, error=DOWN)
        for name, commit in COMMITS.items()
    ]
    assert_told_once(render_status(StatusDocument(branch="up", repos=repos), width=100))


def test_publish_land_and_abandon_tell_a_dead_host_once() -> None:
    published = [PublishOutcome(repo=name, status="failed", commit=COMMITS[name], error=DOWN) for name in NAMES]
    assert_told_once(render_publish(PublishDocument(branch="up", repos=published), width=100))
    landed = [LandOutcome(repo=name, status="failed", commit=COMMITS[name], error=DOWN) for name in NAMES]
    assert_told_once(render_land(LandDocument(branch="up", locker="nix", repos=landed, deleted=[]), width=100))
    abandoned = [AbandonOutcome(repo=name, status="failed", error=DOWN) for name in NAMES]
    assert_told_once(render_abandon(AbandonDocument(branch="up", dry_run=False, repos=abandoned), width=100))


def test_what_was_done_of_a_repo_before_its_host_was_gone_is_told_of_it_alone() -> None:
    deleted = AbandonOutcome(repo="a", status="failed", local="1" * 40, error=DOWN)
    others = [AbandonOutcome(repo=name, status="failed", error=DOWN) for name in "bc"]
    assert [each.repo for each in unreachable_together([deleted, *others], void=())] == ["a", "b, c"]
    published = [
        PublishOutcome(repo="a", status="failed", pushed=True, error=DOWN),
        PublishOutcome(
            repo="b", status="failed", pull=PullDocument(url="https://h/1", number=1, state="open"), error=DOWN
        ),
        PublishOutcome(repo="c", status="failed", notes=["look"], error=DOWN),
    ]
    assert unreachable_together(published, void=("branch", "commit")) == published
