from typing import Any

import pytest

from flakesync.forge.forgejo.adapter import Forgejo
from flakesync.forge.model import ForgeError, MergeStatus, NewPull, Project, Pull, Waiting
from flakesync.terms import Rev
from tests.forge import described
from tests.forge.scripted import Script

LIB = Project("codeberg.org", "acme/lib")
HEAD, NEXT, MERGED = Rev("1" * 40), Rev("2" * 40), Rev("3" * 40)
NEW = NewPull("flakesync/update", "main", "Update", "Body")
AT = "/repos/acme/lib"
LISTED = f"GET {AT}/pulls?state=all&base=main&head=flakesync%2Fupdate&limit=50"
DIRECT = f"GET {AT}/pulls/main/flakesync%2Fupdate"


@pytest.fixture
def script() -> Script:
    return Script("https://codeberg.org/api/v1", described.forgejo())


@pytest.fixture
def forge(script: Script) -> Forgejo:
    return Forgejo(script.client(Forgejo.headers("s3cret"), "codeberg.org"))


def shown(number: int = 7, **changes: Any) -> dict[str, Any]:
    return {
        "number": number,
        "html_url": f"https://codeberg.org/acme/lib/pulls/{number}",
        "state": "open",
        "title": "Update",
        "body": "Body",
        "draft": False,
        "labels": [],
        "merged": False,
        "merge_commit_sha": None,
        "mergeable": True,
        "head": {"label": "flakesync/update", "ref": "flakesync/update", "sha": HEAD, "repo_id": 1},
        "base": {"label": "main", "ref": "main", "sha": NEXT, "repo_id": 1},
        **changes,
    }


def others(count: int) -> list[dict[str, Any]]:
    head = {"label": "x", "ref": "x", "sha": NEXT, "repo_id": 1}
    return [shown(900 + number, head=head) for number in range(count)]


PULL = Pull(7, "https://codeberg.org/acme/lib/pulls/7", "open", "Update", "Body", HEAD, "flakesync/update", "main")


def test_find_asks_once(script: Script, forge: Forgejo) -> None:
    script.then(200, [shown(9, state="closed"), shown(labels=[{"id": 4, "name": "flake-lock"}])])
    found = forge.find(LIB, head="flakesync/update", base="main")
    assert found is not None
    assert (found.number, found.state, found.title, found.body) == (7, "open", "Update", "Body")
    assert (found.head, found.labels, found.merged_rev) == (HEAD, ("flake-lock",), None)
    assert script.told == [LISTED]
    assert script.headers[0]["authorization"] == "token s3cret"


def test_the_branch_of_a_merged_one_is_known_when_it_is_gone(script: Script, forge: Forgejo) -> None:
    head = {"label": "flakesync/update", "ref": "refs/pull/7/head", "sha": HEAD, "repo_id": -1}
    script.then(200, [shown(state="closed", merged=True, merge_commit_sha=MERGED, head=head)])
    found = forge.find(LIB, head="flakesync/update", base="main")
    assert found is not None
    assert (found.state, found.merged_rev, found.head_branch) == ("merged", MERGED, "flakesync/update")


def test_a_server_that_passes_over_the_filter_is_asked_for_the_one_of_both_branches(
    script: Script, forge: Forgejo
) -> None:
    script.then(200, others(50)).then(404, {"message": "no"})
    assert forge.find(LIB, head="flakesync/update", base="main") is None
    assert script.told == [LISTED, DIRECT]
    script.then(200, others(50)).then(200, shown(3))
    assert forge.find(LIB, head="flakesync/update", base="main").number == 3  # type: ignore[union-attr]
    next_page = f'<https://codeberg.org/api/v1{LISTED.removeprefix("GET ")}&page=2>; rel="next"'
    script.then(200, others(50), Link=next_page).then(200, shown(3, state="closed"))
    script.then(200, [*others(2), shown(5, state="closed")])
    found = forge.find(LIB, head="flakesync/update", base="main")
    assert (found.number, found.state) == (5, "closed")  # type: ignore[union-attr]


