"""Pipelines of the tests' GitLab: which of them counts, on what commit it is, and what waits for it."""

import pytest

from flakesync.demo.forge.model import Check, Job, Pipeline
from tests.support.forge import Forge
from tests.support.forge.client import Client, branch, client_of, pushed
from tests.support.forge.clock import Clock


def started(forge: Forge, *jobs: Job) -> tuple[Client, Clock]:
    client, clock = client_of(forge, "gitlab"), Clock()
    client.site.clock = clock
    client.site.thinks_for = 0
    client.project.ci = [*jobs]
    return client, clock


def head_pipeline(client: Client) -> tuple[str, str] | None:
    found = client.get()["head_pipeline"]
    assert isinstance(found, dict | None)
    return (found["sha"], found["status"]) if found is not None else None


def status_of(client: Client) -> object:
    return client.get()["detailed_merge_status"]


def test_after_a_push_the_head_pipeline_is_the_old_commits_until_the_new_one_begins(forge: Forge) -> None:
    client, clock = started(forge, Job("ci", takes_s=5))
    client.project.pipeline_lag_s = 30
    client.project.only_allow_merge_if_pipeline_succeeds = True
    client.open()
    old = client.project.pulls[0].head_rev
    assert (head_pipeline(client), status_of(client)) == (None, "ci_must_pass")
    clock.now += 35
    assert (head_pipeline(client), status_of(client)) == ((old, "success"), "mergeable")
    new = branch(client.project, "update", {"flake.lock": "3"})
    pushed(client)
    assert (head_pipeline(client), status_of(client)) == ((old, "success"), "ci_must_pass")
    clock.now += 30
    assert (head_pipeline(client), status_of(client)) == ((new, "running"), "ci_still_running")
    clock.now += 5
    assert (head_pipeline(client), status_of(client)) == ((new, "success"), "mergeable")


def test_a_pipeline_for_merged_results_is_on_a_commit_of_both_branches(forge: Forge) -> None:
    client, clock = started(forge, Job("ci", takes_s=5))
    client.project.merged_results = client.project.only_allow_merge_if_pipeline_succeeds = True
    client.open()
    pull = client.project.pulls[0]
    found = client.get()["head_pipeline"]
    assert isinstance(found, dict)
    assert found["ref"] == "refs/merge-requests/1/merge"
    assert found["sha"] != pull.head_rev
    assert client.call("GET", f"/repository/commits/{found['sha']}")["parent_ids"] == [pull.base_rev, pull.head_rev]
    assert client.project.storage.git("rev-parse", "refs/merge-requests/1/merge") == found["sha"]
    told = client.call("GET", f"/repository/commits/{found['sha']}/statuses").data
    assert isinstance(told, list)
    (job,) = told
    assert (job["name"], job["status"], job["ref"], job["sha"], job["allow_failure"]) == (
        "ci", "running", "refs/merge-requests/1/merge", found["sha"], False,
    )  # fmt: skip
    assert client.call("GET", f"/repository/commits/{pull.head_rev}/statuses").data == []
    assert status_of(client) == "ci_still_running"
    clock.now += 5
    assert status_of(client) == "mergeable"
    branch(client.project, "update", {"flake.lock": "3"})
    client.project.pipeline_lag_s = 60
    pushed(client)
    assert head_pipeline(client) == (found["sha"], "success")
    assert status_of(client) == "ci_must_pass"


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("manual", "ci_must_pass"),
        ("canceled", "ci_must_pass"),
        ("skipped", "ci_must_pass"),
        ("created", "ci_must_pass"),
        ("failed", "ci_must_pass"),
        ("waiting_for_resource", "ci_still_running"),
        ("preparing", "ci_still_running"),
        ("pending", "ci_still_running"),
        ("success", "mergeable"),
    ],
)
def test_a_pipeline_may_stand_at_anything(forge: Forge, status: str, told: str) -> None:
    client, _ = started(forge)
    client.project.only_allow_merge_if_pipeline_succeeds = True
    client.open()
    client.project.pipelines.append(Pipeline(7, client.project.pulls[0].head_rev, "update", status, []))
    assert head_pipeline(client) == (client.project.pulls[0].head_rev, status)
    assert status_of(client) == told
    client.project.allow_merge_on_skipped_pipeline = True
    assert status_of(client) == ("mergeable" if status == "skipped" else told)


