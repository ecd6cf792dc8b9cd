"""What GraphQL adds on GitHub: one call for checks, reviews and rules, and merge queues."""

from dataclasses import replace
from typing import Any

import pytest

from flakesync.forge.github.adapter import GitHub
from flakesync.forge.model import ForgeError, MergeStatus, Waiting
from tests.forge.scripted import Script
from tests.forge.test_github import HEAD, LIB, NEXT, PULL, shown

OPEN = replace(PULL, key="PR_7")
REFUSED = {"message": "Changes must be made through the merge queue"}


@pytest.fixture
def script() -> Script:
    return Script("https://api.github.com", None)


@pytest.fixture
def forge(script: Script) -> GitHub:
    return GitHub(script.client(GitHub.headers("s3cret"), "github.com"))


def state(
    rollup: str | None = "SUCCESS",
    *,
    reviews: tuple[str, ...] = (),
    merge_state: str = "CLEAN",
    of: str = HEAD,
    reason: str | None = None,
    merged: str = "OPEN",
    **changes: Any,
) -> dict[str, Any]:
    """Return GitHub's answer to the question for a pull request."""
    summary = {"state": rollup} if rollup is not None else None
    node = {
        "state": merged,
        "headRefOid": of,
        "mergeStateStatus": merge_state,
        "reviewDecision": None,
        "isInMergeQueue": False,
        "mergeQueueEntry": None,
        "autoMergeRequest": None,
        "latestOpinionatedReviews": {"nodes": [{"state": each} for each in reviews]},
        "commits": {"nodes": [{"commit": {"oid": of, "statusCheckRollup": summary}}]},
        "timelineItems": {"nodes": [{"reason": reason}] if reason else []},
        **changes,
    }
    return {"data": {"node": node}}


def errors(*words: str) -> dict[str, Any]:
    return {"data": None, "errors": [{"message": each} for each in words]}


def checks(script: Script, *, runs: int = 200) -> None:
    """Answer what REST is asked for the names."""
    status = {"context": "lint", "state": "pending"}
    script.then(200, {"state": "pending", "statuses": [status], "total_count": 1})
    failed = {"name": "build", "status": "completed", "conclusion": "failure"}
    script.then(runs, {"total_count": 1, "check_runs": [failed]} if runs == 200 else {"message": "Resource not …"})


@pytest.mark.parametrize(("rollup", "total"), [(None, "none"), ("SUCCESS", "passed")])
def test_one_call_tells_that_nothing_is_in_the_way(
    script: Script, forge: GitHub, rollup: str | None, total: str
) -> None:
    script.then(200, state(rollup, reviews=("APPROVED",)))
    assert forge.merge_status(LIB, OPEN) == MergeStatus(total, "approved")  # type: ignore[arg-type]
    assert script.told == ["POST /graphql"]
    assert script.bodies[0]["variables"] == {"id": "PR_7"}  # type: ignore[index]


def test_what_failed_is_named_by_rest(script: Script, forge: GitHub) -> None:
    script.then(200, state("FAILURE"))
    checks(script)
    assert forge.merge_status(LIB, OPEN) == MergeStatus("failed", "none", ("build",), ("lint",))


@pytest.mark.parametrize(("rollup", "total"), [("FAILURE", "failed"), ("EXPECTED", "pending"), ("PENDING", "pending")])
def test_a_token_that_may_not_read_check_runs_has_the_summary(
    script: Script, forge: GitHub, rollup: str, total: str
) -> None:
    script.then(200, state(rollup)).then(200, {"state": "success", "statuses": [], "total_count": 0})
    script.then(403, {"message": "Resource not accessible by personal access token"})
    if total == "pending":  # which one is looked for in the rules
        script.then(200, []).then(200, {"name": "main"})
        script.then(200, {"state": "success", "statuses": [], "total_count": 0}).then(403, {"message": "No"})
    assert forge.merge_status(LIB, OPEN).checks == total


def test_a_summary_of_another_commit_is_not_believed(script: Script, forge: GitHub) -> None:
    script.then(200, state("SUCCESS", of=NEXT))
    checks(script)
    assert forge.merge_status(LIB, OPEN).checks == "failed"


def test_a_server_without_graphql_is_asked_once(script: Script, forge: GitHub) -> None:
    for number in range(2):
        if number == 0:
            script.then(404, {"message": "Not Found"})
        checks(script)
        script.then(200, [])
        assert forge.merge_status(LIB, OPEN).checks == "failed"
    assert [line for line in script.told if "graphql" in line] == ["POST /graphql"]


def test_graphql_of_an_enterprise_server_lies_beside_its_rest_api() -> None:
    script = Script("https://ghe.acme.example/api/v3", None)
    forge = GitHub(script.client(GitHub.headers("s3cret"), "ghe.acme.example"))
    script.then(200, state())
    forge.merge_status(LIB, OPEN)
    assert script.told == ["POST /api/graphql"]


def test_errors_beside_data_lead_to_rest(script: Script, forge: GitHub) -> None:
    script.then(200, {**state(), "errors": [{"message": "Resource not accessible by personal access token"}]})
    checks(script)
    script.then(200, [])
    assert forge.merge_status(LIB, OPEN).checks == "failed"


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"isInMergeQueue": True, "mergeQueueEntry": {"position": 2}}, "it is in the merge queue, at position 2"),
        ({"isInMergeQueue": True}, "it is in the merge queue"),
        (
            {"autoMergeRequest": {"enabledAt": "2026-01-01T00:00:00Z"}},
            "auto-merge is on: GitHub merges it when nothing is lacking any more",
        ),
    ],
)
def test_what_is_in_a_queue_is_left_there(script: Script, forge: GitHub, changes: dict[str, Any], detail: str) -> None:
    script.then(200, state(**changes))
    assert forge.merge_status(LIB, OPEN).waiting == Waiting("queue", detail)