def test_a_fresh_pull_request_with_labels_and_reviewers_takes_four_calls(script: Script, forge: Forgejo) -> None:
    new = NewPull("flakesync/update", "main", "Update", "Body", True, ("flake-lock",), ("ann", "acme/core"))
    script.then(200, []).then(200, [{"id": 3, "name": "x"}, {"id": 4, "name": "flake-lock"}])
    script.then(201, shown(title="WIP: Update", draft=True, labels=[{"id": 4, "name": "flake-lock"}])).then(201, [])
    assert forge.find(LIB, head="flakesync/update", base="main") is None
    made = forge.create(LIB, new)
    assert (made.title, made.draft, made.labels) == ("Update", True, ("flake-lock",))
    assert script.told[1:] == [
        f"GET {AT}/labels?limit=50",
        f"POST {AT}/pulls",
        f"POST {AT}/pulls/7/requested_reviewers",
    ]
    assert script.bodies[2] == {
        "title": "WIP: Update", "body": "Body", "head": "flakesync/update", "base": "main", "labels": [4],
    }  # fmt: skip
    assert script.bodies[3] == {"reviewers": ["ann"], "team_reviewers": ["core"]}


def test_labels_come_from_the_organisation_or_are_made(script: Script, forge: Forgejo) -> None:
    new = NewPull("flakesync/update", "main", "Update", "Body", labels=("ours", "new"))
    script.then(200, []).then(200, [{"id": 8, "name": "ours"}]).then(201, {"id": 9, "name": "new"})
    script.then(201, shown(labels=[{"id": 8, "name": "ours"}, {"id": 9, "name": "new"}]))
    forge.create(LIB, new)
    assert script.told == [
        f"GET {AT}/labels?limit=50",
        "GET /orgs/acme/labels?limit=50",
        f"POST {AT}/labels",
        f"POST {AT}/pulls",
    ]
    assert script.bodies[3]["labels"] == [8, 9]  # type: ignore[index]


def test_a_label_on_the_second_page_is_not_made_again(script: Script, forge: Forgejo) -> None:
    first = [{"id": number, "name": f"label-{number}"} for number in range(50)]
    script.then(200, first, X_Total_Count="51").then(200, [{"id": 77, "name": "ours"}], X_Total_Count="51")
    script.then(201, shown(labels=[{"id": 77, "name": "ours"}]))
    forge.create(LIB, NewPull("flakesync/update", "main", "Update", "Body", labels=("ours",)))
    assert script.told == [f"GET {AT}/labels?limit=50", f"GET {AT}/labels?limit=50&page=2", f"POST {AT}/pulls"]


def test_one_that_is_there_already_is_taken(script: Script, forge: Forgejo) -> None:
    script.then(409, {"message": "pull request already exists for these targets"}).then(200, [shown()])
    assert forge.create(LIB, NEW).number == 7


def test_after_a_lost_answer_it_looks_before_it_opens_again(script: Script, forge: Forgejo) -> None:
    script.breaks().then(200, [shown()])
    assert forge.create(LIB, NEW).number == 7
    assert [line.partition(" ")[0] for line in script.told] == ["POST", "GET"]


def test_update_keeps_a_draft_a_draft(script: Script, forge: Forgejo) -> None:
    script.then(201, shown(title="[WIP] Update", draft=True)).then(201, shown(state="closed")).then(201, shown())
    draft = forge.update(LIB, PULL, title="Update", body="B")
    assert (draft.title, draft.draft, script.bodies[-1]) == ("Update", True, {"title": "Update", "body": "B"})
    forge.update(LIB, draft, title="T", body="B")
    assert script.bodies[-1] == {"title": "WIP: T", "body": "B"}
    assert forge.reopen(LIB, PULL).state == "open"
    assert script.bodies[-1] == {"state": "open"}


@pytest.mark.parametrize(
    ("method", "way"),
    [("merge", "merge"), ("squash", "squash"), ("rebase", "rebase"), ("fast-forward", "fast-forward-only")],
)
def test_a_merge_names_head_and_style_and_reads_what_came_of_it(
    script: Script, forge: Forgejo, method: Any, way: str
) -> None:
    script.then(200).then(200, shown(state="closed", merged=True, merge_commit_sha=MERGED))
    assert forge.merge(LIB, PULL, head=HEAD, method=method).merged_rev == MERGED  # type: ignore[union-attr]
    assert script.told == [f"POST {AT}/pulls/7/merge", f"GET {AT}/pulls/7"]
    assert script.bodies[0] == {"Do": way, "head_commit_id": HEAD}


def test_the_default_style_is_the_repositorys(script: Script, forge: Forgejo) -> None:
    script.then(200, {"default_merge_style": "rebase-merge"}).then(200)
    script.then(200, shown(state="closed", merged=True, merge_commit_sha=MERGED))
    forge.merge(LIB, PULL, head=HEAD, method="default")
    assert script.bodies[1] == {"Do": "rebase-merge", "head_commit_id": HEAD}


