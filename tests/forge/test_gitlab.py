from typing import Any

import pytest

from flakesync.forge.gitlab.adapter import GitLab
from flakesync.forge.model import ForgeError, MergeStatus, NewPull, Project, Pull, Undecided, Waiting
from flakesync.terms import Rev
from tests.forge import described
from tests.forge.scripted import Script

LIB = Project("gitlab.com", "acme/core/lib")
APP = Project("gitlab.com", "acme/app")
AT = "/projects/acme%2Fcore%2Flib"
HEAD, NEXT, MERGED = Rev("1" * 40), Rev("2" * 40), Rev("3" * 40)
NEW = NewPull("flakesync/update", "main", "Update", "Body")


@pytest.fixture
def script() -> Script:
    return Script("https://gitlab.com/api/v4", described.gitlab())


@pytest.fixture
def forge(script: Script) -> GitLab:
    return GitLab(script.client(GitLab.headers("s3cret"), "gitlab.com"))


def shown(iid: int = 7, **changes: Any) -> dict[str, Any]:
    return {
        "id": 1000 + iid,
        "iid": iid,
        "web_url": f"https://gitlab.com/acme/core/lib/-/merge_requests/{iid}",
        "state": "opened",
        "title": "Update",
        "description": "Body",
        "draft": False,
        "labels": [],
        "source_branch": "flakesync/update",
        "target_branch": "main",
        "source_project_id": 1,
        "target_project_id": 1,
        "sha": HEAD,
        "merge_commit_sha": None,
        "squash_commit_sha": None,
        "merge_status": "can_be_merged",
        "detailed_merge_status": "mergeable",
        "head_pipeline": None,
        **changes,
    }


PULL = Pull(
    7, "https://gitlab.com/acme/core/lib/-/merge_requests/7", "open", "Update", "Body", HEAD, "flakesync/update", "main"
)


def test_find_asks_once_and_encodes_the_subgroup(script: Script, forge: GitLab) -> None:
    script.then(200, [shown(labels=["flake-lock"])])
    found = forge.find(LIB, head="flakesync/update", base="main")
    assert found is not None
    assert (found.number, found.state, found.title, found.body) == (7, "open", "Update", "Body")
    assert (found.head, found.labels, found.merged_rev, found.mergeable) == (HEAD, ("flake-lock",), None, True)
    query = "state=all&source_branch=flakesync%2Fupdate&target_branch=main&order_by=created_at&sort=desc&per_page=100"
    assert script.told == [f"GET {AT}/merge_requests?{query}"]
    assert script.headers[0]["authorization"] == "Bearer s3cret"


def test_find_prefers_the_open_one_and_passes_over_forks(script: Script, forge: GitLab) -> None:
    script.then(200, [shown(9, source_project_id=5), shown(8, state="closed"), shown(7)])
    assert forge.find(LIB, head="flakesync/update", base="main").number == 7  # type: ignore[union-attr]
    script.then(200, [shown(9, source_project_id=5)])
    assert forge.find(LIB, head="flakesync/update", base="main") is None


@pytest.mark.parametrize(
    ("merge", "squash", "merged"),
    [(MERGED, None, MERGED), (MERGED, NEXT, MERGED), (None, NEXT, NEXT), (None, None, HEAD)],
)
def test_the_merged_commit_is_the_merge_else_the_squash_else_the_head(
    script: Script, forge: GitLab, merge: str | None, squash: str | None, merged: str
) -> None:
    script.then(200, shown(state="merged", merge_commit_sha=merge, squash_commit_sha=squash))
    found = forge.get(LIB, 7)
    assert (found.state, found.merged_rev) == ("merged", merged)


