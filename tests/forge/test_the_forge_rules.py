"""What a protected branch of the tests' forge demands, and in which words a merge is refused."""

import pytest

from flakesync.demo.forge.model import Kind, Review
from tests.support.forge import Forge
from tests.support.forge.client import HOSTS, REVIEWER, Client, branch, client_of, pushed, thought

Kinds = pytest.mark.parametrize("kind", list(HOSTS))


def opened(forge: Forge, kind: Kind) -> Client:
    client = client_of(forge, kind)
    client.site.thinks_for = 0
    client.open()
    return client


def report(client: Client, name: str, state: str) -> None:
    head = client.project.pulls[0].head_rev
    key = "name" if client.kind == "gitlab" else "context"
    assert client.call("POST", f"/statuses/{head}", {"state": state, key: name}).status == 201


def approve(client: Client) -> None:
    pull, account = client.project.pulls[0], client.site.people["reviewer"]
    pull.reviews.append(Review(7, account, "approved", pull.head_rev, "", 0.0))


def refusal(client: Client, method: str = "merge") -> str:
    answer = client.merge(method)
    assert answer.status == 405
    return str(answer["message"])


def state_of(client: Client) -> object:
    return client.get()["detailed_merge_status" if client.kind == "gitlab" else "mergeable_state"]


def test_classic_protection_of_github_says_one_line(forge: Forge) -> None:
    client = opened(forge, "github")
    client.project.protect("main", checks=["ci"], approvals=1)
    assert refusal(client) == 'Required status check "ci" is expected.'
    report(client, "ci", "pending")
    assert refusal(client) == 'Required status check "ci" is pending.'
    report(client, "ci", "failure")
    assert refusal(client) == 'Required status check "ci" is failing.'
    report(client, "ci", "error")
    assert refusal(client) == 'Required status check "ci" is errored.'
    report(client, "ci", "success")
    assert refusal(client) == "At least 1 approving review is required by reviewers with write access."
    client.project.protect("main", checks=["ci"], approvals=2)
    assert refusal(client) == "At least 2 approving reviews are required by reviewers with write access."
    client.project.protect("main", queue=True)
    assert refusal(client) == "Changes must be made through the merge queue"


def test_classic_protection_of_github_counts_several_checks_and_names_none(forge: Forge) -> None:
    client = opened(forge, "github")
    client.project.protect("main", checks=["a", "b", "c"])
    assert refusal(client) == "3 of 3 required status checks are expected."
    report(client, "a", "pending")
    assert refusal(client) == "3 of 3 required status checks have not succeeded: 2 expected and 1 pending."
    report(client, "b", "success")
    report(client, "c", "failure")
    assert refusal(client) == "2 of 3 required status checks have not succeeded: 1 failing and 1 pending."


def test_a_ruleset_of_github_says_all_lines(forge: Forge) -> None:
    client = opened(forge, "github")
    client.project.ruleset = True
    client.project.protect("main", checks=["a", "b"], approvals=1, queue=True)
    head = client.project.pulls[0].head_rev
    client.call("POST", "/check-runs", {"name": "b", "head_sha": head, "status": "in_progress"})
    assert refusal(client) == (
        "Repository rule violations found\n\n"
        'Required status check "a" is expected.\n\n'
        'Required status check "b" is in progress.\n\n'
        "At least 1 approving review is required by reviewers with write access.\n\n"
        "Changes must be made through the merge queue\n\n"
    )


def test_the_rules_of_github_are_read_where_each_kind_is(forge: Forge) -> None:
    client = opened(forge, "github")
    project = client.project
    project.protect("main", checks=["ci"], approvals=2, queue=True)
    classic = client.call("GET", "/branches/main")
    assert classic["protected"] is True
    assert classic["protection"]["required_status_checks"] == {  # type: ignore[index]
        "enforcement_level": "everyone", "contexts": ["ci"], "checks": [{"context": "ci", "app_id": None}],
    }  # fmt: skip
    assert client.call("GET", "/rules/branches/main").data == []
    project.ruleset = True
    assert client.call("GET", "/branches/main")["protection"]["required_status_checks"]["contexts"] == []  # type: ignore[index]
    told = client.call("GET", "/rules/branches/main").data
    assert isinstance(told, list)
    rules = {rule["type"]: rule.get("parameters") for rule in told}
    assert rules["required_status_checks"]["required_status_checks"] == [{"context": "ci"}]
    assert rules["pull_request"]["required_approving_review_count"] == 2
    assert rules["pull_request"]["allowed_merge_methods"] == ["merge", "squash", "rebase"]
    assert rules["merge_queue"]["merge_method"] == "MERGE"
    assert client.call("GET", "/rules/branches/update").data == []


