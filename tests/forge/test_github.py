from typing import Any

import httpx2
import pytest

from flakesync.forge.github.adapter import GitHub
from flakesync.forge.model import ForgeError, NewPull, Project, Pull, Waiting
from flakesync.forge.refusals import Unclear
from flakesync.terms import Rev
from tests.forge.described import github as description
from tests.forge.scripted import Script

LIB = Project("github.com", "acme/lib")
HEAD, NEXT, MERGED = Rev("1" * 40), Rev("2" * 40), Rev("3" * 40)
NEW = NewPull("flakesync/update", "main", "Update", "Body")
REFUSED = {"message": "Validation Failed", "documentation_url": "https://docs.github.com/rest"}
DOUBLE = {**REFUSED, "errors": [{"message": "A pull request already exists for acme:flakesync/update."}]}


@pytest.fixture
def script() -> Script:
    return Script("https://api.github.com", description())


@pytest.fixture
def forge(script: Script) -> GitHub:
    return GitHub(script.client(GitHub.headers("s3cret"), "github.com"))


def shown(number: int = 7, **changes: Any) -> dict[str, Any]:
    return {
        "number": number,
        "html_url": f"https://github.com/acme/lib/pull/{number}",
        "state": "open",
        "title": "Update",
        "body": "Body",
        "draft": False,
        "labels": [],
        "merged_at": None,
        "merge_commit_sha": NEXT,
        "mergeable": True,
        "head": {"ref": "flakesync/update", "sha": HEAD, "repo": {"id": 1}},
        "base": {"ref": "main", "sha": NEXT, "repo": {"id": 1}},
        **changes,
    }


PULL = Pull(7, "https://github.com/acme/lib/pull/7", "open", "Update", "Body", HEAD, "flakesync/update", "main")


def test_find_asks_once_for_the_branch_of_the_owner_and_tells_all_that_publish_compares(
    script: Script, forge: GitHub
) -> None:
    script.then(200, [shown(labels=[{"name": "flake-lock"}], draft=True)])
    found = forge.find(LIB, head="flakesync/update", base="main")
    assert found is not None
    assert (found.number, found.state, found.title, found.body) == (7, "open", "Update", "Body")
    assert (found.head, found.labels, found.draft, found.merged_rev) == (HEAD, ("flake-lock",), True, None)
    query = "state=all&head=acme%3Aflakesync%2Fupdate&base=main&sort=created&direction=desc&per_page=100"
    assert script.told == [f"GET /repos/acme/lib/pulls?{query}"]
    assert script.headers[0]["authorization"] == "Bearer s3cret"
    assert script.headers[0]["x-github-api-version"] == "2022-11-28"


def test_find_prefers_the_open_one_and_else_takes_the_newest(script: Script, forge: GitHub) -> None:
    script.then(200, [shown(9, state="closed"), shown(8)])
    assert forge.find(LIB, head="flakesync/update", base="main").number == 8  # type: ignore[union-attr]
    script.then(200, [shown(9, state="closed"), shown(8, state="closed", merged_at="2026-01-01T00:00:00Z")])
    found = forge.find(LIB, head="flakesync/update", base="main")
    assert (found.number, found.state) == (9, "closed")  # type: ignore[union-attr]
    script.then(200, [])
    assert forge.find(LIB, head="flakesync/update", base="main") is None


def test_a_merged_one_has_the_commit_on_the_base_and_a_closed_one_only_a_trial_merge(
    script: Script, forge: GitHub
) -> None:
    script.then(200, shown(state="closed", merged_at="2026-01-01T00:00:00Z", merge_commit_sha=MERGED))
    assert (forge.get(LIB, 7).state, script.told[-1]) == ("merged", "GET /repos/acme/lib/pulls/7")
    script.then(200, shown(state="closed", merged_at="2026-01-01T00:00:00Z", merge_commit_sha=MERGED))
    assert forge.get(LIB, 7).merged_rev == MERGED
    script.then(200, shown(state="closed"))
    assert (forge.get(LIB, 7).state, script.pauses) == ("closed", [])
    script.then(200, shown(state="closed"))
    assert forge.get(LIB, 7).merged_rev is None