def blocked(script: Script, *rules: dict[str, Any], decision: str | None = None) -> None:
    script.then(200, state(None, merge_state="BLOCKED", reviewDecision=decision))
    script.then(200, list(rules)).then(200, {"name": "main", "protected": True})


def test_a_base_with_a_merge_queue_is_never_merged_into_directly(script: Script, forge: GitHub) -> None:
    blocked(script, {"type": "merge_queue"})
    assert forge.merge_status(LIB, OPEN).waiting is None
    entry = {"mergeQueueEntry": {"position": 1}}
    script.then(200, {"data": {"enqueuePullRequest": entry}})
    waiting = forge.merge(LIB, OPEN, head=HEAD, method="squash")
    assert waiting == Waiting("queue", "it is in the merge queue, at position 1")
    assert script.bodies[-1]["variables"] == {"id": "PR_7", "head": HEAD}  # type: ignore[index]
    assert not any("/merge" in line for line in script.told)


def test_a_missing_approval_is_read_from_the_rules(script: Script, forge: GitHub) -> None:
    blocked(
        script,
        {"type": "pull_request", "parameters": {"required_approving_review_count": 2}},
        decision="REVIEW_REQUIRED",
    )
    script.then(200, {"state": "success", "statuses": [], "total_count": 0}).then(200, {"check_runs": []})
    assert forge.merge_status(LIB, OPEN).waiting == Waiting("reviews", "2 approving review(s) required")


def test_what_the_summary_only_expects_is_named_from_the_rules(script: Script, forge: GitHub) -> None:
    nothing = {"state": "pending", "statuses": [], "total_count": 0}
    script.then(200, state("EXPECTED", merge_state="BLOCKED"))
    script.then(200, nothing).then(200, {"check_runs": []})
    contexts = {"required_status_checks": [{"context": "build"}]}
    script.then(200, [{"type": "required_status_checks", "parameters": contexts}]).then(404, {"message": "Not Found"})
    script.then(200, nothing).then(200, {"check_runs": []})
    merge_status = forge.merge_status(LIB, OPEN)
    assert merge_status.checks == "pending"
    assert merge_status.waiting == Waiting("checks", "required checks have not reported yet: build")


def test_a_merge_that_must_go_through_the_queue_joins_it(script: Script, forge: GitHub) -> None:
    script.then(405, REFUSED).then(200, {**shown(), "node_id": "PR_7"})
    script.then(200, {"data": {"enqueuePullRequest": {"mergeQueueEntry": None}}})
    assert forge.merge(LIB, OPEN, head=HEAD, method="squash") == Waiting("queue", "it is in the merge queue")


def test_what_the_queue_does_not_take_yet_gets_auto_merge(script: Script, forge: GitHub) -> None:
    script.then(405, REFUSED).then(200, {**shown(), "node_id": "PR_7"})
    script.then(200, errors("Pull request 2 of 4 required status checks have not succeeded: 1 expected."))
    script.then(200, {"data": {"enablePullRequestAutoMerge": {"pullRequest": {"autoMergeRequest": {}}}}})
    waiting = forge.merge(LIB, OPEN, head=HEAD, method="squash")
    assert isinstance(waiting, Waiting)
    assert waiting.reason == "queue"
    assert "1 expected" in waiting.detail


def test_where_neither_is_allowed_a_person_has_to(script: Script, forge: GitHub) -> None:
    script.then(405, REFUSED).then(200, {**shown(), "node_id": "PR_7"})
    script.then(200, errors("Resource not accessible by personal access token"))
    script.then(200, errors("Auto merge is not allowed for this repository"))
    waiting = forge.merge(LIB, OPEN, head=HEAD, method="squash")
    assert isinstance(waiting, Waiting)
    assert waiting.detail.startswith("Changes must be made through the merge queue; somebody has to add it")


def test_a_head_that_moved_before_it_was_queued_is_looked_at_again(script: Script, forge: GitHub) -> None:
    script.then(405, REFUSED).then(200, {**shown(), "node_id": "PR_7"})
    script.then(200, errors("expected head oid does not match the current head oid"))
    with pytest.raises(ForgeError) as caught:
        forge.merge(LIB, OPEN, head=HEAD, method="squash")
    assert caught.value.code == "head-moved"


def queued(script: Script, forge: GitHub) -> None:
    script.then(405, REFUSED).then(200, {**shown(), "node_id": "PR_7"})
    script.then(200, {"data": {"enqueuePullRequest": {"mergeQueueEntry": None}}})
    forge.merge(LIB, OPEN, head=HEAD, method="squash")
    script.then(405, REFUSED).then(200, {**shown(), "node_id": "PR_7"})


def test_what_the_queue_took_out_is_a_failure_with_its_reason(script: Script, forge: GitHub) -> None:
    queued(script, forge)
    script.then(200, state(reason="failed checks"))
    with pytest.raises(ForgeError) as caught:
        forge.merge(LIB, OPEN, head=HEAD, method="squash")
    assert caught.value.code == "pull-dequeued"
    assert caught.value.message.endswith("the merge queue took it out: failed checks")


def test_what_the_queue_took_out_to_merge_it_is_not(script: Script, forge: GitHub) -> None:
    queued(script, forge)
    script.then(200, state(merged="MERGED"))
    waiting = forge.merge(LIB, OPEN, head=HEAD, method="squash")
    assert waiting == Waiting("queue", "the merge queue is done with it")
