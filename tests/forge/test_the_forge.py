"""What the tests' forge claims of its pull requests, shown with nothing but urllib."""

import json

import pytest

from flakesync.demo.forge.model import Kind
from tests.support.forge import Forge
from tests.support.forge.client import HOSTS, READER, REVIEWER, branch, client_of, pushed, thought

Kinds = pytest.mark.parametrize("kind", list(HOSTS))


@pytest.mark.parametrize(
    ("kind", "method"),
    [
        *(("github", method) for method in ("merge", "squash", "rebase")),
        *(("gitlab", method) for method in ("merge", "squash", "fast-forward")),
        *(("forgejo", method) for method in ("merge", "squash", "rebase", "rebase-merge", "fast-forward-only")),
    ],
)
def test_a_merge_makes_real_commits(forge: Forge, kind: Kind, method: str) -> None:
    client = client_of(forge, kind)
    storage = client.project.storage
    if method == "fast-forward":
        client.project.methods = ("fast-forward",)
    elif "fast" not in method:
        branch(client.project, "main", {"other": "2"})
    main, update = storage.branch("main"), storage.branch("update")
    assert main is not None
    assert update is not None
    client.open()
    thought(client)
    assert client.merge(method).status == 200
    merged = storage.branch("main")
    assert merged is not None
    pull = client.project.pulls[0]
    assert (pull.state, pull.merged_rev) == ("merged", merged)
    files = {"flake.lock": "2", "other": "2" if "fast" not in method else "1"}
    assert {name: storage.git("show", f"{merged}:{name}") for name in files} == files
    new = storage.commits(main, merged)
    match method, kind:
        case "merge", _:
            assert storage.parents(merged) == [main, update]
        case "squash", "gitlab":  # the squashed commit is merged like any other
            assert storage.parents(merged) == [main, pull.squash_commit]
        case "squash", _:
            assert storage.parents(merged) == [main]
        case "rebase", _:
            assert len(new) == 2
            assert not storage.is_ancestor(update, merged)
        case "rebase-merge", _:
            assert len(new) == 3
        case _:
            assert merged == update
    told = client.get()
    assert told["state"] == ("merged" if kind == "gitlab" else "closed")
    if kind != "gitlab":
        assert (told["merged"], told["merge_commit_sha"]) == (True, merged)


@Kinds
def test_a_merge_is_refused_when_the_head_has_moved(forge: Forge, kind: Kind) -> None:
    client = client_of(forge, kind)
    seen = client.project.storage.branch("update")
    client.open()
    new = branch(client.project, "update", {"flake.lock": "3"})
    pushed(client)
    thought(client)
    assert client.merge(guard=seen).status == 409
    assert client.merge(guard=new).status == 200


@Kinds
def test_a_conflict_is_no_merge(forge: Forge, kind: Kind) -> None:
    client = client_of(forge, kind)
    client.open()
    base = branch(client.project, "main", {"flake.lock": "somebody else's"})
    pushed(client)
    told = thought(client)
    assert told["detailed_merge_status" if kind == "gitlab" else "mergeable"] == (
        "conflict" if kind == "gitlab" else False
    )
    assert client.merge().status == 405
    assert client.project.storage.branch("main") == base


@Kinds
def test_it_takes_a_look_until_the_forge_knows_whether_it_can_be_merged(forge: Forge, kind: Kind) -> None:
    client = client_of(forge, kind)
    client.site.thinks_for = 2
    client.open()
    key, unknown, known = {
        "github": ("mergeable", None, True),
        "gitlab": ("detailed_merge_status", "checking", "mergeable"),
        "forgejo": ("mergeable", False, True),
    }[kind]
    assert [client.get()[key] for _ in range(2)] == [unknown, known]
    push_again = branch(client.project, "update", {"flake.lock": "4"})
    pushed(client)
    assert client.merge(guard=push_again).status == (200 if kind == "github" else 405)


@Kinds
def test_there_is_one_open_pull_request_from_one_branch_to_another(forge: Forge, kind: Kind) -> None:
    client = client_of(forge, kind)
    assert client.open().status == 201
    double = client.open()
    assert double.status == (422 if kind == "github" else 409)
    assert "already exists" in json.dumps(double.data)
    client.edit({"state_event": "close"} if kind == "gitlab" else {"state": "closed"})
    assert client.open().status == 201
    assert [pull.state for pull in client.project.pulls] == ["closed", "open"]


