"""Merge queues and auto-merge of the tests' GitHub, merge trains of its GitLab."""

from pathlib import Path

import pytest
from graphql import build_schema, graphql_sync

from flakesync.demo.forge.model import Job
from flakesync.demo.forge.web.messages import Json
from tests.support.forge import Forge
from tests.support.forge.client import READER, Client, Reply, branch, client_of, pushed
from tests.support.forge.clock import Clock

_STATE = """
query PullRequestQueue($id: ID!) {
  node(id: $id) {
    ... on PullRequest {
      state isInMergeQueue mergeStateStatus headRefOid
      mergeQueueEntry { state position }
      autoMergeRequest { enabledAt }
      timelineItems(last: 1, itemTypes: [REMOVED_FROM_MERGE_QUEUE_EVENT]) {
        nodes { ... on RemovedFromMergeQueueEvent { reason } }
      }
    }
  }
}
"""
_ENQUEUE = """
mutation Enqueue($id: ID!, $head: GitObjectID!) {
  enqueuePullRequest(input: {pullRequestId: $id, expectedHeadOid: $head}) { mergeQueueEntry { state position } }
}
"""
_AUTO_MERGE = """
mutation AutoMerge($id: ID!, $head: GitObjectID!) {
  enablePullRequestAutoMerge(input: {pullRequestId: $id, expectedHeadOid: $head, mergeMethod: SQUASH}) {
    pullRequest { autoMergeRequest { enabledAt } }
  }
}
"""
# What the excerpt of the schema has. A type name tells the schema what an object of an interface or a union is.
_EVERYTHING = """
{
  node(id: ID) {
    __typename
    ... on PullRequest {
      state headRefOid mergeStateStatus reviewDecision isInMergeQueue
      mergeQueueEntry { state position }
      autoMergeRequest { enabledAt }
      latestOpinionatedReviews(first: 100) { nodes { state } }
      commits(last: 1) { nodes { commit { oid statusCheckRollup { state } } } }
      timelineItems(last: 1, itemTypes: [REMOVED_FROM_MERGE_QUEUE_EVENT]) {
        nodes { __typename ... on RemovedFromMergeQueueEvent { reason } }
      }
    }
  }
}
"""


def queued(forge: Forge, *jobs: Job, checks: tuple[str, ...] = ()) -> tuple[Client, Clock]:
    """Return a client for a GitHub whose base has a queue that takes 60 seconds."""
    client, clock = client_of(forge, "github"), Clock()
    client.site.clock, client.site.thinks_for = clock, 0
    client.project.ci = [*jobs]
    client.project.queue_after_s = 60
    client.project.protect("main", checks=checks, queue=True)
    client.open()
    return client, clock


def ask(client: Client, query: str, variables: Json, name: str | None = None) -> Reply:
    body: Json = {"query": query, "variables": variables, "operationName": name}
    return client.raw("POST", "/api/graphql", body)


def state_of(client: Client, number: int = 1) -> Json:
    node = client.get(number)["node_id"]
    data = ask(client, _STATE, {"id": node}, "PullRequestQueue")["data"]
    assert isinstance(data, dict)
    found = data["node"]
    assert isinstance(found, dict)
    return found


def mutate(client: Client, query: str, head: str | None = None, number: int = 1) -> Reply:
    node = client.get(number)["node_id"]
    return ask(client, query, {"id": node, "head": head or client.project.pulls[number - 1].head_rev})


def error_of(reply: Reply) -> str:
    assert reply.status == 200
    errors = reply["errors"]
    assert isinstance(errors, list)
    return str(errors[0]["message"])


def test_a_queued_pull_request_of_github_is_merged_by_the_queue(forge: Forge) -> None:
    client, clock = queued(forge)
    client.project.methods = ("squash", "merge")
    assert client.merge("squash")["message"] == "Changes must be made through the merge queue"
    assert state_of(client)["mergeStateStatus"] == "BLOCKED"
    told = mutate(client, _ENQUEUE)["data"]
    assert told == {"enqueuePullRequest": {"mergeQueueEntry": {"state": "AWAITING_CHECKS", "position": 1}}}
    clock.now += 59
    state = state_of(client)
    assert (state["state"], state["isInMergeQueue"]) == ("OPEN", True)
    assert state["mergeQueueEntry"] == {"state": "AWAITING_CHECKS", "position": 1}
    clock.now += 1
    state = state_of(client)
    assert (state["state"], state["isInMergeQueue"], state["mergeQueueEntry"]) == ("MERGED", False, None)
    storage = client.project.storage
    tip = storage.branch("main")
    assert tip is not None
    assert client.get()["merge_commit_sha"] == tip
    assert len(storage.parents(tip)) == 1
    assert storage.commit(tip).message.startswith("Update (#1)\n")