def test_a_fork_with_the_same_branch_is_not_ours(script: Script, forge: GitHub) -> None:
    fork = {"ref": "flakesync/update", "sha": NEXT, "repo": {"id": 2}}
    gone = {"ref": "flakesync/update", "sha": NEXT, "repo": None}
    script.then(200, [shown(9, head=fork), shown(8, head=gone)])
    assert forge.find(LIB, head="flakesync/update", base="main") is None


def test_an_open_one_behind_a_hundred_closed_ones_is_found(script: Script, forge: GitHub) -> None:
    script.then(200, [shown(200 - n, state="closed") for n in range(100)])
    script.then(200, [shown(3)])
    assert forge.find(LIB, head="flakesync/update", base="main").number == 3  # type: ignore[union-attr]
    assert len(script.told) == 2
    assert "state=open" in script.told[1]


def test_a_fresh_pull_request_with_labels_and_reviewers_takes_four_calls(script: Script, forge: GitHub) -> None:
    new = NewPull("flakesync/update", "main", "Update", "Body", True, ("flake-lock",), ("ann", "acme/core"))
    script.then(200, []).then(201, shown(draft=True)).then(200, [{"name": "flake-lock"}]).then(201, shown())
    assert forge.find(LIB, head="flakesync/update", base="main") is None
    made = forge.create(LIB, new)
    assert (made.number, made.labels) == (7, ("flake-lock",))
    assert script.told[1:] == [
        "POST /repos/acme/lib/pulls",
        "POST /repos/acme/lib/issues/7/labels",
        "POST /repos/acme/lib/pulls/7/requested_reviewers",
    ]
    assert script.bodies[1] == {
        "title": "Update", "body": "Body", "head": "flakesync/update", "base": "main", "draft": True,
    }  # fmt: skip
    assert script.bodies[2] == {"labels": ["flake-lock"]}
    assert script.bodies[3] == {"reviewers": ["ann"], "team_reviewers": ["core"]}


def test_after_a_lost_answer_it_looks_before_it_opens_again(script: Script, forge: GitHub) -> None:
    script.breaks().then(200, [shown()])
    assert forge.create(LIB, NEW).number == 7
    assert [line.partition("?")[0] for line in script.told] == [
        "POST /repos/acme/lib/pulls",
        "GET /repos/acme/lib/pulls",
    ]


def test_when_nothing_came_of_a_lost_answer_it_is_opened_once_more_and_then_given_up(
    script: Script, forge: GitHub
) -> None:
    script.then(502, "bad gateway").then(200, []).then(201, shown())
    assert forge.create(LIB, NEW).number == 7
    script.breaks().then(200, []).breaks().then(200, [])
    with pytest.raises(Unclear) as caught:
        forge.create(LIB, NEW)
    assert caught.value.code == "forge-unreachable"


def test_one_that_is_there_already_is_taken_and_gets_our_title(script: Script, forge: GitHub) -> None:
    script.then(422, DOUBLE).then(200, [shown(title="Old")]).then(200, shown())
    assert forge.create(LIB, NEW).title == "Update"
    assert script.told[-1] == "PATCH /repos/acme/lib/pulls/7"
    assert script.bodies[-1] == {"title": "Update", "body": "Body"}


def test_another_refusal_is_told_with_githubs_words(script: Script, forge: GitHub) -> None:
    errors = [{"resource": "PullRequest", "field": "base", "code": "invalid"}]
    script.then(422, {**REFUSED, "errors": errors})
    with pytest.raises(ForgeError) as caught:
        forge.create(LIB, NEW)
    assert caught.value.code == "forge"
    assert caught.value.message.endswith("status 422: Validation Failed; PullRequest base invalid")


def test_update_close_and_reopen_change_only_what_they_say(script: Script, forge: GitHub) -> None:
    script.then(200, shown(title="T")).then(200, shown(state="closed")).then(200, shown())
    assert forge.update(LIB, PULL, title="T", body="B").title == "T"
    assert forge.close(LIB, PULL).state == "closed"
    assert forge.reopen(LIB, PULL).state == "open"
    assert script.bodies == [{"title": "T", "body": "B"}, {"state": "closed"}, {"state": "open"}]