@pytest.mark.parametrize(
    ("states", "status"),
    [
        (["success", "running"], "running"),
        (["success", "failed"], "failed"),
        (["success", "manual"], "manual"),
        (["success", "skipped"], "success"),
        (["skipped"], "skipped"),
        (["created", "created"], "created"),
        (["success", "canceled"], "canceled"),
        (["success", "failed?"], "success"),
        (["success", "manual?"], "success"),
    ],
)
def test_the_status_of_a_pipeline_is_what_its_jobs_make_of_it(forge: Forge, states: list[str], status: str) -> None:
    client, _ = started(forge)
    client.open()
    bot = client.site.people["bot"]
    jobs = [
        Check(number, f"job {number}", state.rstrip("?"), "", "", bot, 0.0, allow_failure=state.endswith("?"))
        for number, state in enumerate(states)
    ]
    client.project.pipelines.append(Pipeline(7, client.project.pulls[0].head_rev, "update", None, jobs))
    assert client.call("GET", "/pipelines/7")["status"] == status
    told = client.call("GET", "/pipelines/7/jobs").data
    assert isinstance(told, list)
    assert [job["name"] for job in told] == [job.name for job in jobs]


def test_statuses_of_a_commit_come_in_pages(forge: Forge) -> None:
    client, _ = started(forge, *(Job(f"job {number}") for number in range(25)))
    client.open()
    rev = client.project.pulls[0].head_rev
    first = client.call("GET", f"/repository/commits/{rev}/statuses")
    second = client.call("GET", f"/repository/commits/{rev}/statuses?page=2")
    assert isinstance(first.data, list)
    assert isinstance(second.data, list)
    assert (len(first.data), len(second.data), first.headers["x-next-page"]) == (20, 5, "2")


@pytest.mark.parametrize("field", ["auto_merge", "merge_when_pipeline_succeeds"])
@pytest.mark.parametrize("state", ["success", "failed"])
def test_what_is_to_be_merged_by_itself_waits_for_its_pipeline(forge: Forge, field: str, state: str) -> None:
    client, clock = started(forge, Job("ci", takes_s=5, state=state))
    client.project.only_allow_merge_if_pipeline_succeeds = True
    client.open()
    answer = client.call("PUT", "/merge_requests/1/merge", {field: True, "squash": True})
    assert (answer.status, answer["state"], answer["merge_when_pipeline_succeeds"]) == (200, "opened", True)
    clock.now += 5
    told = client.get()
    assert told["state"] == ("merged" if state == "success" else "opened")
    assert told["merge_when_pipeline_succeeds"] is False
    if state == "success":
        assert told["squash_commit_sha"] is not None


def test_what_has_nothing_to_wait_for_is_merged_at_once(forge: Forge) -> None:
    client, _ = started(forge)
    client.open()
    answer = client.call("PUT", "/merge_requests/1/merge", {"auto_merge": True})
    assert (answer.status, answer["state"]) == (200, "merged")


def test_a_merge_request_may_show_a_push_late(forge: Forge) -> None:
    client, _ = started(forge)
    client.project.head_lag_looks = 2
    client.open()
    old = client.project.pulls[0].head_rev
    new = branch(client.project, "update", {"flake.lock": "3"})
    pushed(client)
    assert [client.get()["sha"] for _ in range(3)] == [old, old, new]
    newer = branch(client.project, "update", {"flake.lock": "4"})
    pushed(client)
    answer = client.merge(guard=newer)
    assert (answer.status, answer["message"]) == (409, f"SHA does not match HEAD of source branch: {new}")
    client.get()
    assert client.merge(guard=newer).status == 200


def test_a_wrong_sha_is_told_before_all_that_is_unmet(forge: Forge) -> None:
    client, _ = started(forge)
    client.project.only_allow_merge_if_pipeline_succeeds = True
    client.open()
    assert client.merge(guard="0" * 40).status == 409
    assert client.merge().status == 405
    client.project.require_sha = True
    answer = client.merge()
    assert (answer.status, answer["message"]) == (400, "SHA must be provided when merging")