def test_a_queue_keeps_its_order_and_throws_out_what_conflicts(forge: Forge) -> None:
    client, clock = queued(forge)
    branch(client.project, "second", {"flake.lock": "another"})
    client.open(head="second")
    for number in (1, 2):
        mutate(client, _ENQUEUE, number=number)
    assert state_of(client, 2)["mergeQueueEntry"] == {"state": "QUEUED", "position": 2}
    clock.now += 60
    assert state_of(client, 1)["state"] == "MERGED"
    second = state_of(client, 2)
    assert (second["state"], second["isInMergeQueue"]) == ("OPEN", False)
    assert second["timelineItems"] == {"nodes": [{"reason": "merge conflict"}]}


def test_a_queue_of_github_may_throw_out_for_a_reason(forge: Forge) -> None:
    client, clock = queued(forge)
    client.project.queue_fails = "failed checks"
    mutate(client, _ENQUEUE)
    clock.now += 60
    state = state_of(client)
    assert (state["state"], state["isInMergeQueue"]) == ("OPEN", False)
    assert state["timelineItems"] == {"nodes": [{"reason": "failed checks"}]}


def test_a_push_throws_a_pull_request_out_of_the_queue(forge: Forge) -> None:
    client, clock = queued(forge)
    mutate(client, _ENQUEUE)
    branch(client.project, "update", {"flake.lock": "3"})
    pushed(client)
    clock.now += 60
    state = state_of(client)
    assert (state["state"], state["isInMergeQueue"]) == ("OPEN", False)
    assert state["timelineItems"]["nodes"] != []  # type: ignore[index]


def test_a_pull_request_may_leave_the_queue_before_it_is_merged(forge: Forge) -> None:
    client, clock = queued(forge)
    client.project.queue_gap_s = 1
    mutate(client, _ENQUEUE)
    clock.now += 60
    state = state_of(client)
    assert (state["state"], state["isInMergeQueue"]) == ("OPEN", False)
    clock.now += 1
    assert state_of(client)["state"] == "MERGED"


def test_a_queue_takes_only_what_is_ready(forge: Forge) -> None:
    names = ("a", "b", "c", "d")
    client, clock = queued(
        forge, Job("a"), Job("b"), Job("c", takes_s=60), Job("d", after_s=60), checks=names
    )  # fmt: skip
    assert error_of(mutate(client, _ENQUEUE)) == (
        "Pull request 2 of 4 required status checks have not succeeded: 1 expected and 1 pending."
    )
    assert error_of(mutate(client, _ENQUEUE, head="0" * 40)) == (
        "expected head oid does not match the current head oid"
    )
    clock.now += 60
    assert "errors" not in dict(mutate(client, _ENQUEUE).data)  # type: ignore[call-overload]
    assert error_of(mutate(client, _ENQUEUE)) == "Pull request is already in the queue"


def test_one_check_that_is_expected_is_told_so(forge: Forge) -> None:
    client, _ = queued(forge, Job("a"), checks=("a", "b"))
    assert error_of(mutate(client, _ENQUEUE)) == (
        "Pull request 1 of 2 required status checks have not succeeded: 1 expected."
    )


def test_auto_merge_puts_into_the_queue_what_is_ready_by_then(forge: Forge) -> None:
    client, clock = queued(forge, Job("ci", takes_s=30), checks=("ci",))
    assert error_of(mutate(client, _AUTO_MERGE)) == "Auto merge is not allowed for this repository"
    client.project.allow_auto_merge = True
    assert "errors" not in dict(mutate(client, _AUTO_MERGE).data)  # type: ignore[call-overload]
    assert state_of(client)["autoMergeRequest"] is not None
    assert client.get()["auto_merge"]["merge_method"] == "squash"  # type: ignore[index]
    clock.now += 30
    state = state_of(client)
    assert (state["isInMergeQueue"], state["autoMergeRequest"]) == (True, None)
    clock.now += 60
    assert state_of(client)["state"] == "MERGED"