def test_a_fresh_merge_request_takes_three_calls_and_a_person_is_looked_up_once(script: Script, forge: GitLab) -> None:
    new = NewPull("flakesync/update", "main", "Update", "Body", True, ("flake-lock", "nix"), ("ann",))
    script.then(200, []).then(200, [{"id": 42, "username": "ann"}])
    script.then(201, shown(title="Draft: Update", draft=True, labels=["flake-lock", "nix"]))
    assert forge.find(LIB, head="flakesync/update", base="main") is None
    made = forge.create(LIB, new)
    assert (made.title, made.draft, made.labels) == ("Update", True, ("flake-lock", "nix"))
    assert script.told[1:] == ["GET /users?username=ann", f"POST {AT}/merge_requests"]
    assert script.bodies[2] == {
        "title": "Draft: Update", "description": "Body", "source_branch": "flakesync/update", "target_branch": "main",
        "labels": ["flake-lock", "nix"], "reviewer_ids": [42],
    }  # fmt: skip
    script.then(201, shown(labels=["flake-lock", "nix"]))
    forge.create(LIB, new)
    assert len(script.told) == 4


def test_an_unknown_reviewer_is_named_and_nothing_is_opened(script: Script, forge: GitLab) -> None:
    script.then(200, [])
    with pytest.raises(ForgeError, match="there is no user `nobody`"):
        forge.create(LIB, NewPull("flakesync/update", "main", "T", "B", reviewers=("nobody",)))
    assert len(script.told) == 1


def test_one_that_is_there_already_is_taken_and_gets_title_and_labels(script: Script, forge: GitLab) -> None:
    new = NewPull("flakesync/update", "main", "Update", "Body", labels=("flake-lock",))
    script.then(409, {"message": ["Another open merge request already exists for this source branch: !7"]})
    script.then(200, [shown(title="Draft: Old", draft=True)])
    script.then(200, shown(title="Draft: Update", draft=True)).then(200, shown(labels=["flake-lock"]))
    assert forge.create(LIB, new).labels == ("flake-lock",)
    assert script.bodies[-2:] == [{"title": "Draft: Update", "description": "Body"}, {"add_labels": ["flake-lock"]}]


def test_after_a_lost_answer_it_looks_before_it_opens_again(script: Script, forge: GitLab) -> None:
    script.breaks().then(200, [shown()])
    assert forge.create(LIB, NEW).number == 7
    assert [line.partition(" ")[0] for line in script.told] == ["POST", "GET"]


def test_closing_and_opening_again_are_events(script: Script, forge: GitLab) -> None:
    script.then(200, shown(state="closed")).then(200, shown())
    assert forge.close(LIB, PULL).state == "closed"
    assert forge.reopen(LIB, PULL).state == "open"
    assert script.bodies == [{"state_event": "close"}, {"state_event": "reopen"}]


@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("default", {}),
        ("squash", {"squash": True}),
        ("merge", {"squash": False}),
        ("rebase", {"squash": False}),
        ("fast-forward", {"squash": False}),
    ],
)
def test_only_squashing_is_chosen_with_a_merge(
    script: Script, forge: GitLab, method: Any, body: dict[str, bool]
) -> None:
    script.then(200, {"id": 1}).then(200, shown(state="merged", merge_commit_sha=MERGED))
    merged = forge.merge(LIB, PULL, head=HEAD, method=method)
    assert isinstance(merged, Pull)
    assert merged.merged_rev == MERGED
    assert script.bodies == [None, {"sha": HEAD, **body}]


def test_it_waits_while_gitlab_is_checking(script: Script, forge: GitLab) -> None:
    script.then(200, {"id": 1})
    script.then(405, {"message": "405 Method Not Allowed"}).then(200, shown(detailed_merge_status="checking"))
    script.then(200, shown(state="merged", merge_commit_sha=MERGED))
    assert forge.merge(LIB, PULL, head=HEAD, method="default").merged_rev == MERGED  # type: ignore[union-attr]
    assert script.pauses == [1.0]