def test_check_runs_without_end_are_not_read_for_ever(script: Script, forge: GitHub) -> None:
    script.then(200, {"state": "pending", "statuses": [], "total_count": 0})
    for _ in range(60):
        script.then(200, {"total_count": 10**6, "check_runs": [{"status": "completed", "conclusion": "success"}] * 100})
    script.answers[51] = httpx2.Response(200, json=[])
    assert forge.merge_status(LIB, PULL).checks == "passed"


@pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
def test_a_merge_names_the_head_and_the_method(script: Script, forge: GitHub, method: Any) -> None:
    script.then(200, {"sha": MERGED, "merged": True, "message": "ok"})
    merged = forge.merge(LIB, PULL, head=HEAD, method=method)
    assert isinstance(merged, Pull)
    assert (merged.state, merged.merged_rev) == ("merged", MERGED)
    assert script.bodies == [{"sha": HEAD, "merge_method": method}]


@pytest.mark.parametrize(
    ("allowed", "method"),
    [
        ({}, "merge"),
        ({"allow_merge_commit": False, "allow_squash_merge": True, "allow_rebase_merge": True}, "squash"),
        ({"allow_merge_commit": False, "allow_squash_merge": False, "allow_rebase_merge": True}, "rebase"),
    ],
)
def test_the_default_method_is_the_first_that_the_repository_allows(
    script: Script, forge: GitHub, allowed: dict[str, bool], method: str
) -> None:
    script.then(200, allowed).then(200, {"sha": MERGED, "merged": True, "message": "ok"})
    forge.merge(LIB, PULL, head=HEAD, method="default")
    assert script.bodies[-1] == {"sha": HEAD, "merge_method": method}


def test_fast_forward_is_refused_before_anything_is_asked(script: Script, forge: GitHub) -> None:
    with pytest.raises(ForgeError, match="cannot be merged by fast-forward"):
        forge.merge(LIB, PULL, head=HEAD, method="fast-forward")
    assert script.told == []


def test_a_merge_whose_head_moved_says_so(script: Script, forge: GitHub) -> None:
    script.then(409, {"message": "Head branch was modified. Review and try the merge again."})
    script.then(200, shown(head={"ref": "flakesync/update", "sha": NEXT, "repo": {"id": 1}}))
    with pytest.raises(ForgeError) as caught:
        forge.merge(LIB, PULL, head=HEAD, method="merge")
    assert caught.value.code == "head-moved"


def test_a_merge_that_went_through_unheard_counts(script: Script, forge: GitHub) -> None:
    script.then(502, "x").then(405, {"message": "Pull Request is not mergeable"})
    script.then(200, shown(state="closed", merged_at="2026-01-01T00:00:00Z", merge_commit_sha=MERGED))
    assert forge.merge(LIB, PULL, head=HEAD, method="merge").merged_rev == MERGED  # type: ignore[union-attr]


def test_it_waits_while_github_is_thinking(script: Script, forge: GitHub) -> None:
    script.then(405, {"message": "Pull Request is not mergeable"}).then(200, shown(mergeable=None))
    script.then(405, {"message": "Merge already in progress"}).then(200, shown())
    script.then(200, {"sha": MERGED, "merged": True, "message": "ok"})
    merged = forge.merge(LIB, PULL, head=HEAD, method="merge")
    assert isinstance(merged, Pull)
    assert merged.merged_rev == MERGED
    assert script.pauses == [1.0, 2.0]


@pytest.mark.parametrize(
    ("words", "changes", "code"),
    [
        ("Pull Request is not mergeable", {"mergeable": False}, "forge-conflict"),
        ("Merge commits are not allowed on this repository.", {}, "forge-method"),
        ('Required status check "ci" is failing.', {}, "pull-checks-failed"),
        ("You're not authorized to push to this branch", {}, "forge-rights"),
        ("Base branch was modified. Review and try the merge again.", {}, "base-moved"),
        ("Pull Request is not mergeable", {"state": "closed"}, "forge"),
    ],
)
def test_why_it_cannot_be_merged(script: Script, forge: GitHub, words: str, changes: dict[str, Any], code: str) -> None:
    script.then(405, {"message": words}).then(200, shown(**changes))
    with pytest.raises(ForgeError) as caught:
        forge.merge(LIB, PULL, head=HEAD, method="merge")
    assert caught.value.code == code


