"""Repos that could not be reached for one reason are told together."""

from flakesync.documents.sync import ErrorDocument, Outcome
from flakesync.report.unreachable import unreachable_together


def failed(repo: str, code: str, message: str) -> Outcome:
    error = ErrorDocument(code=code, message=message)
    return Outcome(repo=repo, status="failed", branch=None, commit=None, changes=[], checks=[], error=error, diff=None)


def test_the_repos_of_a_dead_host_are_one_line_and_all_others_their_own() -> None:
    outcomes = [
        *(failed(f"r{number}", "unreachable", "h cannot be reached") for number in range(60)),
        failed("a", "unreachable", "i cannot be reached"),
        failed("b", "checks", "a check failed"),
        failed("c", "checks", "a check failed"),
    ]
    assert [outcome.repo for outcome in unreachable_together(outcomes)] == [
        "60 repos: r0, r1, r2 and 57 more", "a", "b", "c",
    ]  # fmt: skip