def test_a_merge_without_an_answer_is_looked_up_before_it_is_tried_again(script: Script, forge: Forgejo) -> None:
    script.breaks().then(200, shown(state="closed", merged=True, merge_commit_sha=MERGED))
    assert forge.merge(LIB, PULL, head=HEAD, method="merge").merged_rev == MERGED  # type: ignore[union-attr]
    script.breaks().then(200, shown()).then(200)
    script.then(200, shown(state="closed", merged=True, merge_commit_sha=MERGED))
    assert forge.merge(LIB, PULL, head=HEAD, method="merge").merged_rev == MERGED  # type: ignore[union-attr]
    assert [line.partition(" ")[0] for line in script.told[2:]] == ["POST", "GET", "POST", "GET"]


@pytest.mark.parametrize(
    ("status", "said", "changes", "code", "pauses"),
    [
        (409, "head out of date", {"head": {"ref": "flakesync/update", "sha": NEXT, "repo_id": 1}}, "head-moved", 0),
        (405, "User not allowed to merge PR", {}, "forge-rights", 0),
        (405, "Please try again later", {"mergeable": False}, "base-moved", 4),
        (409, "merge push out of date", {}, "base-moved", 0),
        (405, "not allowed to merge [reason: The head branch is behind the base branch]", {}, "base-moved", 0),
        (405, "squash is not allowed an allowed merge style for this repository", {}, "forge-method", 0),
        (423, "repository is archived", {}, "forge-archived", 0),
        (413, "quota exceeded", {}, "forge-rights", 0),
    ],
)
def test_why_it_cannot_be_merged(
    script: Script, forge: Forgejo, status: int, said: str, changes: dict[str, Any], code: str, pauses: int
) -> None:
    for _ in range(pauses + 1):
        script.then(status, {"message": said}).then(200, shown(**changes))
    with pytest.raises(ForgeError) as caught:
        forge.merge(LIB, PULL, head=HEAD, method="squash")
    assert caught.value.code == code
    assert len(script.pauses) == pauses


@pytest.mark.parametrize("form", ["{}", "not allowed to merge [reason: {}]"])
@pytest.mark.parametrize(
    ("said", "changes", "reason"),
    [
        ("Does not have enough approvals", {}, "reviews"),
        ("There are official review requests", {}, "reviews"),
        ("There are requested changes", {}, "person"),
        ("Changed protected files", {}, "person"),
        ("Work in progress PRs cannot be merged", {"draft": True}, "person"),
        ("Something new", {}, "person"),
    ],
)
def test_what_it_waits_for(
    script: Script, forge: Forgejo, form: str, said: str, changes: dict[str, Any], reason: str
) -> None:
    script.then(405, {"message": form.format(said)}).then(200, shown(**changes))
    waiting = forge.merge(LIB, PULL, head=HEAD, method="squash")
    assert isinstance(waiting, Waiting)
    assert waiting.reason == reason
    assert said in waiting.detail or waiting.detail == "it is a draft"


def test_required_checks_that_have_not_passed_are_named_by_their_globs(script: Script, forge: Forgejo) -> None:
    script.then(405, {"message": "Not all required status checks successful"}).then(200, shown())
    protection = {"enable_status_check": True, "status_check_contexts": ["ci/*", "lint", "docs"]}
    script.then(200, protection).then(200, [status("lint", "success"), status("ci/build", "pending")])
    expected = Waiting("checks", "Not all required status checks successful: ci/*, docs")
    assert forge.merge(LIB, PULL, head=HEAD, method="merge") == expected
    assert script.told[2].endswith("/branches/main")


def test_an_open_issue_dependency_is_what_a_wordless_500_means(script: Script, forge: Forgejo) -> None:
    script.then(500, {"message": ""}).then(200, shown())
    issue = {"html_url": "https://codeberg.org/acme/app/pulls/3", "state": "open"}
    script.then(200, [issue, {"html_url": "x", "state": "closed"}]).then(200, [issue])
    expected = Waiting("upstream", "it depends on https://codeberg.org/acme/app/pulls/3")
    assert forge.merge(LIB, PULL, head=HEAD, method="merge") == expected