@pytest.mark.parametrize(
    ("answer", "changes", "code", "words"),
    [
        (409, {"sha": NEXT}, "head-moved", "somebody has pushed"),
        (422, {"detailed_merge_status": "conflict"}, "forge-conflict", "Branch cannot be merged"),
        (405, {"detailed_merge_status": "", "merge_status": "cannot_be_merged"}, "forge-conflict", "cannot be merged"),
        (405, {"detailed_merge_status": "need_rebase"}, "base-moved", "cannot be merged"),
        (405, {"detailed_merge_status": "not_open", "state": "closed"}, "forge", "is closed"),
        (401, {}, "forge-rights", "401 Unauthorized"),
    ],
)
def test_why_it_cannot_be_merged(
    script: Script, forge: GitLab, answer: int, changes: dict[str, Any], code: str, words: str
) -> None:
    said = {401: "401 Unauthorized", 409: "SHA does not match HEAD of source branch: 2", 422: "Branch cannot be merged"}
    script.then(200, {"id": 1}).then(answer, {"message": said.get(answer, "405 Method Not Allowed")})
    script.then(200, shown(**changes))
    with pytest.raises(ForgeError) as caught:
        forge.merge(LIB, PULL, head=HEAD, method="merge")
    assert caught.value.code == code
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("status", "reason", "detail"),
    [
        ("not_approved", "reviews", "an approval is missing"),
        ("code_owners_approval", "reviews", "an approval of a code owner is missing"),
        ("ci_still_running", "checks", "its pipeline has not ended yet"),
        ("status_checks_must_pass", "checks", "external status checks have not passed yet"),
        ("merge_request_blocked", "upstream", "another merge request has to be merged first"),
        ("discussions_not_resolved", "person", "somebody has to look at it: a discussion has to be resolved"),
        ("commits_status", "person", "somebody has to look at it: its source branch is gone, or has no commits"),
        ("a_status_of_the_future", "person", "somebody has to look at it: a status of the future"),
    ],
)
def test_what_it_waits_for(script: Script, forge: GitLab, status: str, reason: str, detail: str) -> None:
    script.then(200, {"id": 1}).then(405, {"message": "405 Method Not Allowed"})
    script.then(200, shown(detailed_merge_status=status))
    assert forge.merge(LIB, PULL, head=HEAD, method="merge") == Waiting(reason, detail)  # type: ignore[arg-type]


@pytest.mark.parametrize("status", ["preparing", "checking", "unchecked", "approvals_syncing"])
def test_what_gitlab_has_not_decided_after_a_while_waits(script: Script, forge: GitLab, status: str) -> None:
    script.then(200, {"id": 1})
    for _ in range(5):
        script.then(405, {"message": "405 Method Not Allowed"}).then(200, shown(detailed_merge_status=status))
    waiting = forge.merge(LIB, PULL, head=HEAD, method="merge")
    assert isinstance(waiting, Waiting)
    assert waiting.reason == "computing"
    assert script.pauses == [1.0, 2.0, 4.0, 8.0]


@pytest.mark.parametrize(("newest", "code"), [("failed", "pull-checks-failed"), ("created", None), (None, None)])
def test_a_pipeline_that_must_pass_is_waited_for_unless_it_has_failed(
    script: Script, forge: GitLab, newest: str | None, code: str | None
) -> None:
    pipeline = {"status": newest, "sha": HEAD} if newest else None
    script.then(200, {"id": 1}).then(405, {"message": "405 Method Not Allowed"})
    script.then(200, shown(detailed_merge_status="ci_must_pass", head_pipeline=pipeline))
    script.then(200, shown(detailed_merge_status="ci_must_pass", head_pipeline=pipeline))
    if newest == "failed":
        script.then(200, [{"name": "build", "status": "failed"}])
    script.then(200, {"approved_by": []})
    if code is None:
        expected = Waiting("checks", "no pipeline has passed for this commit yet")
        assert forge.merge(LIB, PULL, head=HEAD, method="merge") == expected
        return
    with pytest.raises(ForgeError) as caught:
        forge.merge(LIB, PULL, head=HEAD, method="merge")
    assert caught.value.code == code


def test_a_merge_that_was_taken_and_not_carried_out_waits(script: Script, forge: GitLab) -> None:
    script.then(200, {"id": 1})
    for _ in range(4):
        script.then(200, shown(merge_when_pipeline_succeeds=True))
    waiting = forge.merge(LIB, PULL, head=HEAD, method="merge")
    assert isinstance(waiting, Waiting)
    assert waiting.reason == "queue"