RULES = "Repository rule violations found\n\n"


@pytest.mark.parametrize(
    ("words", "changes", "reason", "detail"),
    [
        ("Pull Request is still a draft", {"draft": True}, "person", "it is a draft"),
        ('Required status check "ci" is expected.', {}, "checks", 'Required status check "ci" is expected.'),
        (
            f'{RULES}Required status check "ci" is expected.\n\n',
            {},
            "checks",
            'Required status check "ci" is expected.',
        ),
        (
            "At least 1 approving review is required by reviewers with write access.",
            {},
            "reviews",
            "At least 1 approving review is required by reviewers with write access.",
        ),
        (RULES, {}, "person", "somebody has to look at it: Repository rule violations found"),
        ("The sky is falling", {}, "person", "somebody has to look at it: The sky is falling"),
    ],
)
def test_what_it_waits_for(
    script: Script, forge: GitHub, words: str, changes: dict[str, Any], reason: str, detail: str
) -> None:
    script.then(405, {"message": words}).then(200, shown(**changes))
    assert forge.merge(LIB, PULL, head=HEAD, method="merge") == Waiting(reason, detail)  # type: ignore[arg-type]


def test_checks_that_are_only_counted_are_named_from_the_rules(script: Script, forge: GitHub) -> None:
    words = "3 of 3 required status checks have not succeeded: 2 expected."
    script.then(405, {"message": words}).then(200, shown())
    contexts = [{"context": "build"}, {"context": "lint"}]
    rules = [{"type": "required_status_checks", "parameters": {"required_status_checks": contexts}}]
    script.then(200, rules).then(200, {"protection": {"required_status_checks": {"contexts": ["docs"]}}})
    script.then(200, {"state": "success", "statuses": [{"context": "lint", "state": "success"}], "total_count": 1})
    script.then(403, {"message": "Resource not accessible by personal access token"})
    assert forge.merge(LIB, PULL, head=HEAD, method="merge") == Waiting("checks", f"{words} (build, docs)")


def test_the_default_method_gives_way_to_one_that_the_rules_allow(script: Script, forge: GitHub) -> None:
    script.then(200, {"allow_rebase_merge": False})
    script.then(405, {"message": "Merge commits are not allowed on this repository."}).then(200, shown())
    script.then(200, {"sha": MERGED, "merged": True, "message": "ok"})
    assert isinstance(forge.merge(LIB, PULL, head=HEAD, method="default"), Pull)
    assert [body["merge_method"] for body in script.bodies if isinstance(body, dict)] == ["merge", "squash"]


@pytest.mark.parametrize(
    ("mergeable_state", "reason"),
    [("clean", None), ("has_hooks", None), ("unstable", "checks"), ("dirty", None)],
)
def test_a_token_that_may_not_read_check_runs_goes_by_what_github_says(
    script: Script, forge: GitHub, mergeable_state: str, reason: str | None
) -> None:
    script.then(200, {"state": "success", "statuses": [{"context": "lint", "state": "success"}], "total_count": 1})
    script.then(403, {"message": "Resource not accessible by personal access token"}).then(200, [])
    script.then(200, shown(mergeable_state=mergeable_state))
    merge_status = forge.merge_status(LIB, PULL)
    assert merge_status.checks == "unknown"
    assert (merge_status.waiting.reason if merge_status.waiting is not None else None) == reason


def test_what_blocks_it_is_read_from_the_rules_before_a_merge_is_tried(script: Script, forge: GitHub) -> None:
    script.then(200, {"state": "pending", "statuses": [], "total_count": 0})
    script.then(200, {"total_count": 0, "check_runs": []}).then(200, [])
    script.then(200, shown(mergeable_state="unknown")).then(200, shown(mergeable_state="blocked"))
    contexts = [{"context": "ci"}]
    script.then(200, [{"type": "required_status_checks", "parameters": {"required_status_checks": contexts}}])
    script.then(200, {"name": "main"})
    script.then(200, {"state": "pending", "statuses": [], "total_count": 0})
    script.then(200, {"total_count": 0, "check_runs": []})
    assert forge.merge_status(LIB, PULL).waiting == Waiting("checks", "required checks have not reported yet: ci")