def test_a_500_without_a_dependency_is_tried_again(script: Script, forge: Forgejo) -> None:
    script.then(500, {"message": ""}).then(200, shown()).then(200, []).then(200)
    script.then(200, shown(state="closed", merged=True, merge_commit_sha=MERGED))
    assert isinstance(forge.merge(LIB, PULL, head=HEAD, method="merge"), Pull)
    assert script.pauses == [1.0]


@pytest.mark.parametrize(
    ("repo", "styles"),
    [
        ({"default_merge_style": "merge", "allow_merge_commits": False}, ["rebase"]),
        ({"default_merge_style": "squash", "allow_squash_merge": False, "allow_merge_commits": False}, ["rebase"]),
        ({"default_merge_style": "fast-forward-only"}, ["merge"]),
        ({"default_merge_style": "fast-forward-only", "allow_fast_forward_only_merge": True}, ["fast-forward-only"]),
    ],
)
def test_a_default_style_that_is_not_allowed_gives_way_to_one_that_is(
    script: Script, forge: Forgejo, repo: dict[str, Any], styles: list[str]
) -> None:
    script.then(200, repo).then(200).then(200, shown(state="closed", merged=True, merge_commit_sha=MERGED))
    forge.merge(LIB, PULL, head=HEAD, method="default")
    assert [body["Do"] for body in script.bodies if isinstance(body, dict)] == styles


def status(context: str, state: str, id: int = 1) -> dict[str, Any]:
    return {"context": context, "status": state, "id": id}


@pytest.mark.parametrize(
    ("statuses", "reviews", "merge_status"),
    [
        ([], [], MergeStatus("none", "none")),
        ([status("ci", "success")], [("ann", "APPROVED", False)], MergeStatus("passed", "approved")),
        ([status("ci", "warning")], [("ann", "APPROVED", True)], MergeStatus("passed", "none")),
        # The combined status of Forgejo would be `warning`.
        (
            [status("ci", "pending"), status("lint", "warning")],
            [("ann", "COMMENT", False)],
            MergeStatus("pending", "none", pending=("ci",)),
        ),
        (
            [status("ci", "error"), status("lint", "pending")],
            [("ann", "REQUEST_CHANGES", False), ("bob", "APPROVED", False)],
            MergeStatus("failed", "changes-requested", failed=("ci",), pending=("lint",)),
        ),
        # The newest of each counts, in whatever order they come.
        (
            [status("ci", "failure", 1), status("ci", "success", 3), status("ci", "pending", 2)],
            [("ann", "REQUEST_CHANGES", False), ("ann", "APPROVED", False)],
            MergeStatus("passed", "approved"),
        ),
    ],
)
def test_standing_is_the_newest_of_each_status_and_the_last_review_of_each(
    script: Script,
    forge: Forgejo,
    statuses: list[dict[str, Any]],
    reviews: list[tuple[str, str, bool]],
    merge_status: MergeStatus,
) -> None:
    script.then(200, statuses)
    script.then(200, [{"user": {"login": who}, "state": word, "dismissed": gone} for who, word, gone in reviews])
    assert forge.merge_status(LIB, PULL) == merge_status


def test_a_pending_check_on_the_second_page_is_seen(script: Script, forge: Forgejo) -> None:
    first = [status(f"ci/{number}", "success", number + 10) for number in range(50)]
    script.then(200, first, x_total_count="51").then(200, [status("last", "pending")], x_total_count="51").then(200, [])
    assert forge.merge_status(LIB, PULL).pending == ("last",)


def test_a_repository_that_was_transferred_is_written_to_under_its_new_name(script: Script, forge: Forgejo) -> None:
    there = "https://codeberg.org/api/v1/repos/new/lib"
    script.then(301, None, location=f"{there}/pulls").then(301, None, location=there)
    script.then(200, {"full_name": "new/lib"}).then(200, [shown()]).then(201, shown())
    assert forge.find(LIB, head="flakesync/update", base="main").number == 7  # type: ignore[union-attr]
    forge.update(LIB, PULL, title="T", body="B")
    assert script.told[-1] == "PATCH /repos/new/lib/pulls/7"


def test_compare_url_and_depend_ask_nobody(script: Script, forge: Forgejo) -> None:
    assert forge.compare_url(LIB, HEAD, NEXT) == f"https://codeberg.org/acme/lib/compare/{HEAD}...{NEXT}"
    forge.depend(LIB, PULL, [(LIB, PULL)])
    assert script.told == []