def test_github_says_in_a_word_how_a_pull_request_stands(forge: Forge) -> None:
    client = client_of(forge, "github")
    client.site.thinks_for = 2  # the answer to the new pull request is a look too
    client.open()
    project, pull = client.project, client.project.pulls[0]
    assert [state_of(client), state_of(client)] == ["unknown", "clean"]
    report(client, "lint", "pending")
    assert state_of(client) == "unstable"
    report(client, "lint", "failure")
    assert state_of(client) == "unstable"
    project.protect("main", checks=["ci"])
    assert state_of(client) == "blocked"
    report(client, "ci", "success")
    report(client, "lint", "success")
    assert state_of(client) == "clean"
    pull.draft = True
    assert state_of(client) == "draft"
    pull.draft = False
    project.protect("main", checks=["ci"], strict=True)
    branch(project, "main", {"else": "1"})
    pushed(client)
    thought(client)
    assert state_of(client) == "behind"
    assert client.merge().status == 405
    branch(project, "main", {"flake.lock": "else"})
    pushed(client)
    thought(client)
    assert state_of(client) == "dirty"


def test_a_skipped_or_neutral_check_run_of_github_counts_as_passed(forge: Forge) -> None:
    client = opened(forge, "github")
    client.project.protect("main", checks=["a", "b"])
    head = client.project.pulls[0].head_rev
    for name, conclusion in (("a", "skipped"), ("b", "neutral")):
        client.call("POST", "/check-runs", {"name": name, "head_sha": head, "conclusion": conclusion})
    runs = client.call("GET", f"/commits/{head}/check-runs")["check_runs"]
    assert isinstance(runs, list)
    assert [run["conclusion"] for run in runs] == ["skipped", "neutral"]
    assert client.merge().status == 200


@pytest.mark.parametrize(
    ("kind", "method", "words"),
    [
        ("github", "merge", "Merge commits are not allowed on this repository"),
        ("github", "squash", "Squash merges are not allowed on this repository."),
        ("github", "rebase", "Rebase merges are not allowed on this repository."),
        ("forgejo", "merge", "merge is not allowed an allowed merge style for this repository"),
        ("forgejo", "rebase-merge", "rebase-merge is not allowed an allowed merge style for this repository"),
    ],
)
def test_a_method_that_is_not_allowed_is_refused_in_the_forges_words(
    forge: Forge, kind: Kind, method: str, words: str
) -> None:
    client = opened(forge, kind)
    client.project.methods = ("fast-forward",)
    assert refusal(client, method) == words


def test_forgejo_says_one_reason_in_either_form(forge: Forge) -> None:
    client = opened(forge, "forgejo")
    client.project.protect("main", checks=["ci"], approvals=1)
    assert refusal(client) == "not allowed to merge [reason: Not all required status checks successful]"
    client.site.gitea = True
    assert refusal(client) == "Not all required status checks successful"
    report(client, "ci", "success")
    assert refusal(client) == "Does not have enough approvals"
    client.site.gitea = False
    assert refusal(client) == "not allowed to merge [reason: Does not have enough approvals]"
    assert client.get()["mergeable"] is True  # what protection says is no part of it


def test_forgejo_takes_names_of_checks_as_globs(forge: Forge) -> None:
    client = opened(forge, "forgejo")
    client.project.protect("main", checks=["ci/*"])
    report(client, "lint", "success")
    assert "Not all required status checks" in refusal(client)
    report(client, "ci/build", "warning")
    assert "Not all required status checks" in refusal(client)
    report(client, "ci/build", "success")
    assert client.merge().status == 200


def test_the_rules_of_forgejo_are_told_with_the_branch(forge: Forge) -> None:
    client = opened(forge, "forgejo")
    free = client.call("GET", "/branches/main")
    assert (free["protected"], free["enable_status_check"], free["user_can_merge"]) == (False, False, True)
    client.project.protect("main", checks=["ci/*"], approvals=2)
    told = client.call("GET", "/branches/main")
    assert (told["protected"], told["enable_status_check"], told["status_check_contexts"]) == (True, True, ["ci/*"])
    assert (told["required_approvals"], told["user_can_merge"], told["user_can_push"]) == (2, True, False)