def test_where_there_are_merge_trains_it_gets_on_one_and_waits(script: Script, forge: GitLab) -> None:
    script.then(200, {"id": 1, "merge_trains_enabled": True}).then(201, [])
    assert forge.merge(LIB, PULL, head=HEAD, method="squash") == Waiting("queue", "it is on the merge train")
    assert script.told[-1] == f"POST {AT}/merge_trains/merge_requests/7"
    assert script.bodies[-1] == {"sha": HEAD, "squash": True, "auto_merge": True}
    script.then(200, shown()).then(200, {"status": "fresh"}).then(200, {"approved_by": []})
    assert forge.merge_status(LIB, PULL).waiting == Waiting("queue", "it is on the merge train (fresh)")
    script.then(200, shown()).then(404, {"message": "404 Not Found"}).then(200, {"approved_by": []})
    assert forge.merge_status(LIB, PULL).waiting is None
    with pytest.raises(ForgeError) as caught:
        forge.merge(LIB, PULL, head=HEAD, method="squash")
    assert caught.value.code == "pull-dequeued"


def test_a_project_that_moved_is_found_by_its_own_answer(script: Script, forge: GitLab) -> None:
    there = "https://gitlab.com/api/v4/projects/1"
    script.then(301, "moved", location=f"{there}/merge_requests").then(301, "moved", location=there)
    script.then(200, {"path_with_namespace": "new/lib"}).then(200, [shown()]).then(200, shown())
    assert forge.find(LIB, head="flakesync/update", base="main").number == 7  # type: ignore[union-attr]
    forge.update(LIB, PULL, title="T", body="B")
    assert script.told[-1] == "PUT /projects/new%2Flib/merge_requests/7"


def test_a_write_that_a_moved_project_refuses_goes_to_its_new_name(script: Script, forge: GitLab) -> None:
    script.then(405, {"message": "Non GET methods are not allowed for moved projects"})
    script.then(200, {"path_with_namespace": "new/lib"}).then(200, shown())
    forge.update(LIB, PULL, title="T", body="B")
    assert script.told[-1] == "PUT /projects/new%2Flib/merge_requests/7"


def pipeline(status: str, sha: str = HEAD, ref: str = "flakesync/update") -> dict[str, str]:
    return {"status": status, "sha": sha, "ref": ref}


@pytest.mark.parametrize(
    ("newest", "approved_by", "merge_status"),
    [
        (None, [], MergeStatus("none", "none")),
        (pipeline("success"), [{"user": {"id": 1}}], MergeStatus("passed", "approved")),
        (pipeline("running"), [], MergeStatus("pending", "none")),
        (pipeline("waiting_for_resource"), [], MergeStatus("pending", "none")),
        (pipeline("skipped"), [], MergeStatus("none", "none")),
    ],
)
def test_standing_is_the_pipeline_and_the_approvals(
    script: Script, forge: GitLab, newest: object, approved_by: list[object], merge_status: MergeStatus
) -> None:
    script.then(200, shown(head_pipeline=newest)).then(200, {"id": 1}).then(200, {"approved_by": approved_by})
    assert forge.merge_status(LIB, PULL) == merge_status


@pytest.mark.parametrize("status", ["failed", "canceled"])
def test_a_red_pipeline_names_its_jobs_that_failed(script: Script, forge: GitLab, status: str) -> None:
    jobs = [
        {"name": "build", "status": "failed"},
        {"name": "lint", "status": "failed", "allow_failure": True},
        {"name": "test", "status": "success"},
    ]
    script.then(200, shown(head_pipeline=pipeline(status))).then(200, jobs).then(200, {"id": 1})
    script.then(200, {"approved_by": []})
    assert forge.merge_status(LIB, PULL) == MergeStatus("failed", "none", failed=("build",))


def test_a_manual_pipeline_waits_for_a_person_and_names_the_job(script: Script, forge: GitLab) -> None:
    jobs = [{"name": "build", "status": "success"}, {"name": "deploy", "status": "manual"}]
    script.then(200, shown(head_pipeline=pipeline("manual"))).then(200, jobs).then(200, {"approved_by": []})
    merge_status = forge.merge_status(LIB, PULL)
    assert merge_status.waiting == Waiting("person", "somebody has to start a manual job of its pipeline: deploy")


def test_the_pipeline_of_the_commit_before_is_not_believed(script: Script, forge: GitLab) -> None:
    script.then(200, shown(head_pipeline=pipeline("success", NEXT))).then(200, []).then(200, {"approved_by": []})
    merge_status = forge.merge_status(LIB, PULL)
    assert merge_status.checks == "pending"
    assert merge_status.waiting is not None
    assert merge_status.waiting.detail == f"no pipeline has begun for {HEAD[:12]} yet; the newest is of {NEXT[:12]}"


