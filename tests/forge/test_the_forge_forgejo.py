"""What is peculiar to the Forgejo, or Gitea, of the tests' forge."""

import pytest

from flakesync.demo.forge.model import Job
from tests.support.forge import Forge
from tests.support.forge.client import Client, Reply, branch, client_of, pushed
from tests.support.forge.clock import Clock


def opened(forge: Forge) -> Client:
    client = client_of(forge, "forgejo")
    client.site.thinks_for = 0
    client.open()
    return client


def report(client: Client, *statuses: tuple[str, str]) -> str:
    head = client.project.pulls[0].head_rev
    for name, state in statuses:
        assert client.call("POST", f"/statuses/{head}", {"state": state, "context": name}).status == 201
    return head


def items(reply: Reply) -> list[dict[str, object]]:
    assert isinstance(reply.data, list)
    return reply.data


@pytest.mark.parametrize(
    ("states", "forgejo", "gitea"),
    [
        (["pending", "warning"], "warning", "pending"),
        (["pending", "success"], "pending", "pending"),
        (["warning", "success"], "warning", "success"),
        (["failure", "error", "pending"], "error", "failure"),
        (["success"], "success", "success"),
    ],
)
def test_the_combined_status_is_the_worst_and_a_warning_hides_what_is_pending(
    forge: Forge, states: list[str], forgejo: str, gitea: str
) -> None:
    client = opened(forge)
    head = report(client, *((f"check {number}", state) for number, state in enumerate(states)))
    assert client.call("GET", f"/commits/{head}/status")["state"] == forgejo
    client.site.gitea = True
    assert client.call("GET", f"/commits/{head}/status")["state"] == gitea


def test_the_combined_status_is_of_one_page(forge: Forge) -> None:
    client = opened(forge)
    head = report(client, ("first", "failure"), *((f"check {number}", "success") for number in range(30)))
    told = client.call("GET", f"/commits/{head}/status")
    assert (told["state"], told["total_count"]) == ("success", 30)
    assert client.call("GET", f"/commits/{head}/status?limit=50")["state"] == "failure"
    assert client.call("GET", f"/commits/{head}/status?page=2")["total_count"] == 1


def test_a_commit_without_a_status_has_an_empty_combined_one(forge: Forge) -> None:
    client = opened(forge)
    told = client.call("GET", f"/commits/{report(client)}/status")
    assert (told["state"], told["statuses"], told["total_count"]) == ("", None, 0)


def test_all_statuses_of_a_commit_are_listed_with_repeats_the_newest_first(forge: Forge) -> None:
    client = opened(forge)
    head = report(client, ("ci", "pending"), ("lint", "success"), ("ci", "success"))
    for place in (f"/commits/{head}/statuses", f"/statuses/{head}"):
        found = items(client.call("GET", place))
        assert [(each["context"], each["status"]) for each in found] == [
            ("ci", "success"), ("lint", "success"), ("ci", "pending"),
        ]  # fmt: skip
    page = client.call("GET", f"/commits/{head}/statuses?limit=2&page=2")
    assert (len(items(page)), page.headers["x-total-count"]) == (1, "3")


def test_a_job_leaves_what_it_said_before_in_the_list(forge: Forge) -> None:
    client = opened(forge)
    client.project.ci = [Job("ci", state="warning")]
    head = client.project.pulls[0].head_rev
    found = items(client.call("GET", f"/commits/{head}/statuses"))
    assert [each["status"] for each in found] == ["warning", "pending"]
    client.project.protect("main", checks=["ci"])
    assert client.merge().status == 405
    client.site.gitea = True
    assert client.merge().status == 200


def test_where_all_checks_have_to_pass_there_has_to_be_one(forge: Forge) -> None:
    client = opened(forge)
    client.project.protect("main", all_checks=True)
    told = client.call("GET", "/branches/main")
    assert (told["enable_status_check"], told["status_check_contexts"]) == (True, [])
    assert client.merge().status == 405
    report(client, ("ci", "success"), ("lint", "failure"))
    assert client.merge().status == 405
    report(client, ("lint", "success"))
    assert client.merge().status == 200


def test_an_open_dependency_is_an_error_without_a_word(forge: Forge) -> None:
    client, other = opened(forge), client_of(forge, "forgejo", "acme/other")
    other.open()
    wanted = {"owner": "acme", "repo": "other", "index": 1}
    assert client.call("POST", "/issues/1/dependencies", wanted).status == 201
    assert client.call("POST", "/issues/1/dependencies", wanted).status == 500
    circle = {"owner": "acme", "repo": "lib", "index": 1}
    assert other.call("POST", "/issues/1/dependencies", circle).status == 500
    (found,) = items(client.call("GET", "/issues/1/dependencies"))
    assert (found["state"], str(found["html_url"]).partition("/acme")[2]) == ("open", "/other/pulls/1")
    answer = client.merge()
    assert (answer.status, answer["message"]) == (500, "")
    assert client.get()["mergeable"] is True
    assert other.merge().status == 200
    assert items(client.call("GET", "/issues/1/dependencies"))[0]["state"] == "closed"
    assert client.merge().status == 200