@Kinds
def test_a_closed_pull_request_can_be_opened_again(forge: Forge, kind: Kind) -> None:
    client = client_of(forge, kind)
    client.open()
    key, states = ("state_event", ("close", "reopen")) if kind == "gitlab" else ("state", ("closed", "open"))
    seen = []
    for state in states:
        client.edit({key: state})
        seen.append(client.project.pulls[0].state)
    assert seen == ["closed", "open"]


@Kinds
def test_what_is_wrong_with_a_new_pull_request_is_said(forge: Forge, kind: Kind) -> None:
    client = client_of(forge, kind)
    assert client.open(head="nowhere").status == {"github": 422, "gitlab": 400, "forgejo": 404}[kind]
    assert client.open(base="nowhere").status == {"github": 422, "gitlab": 400, "forgejo": 404}[kind]
    if kind != "gitlab":
        client.project.storage.set_branch("same", client.project.storage.branch("main"), None)
        assert client.open(head="same").status == 422
    lacking = client.call("POST", client.pulls, {"title": "x"})
    assert lacking.status == (400 if kind == "gitlab" else 422)
    assert client.project.pulls == []


@Kinds
def test_title_and_body_are_rewritten_in_place(forge: Forge, kind: Kind) -> None:
    client = client_of(forge, kind)
    client.open()
    body = "description" if kind == "gitlab" else "body"
    client.edit({"title": "New", body: "New text"})
    told = client.get()
    assert (told["title"], told[body]) == ("New", "New text")


@Kinds
def test_lists_come_in_pages(forge: Forge, kind: Kind) -> None:
    client = client_of(forge, kind)
    for number in range(5):
        branch(client.project, f"b{number}", {"f": str(number)})
        client.open(head=f"b{number}")
    size = "limit" if kind == "forgejo" else "per_page"
    target = f"{client.pulls}?state=all&{size}=2"
    seen: list[object] = []
    for _ in range(4):
        page = client.call("GET", target)
        assert isinstance(page.data, list)
        seen += [pull["iid" if kind == "gitlab" else "number"] for pull in page.data]
        links = [part.split("; ") for part in page.headers.get("link", "").split(", ")]
        following = next((link for link, relation in links if relation == 'rel="next"'), None)
        if following is None:
            break
        target = f"{client.pulls}?{following.strip('<>').split('?')[1]}"
    assert seen == [5, 4, 3, 2, 1]


@Kinds
def test_pull_requests_are_found_by_their_branches(forge: Forge, kind: Kind) -> None:
    client = client_of(forge, kind)
    branch(client.project, "other", {"f": "1"})
    client.open()
    client.open(head="other")
    queries = {
        "github": "head=acme:update&base=main&state=all",
        "gitlab": "source_branch=update&target_branch=main&state=all",
        "forgejo": "head=update&base=main&state=all",
    }
    found = client.call("GET", f"{client.pulls}?{queries[kind]}").data
    assert isinstance(found, list)
    assert [pull["title"] for pull in found] == ["Update"]
    assert len(found) == 1
    if kind == "github":  # the trap: a head without its owner is not looked at
        everything = client.call("GET", "/pulls?head=update").data
        assert isinstance(everything, list)
        assert len(everything) == 2


def test_labels_are_names_on_github_and_gitlab_and_numbers_on_forgejo(forge: Forge) -> None:
    github, gitlab, forgejo = (client_of(forge, kind) for kind in HOSTS)
    for client in (github, gitlab, forgejo):
        client.open()
    assert github.call("POST", "/issues/1/labels", {"labels": ["lock", "bot"]}).status == 200
    assert gitlab.call("PUT", "/merge_requests/1", {"labels": "lock,bot"}).status == 200
    assert forgejo.call("POST", "/issues/1/labels", {"labels": ["lock"]}).status == 422
    made = [forgejo.call("POST", "/labels", {"name": name, "color": "#00aabb"})["id"] for name in ("lock", "bot")]
    assert forgejo.call("POST", "/issues/1/labels", {"labels": made}).status == 200
    for client in (github, gitlab, forgejo):
        assert [label.name for label in client.project.pulls[0].labels] == ["lock", "bot"]