@pytest.mark.parametrize(("status", "checks"), [("success", "passed"), ("running", "pending"), ("failed", "failed")])
def test_where_the_newest_pipeline_lags_the_jobs_of_the_very_commit_count(
    script: Script, forge: GitLab, status: str, checks: str
) -> None:
    script.then(200, shown(head_pipeline=pipeline("success", NEXT))).then(200, [{"name": "ci", "status": status}])
    script.then(200, {"id": 1}).then(200, {"approved_by": []})
    merge_status = forge.merge_status(LIB, PULL)
    assert (merge_status.checks, merge_status.waiting) == (checks, None)
    assert script.told[1] == f"GET {AT}/repository/commits/{HEAD}/statuses?per_page=100"


@pytest.mark.parametrize(("parents", "checks"), [([MERGED, HEAD], "passed"), ([MERGED, NEXT], "pending")])
def test_a_pipeline_of_merged_results_counts_if_its_commit_was_made_of_this_one(
    script: Script, forge: GitLab, parents: list[str], checks: str
) -> None:
    made = pipeline("success", MERGED, "refs/merge-requests/7/merge")
    script.then(200, shown(head_pipeline=made)).then(200, {"id": MERGED, "parent_ids": parents})
    if checks == "pending":
        script.then(200, [])
    else:
        script.then(200, {"id": 1})
    script.then(200, {"approved_by": []})
    assert forge.merge_status(LIB, PULL).checks == checks


def test_what_is_behind_its_base_is_looked_at_again_before_it_waits(script: Script, forge: GitLab) -> None:
    script.then(200, {"id": 1}).then(405, {"message": "405 Method Not Allowed"})
    script.then(200, shown(detailed_merge_status="need_rebase"))
    with pytest.raises(Undecided) as caught:
        forge.merge(LIB, PULL, head=HEAD, method="merge")
    assert caught.value.waiting.reason == "computing"


def test_a_reviewer_who_wants_changes_is_heard(script: Script, forge: GitLab) -> None:
    script.then(200, shown(detailed_merge_status="requested_changes")).then(200, {"id": 1})
    assert forge.merge_status(LIB, PULL).reviews == "changes-requested"


def test_dependencies_are_told_by_the_other_number(script: Script, forge: GitLab) -> None:
    script.then(200, shown(7)).then(201, {}).then(200, shown(3)).then(409, {"message": "exists"})
    upstream = forge.get(LIB, 7)
    other = Pull(3, "u", "open", "T", "B", HEAD, "flakesync/update", "main")
    elsewhere = Project("github.com", "acme/x")
    forge.depend(APP, PULL, [(LIB, upstream), (LIB, other), (elsewhere, other)])
    assert script.told[1:] == [
        "POST /projects/acme%2Fapp/merge_requests/7/blocks?blocking_merge_request_id=1007",
        f"GET {AT}/merge_requests/3",
        "POST /projects/acme%2Fapp/merge_requests/7/blocks?blocking_merge_request_id=1003",
    ]


@pytest.mark.parametrize("status", [403, 404])
def test_without_the_licence_for_dependencies_it_goes_on(script: Script, forge: GitLab, status: int) -> None:
    script.then(200, shown()).then(status, {"message": f"{status} No"})
    forge.depend(APP, PULL, [(LIB, PULL), (LIB, PULL)])
    assert len(script.told) == 2


def test_compare_url_has_the_dash(forge: GitLab) -> None:
    assert forge.compare_url(LIB, HEAD, NEXT) == f"https://gitlab.com/acme/core/lib/-/compare/{HEAD}...{NEXT}"


def test_a_map_of_errors_is_told_in_one_line(script: Script, forge: GitLab) -> None:
    script.then(400, {"message": {"title": ["is too long"], "base": ["You can't use same project/branch"]}})
    with pytest.raises(ForgeError) as caught:
        forge.create(LIB, NEW)
    assert caught.value.message.endswith("title is too long; base You can't use same project/branch")