def test_dependencies_are_not_found_where_they_are_switched_off(forge: Forge) -> None:
    client = opened(forge)
    client.site.dependencies = False
    assert client.call("GET", "/issues/1/dependencies").status == 404
    assert client.call("POST", "/issues/1/dependencies", {"owner": "acme", "repo": "lib", "index": 1}).status == 404


def test_a_conflict_sounds_like_a_pull_request_that_it_still_thinks_about(forge: Forge) -> None:
    client = opened(forge)
    client.site.thinks_for = 2  # the answer to the new pull request was a look too
    thinks = client.merge()
    branch(client.project, "main", {"flake.lock": "else"})
    pushed(client)
    client.merge()
    conflicts = client.merge()
    for answer in (thinks, conflicts):
        assert (answer.status, answer["message"]) == (405, "Please try again later")


def test_it_asks_in_its_own_order(forge: Forge) -> None:
    client = opened(forge)
    client.project.protect("main", approvals=1)
    client.project.methods = ("merge",)
    stale = "0" * 40
    assert "enough approvals" in str(client.merge("squash", guard=stale)["message"])
    client.project.rules.clear()
    assert "allowed merge style" in str(client.merge("squash", guard=stale)["message"])
    answer = client.merge("merge", guard=stale)
    assert (answer.status, answer["message"]) == (409, "head out of date")


def test_what_is_merged_already_is_405_without_a_word_and_what_is_closed_is_not_found(forge: Forge) -> None:
    client = opened(forge)
    client.edit({"state": "closed"})
    assert client.merge().status == 404
    client.edit({"state": "open"})
    assert client.merge().status == 200
    answer = client.merge()
    assert (answer.status, answer["message"]) == (405, "")


def test_what_cannot_be_fast_forwarded_is_an_error_without_a_word(forge: Forge) -> None:
    client = opened(forge)
    branch(client.project, "main", {"else": "1"})
    pushed(client)
    answer = client.merge("fast-forward-only")
    assert (answer.status, answer["message"]) == (500, "")


def test_reviewers_may_be_null_and_may_have_a_null_among_them(forge: Forge) -> None:
    client = opened(forge)
    assert client.get()["requested_reviewers"] is None
    client.project.pulls[0].ghost_reviewers = 1
    assert client.get()["requested_reviewers"] == [None]
    client.call("POST", "/pulls/1/requested_reviewers", {"reviewers": ["reviewer"]})
    asked = client.get()["requested_reviewers"]
    assert isinstance(asked, list)
    assert [each and each["login"] for each in asked] == ["reviewer", None]


def test_the_default_style_may_be_one_that_is_not_allowed(forge: Forge) -> None:
    client = opened(forge)
    client.project.methods, client.project.default_method = ("squash",), "merge"
    told = client.call("GET", "")
    assert (told["default_merge_style"], told["allow_merge_commits"], told["allow_squash_merge"]) == (
        "merge", False, True,
    )  # fmt: skip


@pytest.mark.parametrize("gitea", [False, True])
def test_a_scheduled_merge_happens_when_a_status_arrives(forge: Forge, gitea: bool) -> None:
    client, clock = opened(forge), Clock()
    client.site.clock, client.site.gitea = clock, gitea
    client.project.protect("main", checks=["ci"])
    wish = {"Do": "squash", "merge_when_checks_succeed": True}
    assert client.call("POST", "/pulls/1/merge", wish).status == 201
    assert client.call("POST", "/pulls/1/merge", wish).status == 409
    assert client.get()["merged"] is False
    report(client, ("ci", "success"))
    assert client.get()["merged"] is True


def test_what_is_green_when_it_is_scheduled_waits_for_another_status_except_on_gitea(forge: Forge) -> None:
    client = opened(forge)
    client.call("POST", "/pulls/1/merge", {"Do": "squash", "merge_when_checks_succeed": True})
    assert client.get()["merged"] is False
    assert client.call("DELETE", "/pulls/1/merge").status == 204
    assert client.call("DELETE", "/pulls/1/merge").status == 404
    client.site.gitea = True
    client.call("POST", "/pulls/1/merge", {"Do": "squash", "merge_when_checks_succeed": True})
    assert client.get()["merged"] is True