@Kinds
def test_reviewers_are_people_that_the_forge_knows(forge: Forge, kind: Kind) -> None:
    client = client_of(forge, kind)
    client.open()
    if kind == "gitlab":
        found = client.raw("GET", "/api/v4/users?username=reviewer").data
        assert isinstance(found, list)
        assert client.call("PUT", "/merge_requests/1", {"reviewer_ids": [found[0]["id"]]}).status == 200
    else:
        assert client.call("POST", "/pulls/1/requested_reviewers", {"reviewers": ["nobody"]}).status in (404, 422)
        assert client.call("POST", "/pulls/1/requested_reviewers", {"reviewers": ["reviewer"]}).status == 201
    assert [person.login for person in client.project.pulls[0].reviewers] == ["reviewer"]


@Kinds
def test_a_protected_base_waits_for_its_checks_and_reviews(forge: Forge, kind: Kind) -> None:
    client = client_of(forge, kind)
    client.project.protect("main", checks=["ci"], approvals=1)
    client.open()
    thought(client)
    head = client.project.pulls[0].head_rev
    assert client.merge().status == 405
    name = "name" if kind == "gitlab" else "context"
    assert client.call("POST", f"/statuses/{head}", {"state": "pending", name: "ci"}).status == 201
    assert client.call("POST", f"/statuses/{head}", {"state": "success", name: "ci"}).status == 201
    assert client.merge().status == 405
    reviewer = client.as_(REVIEWER)
    if kind == "gitlab":
        assert reviewer.call("POST", "/merge_requests/1/approve", {}).status == 201
        assert client.get()["head_pipeline"]["status"] == "success"  # type: ignore[index]
    else:
        event = "APPROVE" if kind == "github" else "APPROVED"
        assert client.call("POST", "/pulls/1/reviews", {"event": event}).status == 422  # one's own
        assert reviewer.call("POST", "/pulls/1/reviews", {"event": event}).status == 200
        assert client.call("GET", f"/commits/{head}/status")["state"] == "success"
    assert client.merge().status == 200


def test_a_github_check_run_counts_beside_statuses(forge: Forge) -> None:
    client = client_of(forge, "github")
    client.project.protect("main", checks=["build"])
    client.open()
    head = client.project.pulls[0].head_rev
    client.call("POST", "/check-runs", {"name": "build", "head_sha": head, "status": "in_progress"})
    assert client.merge().status == 405
    client.call("POST", "/check-runs", {"name": "build", "head_sha": head, "conclusion": "success"})
    told = client.call("GET", f"/commits/{head}/check-runs")
    assert told["total_count"] == 1
    assert client.call("GET", f"/commits/{head}/status")["total_count"] == 0
    assert client.merge().status == 200


def test_gitlab_lets_merge_requests_wait_for_each_other_where_it_is_paid_for(forge: Forge) -> None:
    client = client_of(forge, "gitlab")
    branch(client.project, "first", {"f": "1"})
    client.open()
    client.open(head="first")
    blocking = client.project.pulls[1].id
    target = f"/merge_requests/1/blocks?blocking_merge_request_id={blocking}"
    assert client.call("POST", target).status == 403
    client.site.premium = True
    assert client.call("POST", target).status == 201
    thought(client)
    assert client.merge().status == 405
    thought(client, 2)
    client.merge(number=2)
    thought(client)
    assert client.merge().status == 200


@Kinds
def test_tokens_decide_who_may_do_what(forge: Forge, kind: Kind) -> None:
    client = client_of(forge, kind)
    assert client.as_(None).open().status == 401
    assert client.as_("wrong").open().status == 401
    assert client.as_("wrong").get().status == 401
    assert client.as_(READER).open().status == 403
    client.open()
    assert client.as_(None).get().status == 200
    client.project.private = True
    assert client.as_(None).get().status == 404
    assert client.as_(READER).get().status == 200
    assert client.get(7).status == 404