def test_a_repository_that_was_transferred_is_asked_for_under_its_new_owner(script: Script, forge: GitHub) -> None:
    there = {"message": "Moved Permanently", "url": "https://api.github.com/repositories/1/pulls"}
    script.then(301, there, location="https://api.github.com/repositories/1/pulls?state=all")
    script.then(301, there, location="https://api.github.com/repositories/1").then(200, {"full_name": "New/lib"})
    script.then(200, [shown()]).then(200, shown())
    assert forge.find(LIB, head="flakesync/update", base="main").number == 7  # type: ignore[union-attr]
    forge.update(LIB, PULL, title="T", body="B")
    assert [line.partition("?")[0] for line in script.told] == [
        "GET /repos/acme/lib/pulls",
        "GET /repos/acme/lib",
        "GET /repositories/1",
        "GET /repos/New/lib/pulls",
        "PATCH /repos/New/lib/pulls/7",
    ]
    assert "head=New%3Aflakesync%2Fupdate" in script.told[3]


@pytest.mark.parametrize(
    ("status", "total", "runs", "checks"),
    [
        ("pending", 0, [], "none"),
        ("success", 1, [], "passed"),
        ("pending", 2, [], "pending"),
        ("failure", 2, [("completed", "success")], "failed"),
        ("pending", 0, [("completed", "success"), ("completed", "skipped")], "passed"),
        ("success", 1, [("in_progress", None)], "pending"),
        ("success", 1, [("queued", None), ("completed", "timed_out")], "failed"),
    ],
)
def test_checks_are_statuses_and_runs(
    script: Script, forge: GitHub, status: str, total: int, runs: list[tuple[str, str | None]], checks: str
) -> None:
    listed = [{"name": "run", "status": state, "conclusion": conclusion} for state, conclusion in runs]
    statuses = [{"context": "status", "state": status}] * total
    script.then(200, {"state": status, "statuses": statuses, "total_count": total})
    script.then(200, {"total_count": len(runs), "check_runs": listed}).then(200, [])
    script.then(200, shown(mergeable_state="clean"))
    merge_status = forge.merge_status(LIB, PULL)
    assert (merge_status.checks, merge_status.reviews, merge_status.waiting) == (checks, "none", None)
    assert merge_status.failed == (("status",) if status == "failure" else ("run",) if checks == "failed" else ())


@pytest.mark.parametrize(
    ("said", "reviews"),
    [
        ([], "none"),
        ([("ann", "COMMENTED")], "none"),
        ([("ann", "APPROVED")], "approved"),
        ([("ann", "APPROVED"), ("bob", "CHANGES_REQUESTED")], "changes-requested"),
        ([("ann", "CHANGES_REQUESTED"), ("ann", "APPROVED"), ("ann", "COMMENTED")], "approved"),
        ([("ann", "CHANGES_REQUESTED"), ("ann", "DISMISSED")], "none"),
    ],
)
def test_of_each_person_the_last_review_counts(
    script: Script, forge: GitHub, said: list[tuple[str, str]], reviews: str
) -> None:
    script.then(200, {"state": "pending", "statuses": [], "total_count": 0})
    script.then(200, {"total_count": 0, "check_runs": []})
    script.then(200, [{"user": {"login": who}, "state": state} for who, state in said])
    script.then(200, shown(mergeable_state="clean"))
    assert forge.merge_status(LIB, PULL).reviews == reviews


def test_compare_url_and_depend_ask_nobody(script: Script, forge: GitHub) -> None:
    assert forge.compare_url(LIB, HEAD, NEXT) == f"https://github.com/acme/lib/compare/{HEAD}...{NEXT}"
    forge.depend(LIB, PULL, [(LIB, PULL)])
    assert script.told == []


def test_an_answer_of_another_shape_is_an_error_that_names_the_place(script: Script, forge: GitHub) -> None:
    script.then(200, [{"number": "seven"}])
    with pytest.raises(ForgeError) as caught:
        forge.find(LIB, head="flakesync/update", base="main")
    assert caught.value.code == "forge-answer"
    assert "$[0].number" in caught.value.message