def test_gitlab_shows_the_first_reason_and_ci_is_the_last(forge: Forge) -> None:
    client = opened(forge, "gitlab")
    project, pull = client.project, client.project.pulls[0]
    project.protect("main", checks=["ci"], approvals=1)
    base = project.storage.branch("main")
    branch(project, "main", {"flake.lock": "else"})
    pushed(client)
    assert state_of(client) == "not_approved"
    approve(client)
    assert state_of(client) == "conflict"
    project.storage.set_branch("main", base, project.storage.branch("main"))
    pushed(client)
    assert state_of(client) == "ci_must_pass"
    report(client, "ci", "running")
    assert state_of(client) == "ci_still_running"
    assert refusal(client) == "405 Method Not Allowed"
    report(client, "ci", "failed")
    assert state_of(client) == "ci_must_pass"
    report(client, "ci", "success")
    pull.draft = True
    assert state_of(client) == "draft_status"
    pull.draft = False
    assert client.merge().status == 200


def test_the_rules_of_gitlab_are_told_with_the_project(forge: Forge) -> None:
    client = client_of(forge, "gitlab")
    project = client.project
    keys = ("only_allow_merge_if_pipeline_succeeds", "allow_merge_on_skipped_pipeline", "squash_option")
    more = ("merge_trains_enabled", "merge_pipelines_enabled")
    told = client.call("GET", "")
    assert [told[key] for key in (*keys, *more)] == [False, False, "default_off", False, False]
    project.protect("main", checks=["ci"])
    project.methods = ("merge",)
    project.allow_merge_on_skipped_pipeline = project.trains = True
    told = client.call("GET", "")
    assert [told[key] for key in (*keys, *more)] == [True, True, "never", True, True]


def test_gitlab_squashes_by_its_option(forge: Forge) -> None:
    client = opened(forge, "gitlab")
    pull = client.project.pulls[0]
    client.project.squash_option = "never"
    answer = client.merge("squash")
    assert (answer.status, answer["message"]) == (422, "Branch cannot be merged")
    assert "does not allow squashing" in str(client.get()["merge_error"])
    client.project.squash_option = "always"
    assert client.merge().status == 200
    assert pull.squash_commit is not None


@Kinds
def test_a_base_that_moves_under_a_merge_is_told_as_often_as_wanted(forge: Forge, kind: Kind) -> None:
    client = opened(forge, kind)
    client.project.base_modified_times = 2
    status, words = {
        "github": (405, "Base branch was modified. Review and try the merge again."),
        "gitlab": (422, "Branch cannot be merged"),
        "forgejo": (409, "merge push out of date"),
    }[kind]
    for _ in range(2):
        answer = client.merge()
        assert (answer.status, answer["message"]) == (status, words)
    assert client.merge().status == 200


@Kinds
def test_a_new_commit_can_cost_the_approval(forge: Forge, kind: Kind) -> None:
    client = opened(forge, kind)
    client.project.protect("main", approvals=1)
    client.project.dismiss_stale = True
    approve(client)
    branch(client.project, "update", {"flake.lock": "3"})
    pushed(client)
    assert client.merge().status == 405
    if kind != "gitlab":
        told = client.call("GET", "/pulls/1/reviews").data
        assert isinstance(told, list)
        assert told[0]["state" if kind == "github" else "dismissed"] == ("DISMISSED" if kind == "github" else True)
        event = "APPROVE" if kind == "github" else "APPROVED"
        assert client.as_(REVIEWER).call("POST", "/pulls/1/reviews", {"event": event}).status == 200
    else:
        assert client.call("GET", "/merge_requests/1/approvals")["approved"] is False
        assert client.as_(REVIEWER).call("POST", "/merge_requests/1/approve", {}).status == 201
    assert client.merge().status == 200


def test_how_many_approvals_are_left_is_told_by_the_gitlab_that_is_paid_for(forge: Forge) -> None:
    client = opened(forge, "gitlab")
    client.project.protect("main", approvals=2)
    approve(client)
    told = client.call("GET", "/merge_requests/1/approvals")
    assert told["approved"] is True
    assert "approvals_left" not in dict(told.data)  # type: ignore[call-overload]
    client.site.premium = True
    told = client.call("GET", "/merge_requests/1/approvals")
    assert (told["approvals_required"], told["approvals_left"]) == (2, 1)