def test_auto_merge_without_a_queue_merges_by_its_method(forge: Forge) -> None:
    client, clock = queued(forge, Job("ci", takes_s=30))
    client.project.protect("main", checks=["ci"])
    client.project.allow_auto_merge = True
    mutate(client, _AUTO_MERGE)
    clock.now += 30
    assert state_of(client)["state"] == "MERGED"
    assert len(client.project.storage.parents(str(client.project.storage.branch("main")))) == 1


@pytest.mark.parametrize("state", ["clean", "unstable"])
def test_auto_merge_is_refused_when_nothing_is_left_to_wait_for(forge: Forge, state: str) -> None:
    client, _ = queued(forge, *([Job("lint", takes_s=60)] if state == "unstable" else []))
    client.project.rules.clear()
    client.project.allow_auto_merge = True
    assert error_of(mutate(client, _AUTO_MERGE)) == f"Pull request Pull request is in {state} status"


def test_graphql_answers_what_is_asked_for_and_nothing_else(forge: Forge) -> None:
    client, _ = queued(forge, Job("ci", state="failure"), Job("build", run=True, takes_s=9))
    query = """
    query ($owner: String!, $count: Int = 5) {  # a comment
      repository(owner: $owner, name: "lib") {
        found: pullRequests(first: $count, headRefName: "update", states: [OPEN]) {
          totalCount
          nodes {
            __typename number reviewDecision
            commits(last: 1) { nodes { commit { oid statusCheckRollup {
              state contexts(first: 100) { nodes {
                __typename ... on StatusContext { context state } ... on CheckRun { name status conclusion }
              } }
            } } } }
          }
        }
      }
    }
    """
    head = client.project.pulls[0].head_rev
    assert ask(client, query, {"owner": "acme"})["data"] == {"repository": {"found": {"totalCount": 1, "nodes": [{
        "__typename": "PullRequest", "number": 1, "reviewDecision": None,
        "commits": {"nodes": [{"commit": {"oid": head, "statusCheckRollup": {
            "state": "FAILURE",
            "contexts": {"nodes": [
                {"__typename": "StatusContext", "context": "ci", "state": "FAILURE"},
                {"__typename": "CheckRun", "name": "build", "status": "IN_PROGRESS", "conclusion": None},
            ]},
        }}}]},
    }]}}}  # fmt: skip


@pytest.mark.parametrize("place", ["waiting", "queued", "thrown out", "merged"])
def test_what_graphql_answers_is_what_githubs_schema_describes(forge: Forge, place: str) -> None:
    client, clock = queued(forge, Job("ci"), Job("build", run=True))
    client.project.queue_fails = "failed checks" if place == "thrown out" else None
    if place != "waiting":
        mutate(client, _ENQUEUE)
    clock.now += 60 if place in ("thrown out", "merged") else 0
    query = _EVERYTHING.replace("ID", f'"{client.get()["node_id"]}"')
    told = ask(client, query, {})["data"]
    schema = build_schema((Path(__file__).parent / "descriptions/github.graphql").read_text())
    again = graphql_sync(schema, query, root_value=told)
    assert (again.errors, again.data) == (None, told)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("{ viewer { name } }", "Field 'name' doesn't exist on type 'User'"),
        ("{ viewer }", "Field must have selections"),
        ("{ viewer { login { x } } }", "Selections can't be made on scalars"),
        ("{ viewer { login }", "Unexpected end of document"),
        ("{ viewer % }", "Parse error"),
        ("query ($id: ID!) { node(id: $id) { ... on PullRequest { id } } }", "Variable $id"),
        ('{ node(id: "PR_7") { ... on PullRequest { id } } }', "Could not resolve to a node with the global id of"),
        ('{ repository(owner: "acme", name: "no") { id } }', "Could not resolve to a Repository"),
    ],
)
def test_what_is_wrong_with_a_query_is_told_with_status_200(forge: Forge, query: str, words: str) -> None:
    client, _ = queued(forge)
    assert words in error_of(ask(client, query, {}))


