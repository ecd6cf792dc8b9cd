"""The descriptions that all scripted requests are held against do refuse what the forges refuse."""

import json

import pytest

from tests.forge import described
from tests.forge.described import Description
from tests.support.forge import Forge
from tests.support.forge.client import client_of

JSON = {"content-type": "application/json"}
PULLS = "/repos/acme/lib/pulls"
NEW = {"title": "T", "head": "h", "base": "b", "body": ""}


def send(description: Description, method: str, target: str, body: object = None) -> None:
    description.check(method, target, JSON if body is not None else {}, json.dumps(body).encode() if body else b"")


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("POST", PULLS, {"title": "T", "head": "h"}),
        ("POST", PULLS, {**NEW, "labels": ["x"]}),
        ("POST", PULLS, {**NEW, "draft": "yes"}),
        ("PATCH", f"{PULLS}/7", {"state": "merged"}),
        ("PUT", f"{PULLS}/7/merge", {"merge_method": "fast-forward"}),
        ("PUT", f"{PULLS}/7/merge", {"head": "x"}),
        ("POST", f"{PULLS}/7/requested_reviewers", {"reviewers": "ann"}),
        ("POST", "/repos/acme/lib/issues/7/labels", {"labels": [1]}),
        ("GET", f"{PULLS}?state=opened", None),
        ("GET", f"{PULLS}?branch=main", None),
        ("GET", f"{PULLS}/seven", None),
        ("GET", "/repos/acme/lib/rules/branches/main?state=all", None),
        ("GET", "/repos/acme/lib/branches/main?per_page=1", None),
        ("GET", "/projects/7", None),
    ],
)
def test_github_refuses(method: str, target: str, body: object) -> None:
    with pytest.raises(AssertionError):
        send(described.github(), method, target, body)


def test_github_accepts_both_prefixes() -> None:
    send(described.github(), "POST", PULLS, {**NEW, "draft": True})
    send(described.github(), "POST", f"/api/v3{PULLS}", NEW)


@pytest.mark.parametrize("ruleset", [False, True])
@pytest.mark.parametrize("place", ["/rules/branches/main", "/branches/main"])
def test_the_example_forge_tells_the_rules_of_a_branch_as_github_does(forge: Forge, place: str, ruleset: bool) -> None:
    client = client_of(forge, "github")
    client.project.ruleset = ruleset
    client.project.protect("main", checks=["ci", "lint"], approvals=2, strict=True, queue=ruleset)
    answer = client.call("GET", place)
    body = json.dumps(answer.data).encode()
    described.github().check_answer("GET", f"/repos/acme/lib{place}", {}, answer.status, dict(answer.headers), body)
    assert (b"lint" in body) == (ruleset == ("rules" in place))


MERGES = "/api/v4/projects/acme%2Flib/merge_requests"


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("POST", MERGES, {"source_branch": "a", "target_branch": "b"}),
        ("POST", MERGES, {"source_branch": "a", "target_branch": "b", "title": "T", "body": "B"}),
        ("POST", MERGES, {"source_branch": "a", "target_branch": "b", "title": "T", "reviewer_ids": ["ann"]}),
        ("PUT", f"{MERGES}/7", {"state_event": "closed"}),
        ("PUT", f"{MERGES}/7/merge", {"squash": "yes"}),
        ("PUT", f"{MERGES}/7/merge", {"merge_method": "squash"}),
        ("GET", f"{MERGES}?state=open", None),
        ("GET", f"{MERGES}?head=main", None),
        ("GET", "/api/v4/projects/acme/lib/merge_requests", None),
    ],
)
def test_gitlab_refuses(method: str, target: str, body: object) -> None:
    with pytest.raises(AssertionError):
        send(described.gitlab(), method, target, body)


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("POST", PULLS, {"title": "T", "head": "h"}),
        ("POST", PULLS, {**NEW, "labels": ["x"]}),
        ("POST", PULLS, {**NEW, "draft": True}),
        ("POST", f"{PULLS}/7/merge", {"do": "merge"}),
        ("POST", f"{PULLS}/7/merge", {"Do": "fast-forward"}),
        ("POST", f"{PULLS}/7/merge", {"Do": "merge", "sha": "x"}),
        ("GET", f"{PULLS}?state=opened", None),
        ("GET", f"{PULLS}?per_page=10", None),
    ],
)
def test_forgejo_refuses(method: str, target: str, body: object) -> None:
    with pytest.raises(AssertionError):
        send(described.forgejo(), method, f"/api/v1{target}", body)