def test_graphql_is_for_those_with_a_token_and_may_be_missing(forge: Forge) -> None:
    client, _ = queued(forge)
    assert ask(client.as_(None), "{ viewer { login } }", {}).status == 401
    assert error_of(mutate(client.as_(READER), _ENQUEUE)) == "Resource not accessible by personal access token"
    client.site.graphql = False
    assert ask(client, "{ viewer { login } }", {}).status == 404


_CAR = "/merge_trains/merge_requests/1"


def on_rails(forge: Forge, *jobs: Job) -> tuple[Client, Clock]:
    """Return a client for a GitLab whose trains take 60 seconds."""
    client, clock = client_of(forge, "gitlab"), Clock()
    client.site.clock, client.site.thinks_for = clock, 0
    client.project.ci = [*jobs]
    client.project.trains, client.project.queue_after_s = True, 60
    client.project.only_allow_merge_if_pipeline_succeeds = bool(jobs)
    client.open()
    return client, clock


def test_a_merge_request_goes_by_train(forge: Forge) -> None:
    client, clock = on_rails(forge)
    assert client.call("GET", _CAR).status == 404
    answer = client.call("POST", _CAR, {"sha": client.project.pulls[0].head_rev, "squash": True})
    assert answer.status == 201
    assert isinstance(answer.data, list)
    assert answer.data[0]["pipeline"]["ref"] == "refs/merge-requests/1/train"
    assert [client.call("GET", _CAR)["status"] for _ in range(2)] == ["idle", "fresh"]
    assert client.get()["state"] == "opened"
    clock.now += 60
    assert client.call("GET", _CAR)["status"] == "merged"
    told = client.get()
    assert (told["state"], told["merge_commit_sha"]) == ("merged", client.project.storage.branch("main"))
    assert told["squash_commit_sha"] is not None


def test_what_the_train_drops_is_not_found_on_it(forge: Forge) -> None:
    client, clock = on_rails(forge)
    client.project.queue_fails = "failed pipeline"
    client.call("POST", _CAR, {})
    clock.now += 60
    assert client.call("GET", _CAR).status == 404
    assert client.get()["state"] == "opened"
    client.project.queue_fails = None
    client.call("POST", _CAR, {})
    branch(client.project, "update", {"flake.lock": "3"})
    pushed(client)
    assert client.call("GET", _CAR).status == 404


@pytest.mark.parametrize("field", ["auto_merge", "when_pipeline_succeeds"])
def test_a_train_waits_for_a_pipeline_where_that_is_asked_for(forge: Forge, field: str) -> None:
    client, clock = on_rails(forge, Job("ci", takes_s=10))
    assert client.call("POST", _CAR, {}).status == 400
    assert client.call("POST", _CAR, {field: True}).status == 202
    assert client.call("GET", _CAR).status == 404
    clock.now += 10
    assert client.call("GET", _CAR)["status"] == "idle"
    clock.now += 60
    assert client.get()["state"] == "merged"


def test_who_may_not_go_by_train_is_told_why(forge: Forge) -> None:
    client, _ = on_rails(forge)
    assert client.call("POST", _CAR, {"sha": "0" * 40}).status == 409
    assert client.call("POST", "/merge_trains/merge_requests/7", {}).status == 404
    assert client.as_(READER).call("POST", _CAR, {}).status == 403
    client.project.trains = False
    assert client.call("POST", _CAR, {}).status == 403
    assert client.call("GET", _CAR).status == 403


def test_while_gitlab_thinks_it_says_yes_and_does_nothing(forge: Forge) -> None:
    client, _ = on_rails(forge)
    client.site.thinks_for = 100
    assert client.call("POST", _CAR, {}).status == 201
    assert client.call("GET", _CAR).status == 404


def test_auto_merge_goes_by_train_where_there_is_one_and_can_be_cancelled(forge: Forge) -> None:
    client, _ = on_rails(forge)
    cancel = "/merge_requests/1/cancel_merge_when_pipeline_succeeds"
    assert client.call("POST", cancel, {}).status == 406
    answer = client.call("PUT", "/merge_requests/1/merge", {"auto_merge": True})
    assert (answer.status, answer["state"]) == (200, "opened")
    assert client.call("GET", _CAR)["status"] == "idle"
    assert client.call("POST", cancel, {}).status == 201
    assert client.call("GET", _CAR).status == 404
