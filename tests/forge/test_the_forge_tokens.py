"""Tokens of the tests' forge that may do some things and not others, and how each forge says so."""

import subprocess
from pathlib import Path

import pytest

from flakesync.demo.forge.model import FINE_GRAINED, Kind
from tests.support import repos
from tests.support.forge import Forge
from tests.support.forge.client import HOSTS, Client, Reply, client_of

Kinds = pytest.mark.parametrize("kind", list(HOSTS))
LIMITED = "token-with-less"


def limited(forge: Forge, kind: Kind, *lacks: str) -> Client:
    """Return a client with a token that lacks permissions, for a project with an open pull request."""
    client = client_of(forge, kind)
    client.site.thinks_for = 0
    client.site.add_account(LIMITED, "limited", lacks=lacks)
    client.open()
    return client.as_(LIMITED)


def head_of(client: Client) -> str:
    return client.project.pulls[0].head_rev


def no_permission(reply: Reply, needs: str) -> None:
    assert (reply.status, reply["message"]) == (403, "Resource not accessible by personal access token")
    assert reply.headers["x-accepted-github-permissions"] == needs


def test_a_fine_grained_token_of_github_reads_statuses_and_no_check_runs(forge: Forge) -> None:
    client = limited(forge, "github", *FINE_GRAINED)
    head = head_of(client)
    no_permission(client.call("GET", f"/commits/{head}/check-runs"), "checks=read")
    no_permission(client.call("POST", "/check-runs", {"name": "x", "head_sha": head}), "checks=write")
    assert client.call("GET", f"/commits/{head}/status").status == 200
    assert client.call("GET", "/rules/branches/main").data == []
    assert client.merge().status == 200


def test_graphql_tells_a_fine_grained_token_the_summary_but_no_check_run(forge: Forge) -> None:
    client = limited(forge, "github", *FINE_GRAINED)
    head = head_of(client)
    writer = client.as_("token-of-the-bot")
    writer.call("POST", "/check-runs", {"name": "build", "head_sha": head, "conclusion": "success"})
    writer.call("POST", f"/statuses/{head}", {"context": "ci", "state": "success"})
    query = """{ repository(owner: "acme", name: "lib") { pullRequest(number: 1) { statusCheckRollup {
        state contexts(first: 9) { nodes { ... on CheckRun { name } ... on StatusContext { context } } } } } } }"""
    reply = client.raw("POST", "/graphql", {"query": query})
    rollup = {"state": "SUCCESS", "contexts": {"nodes": [None, {"context": "ci"}]}}
    assert reply["data"] == {"repository": {"pullRequest": {"statusCheckRollup": rollup}}}
    (error,) = reply["errors"]  # type: ignore[misc]
    assert (error["type"], error["message"]) == ("FORBIDDEN", "Resource not accessible by personal access token")  # type: ignore[has-type]
    assert error["path"] == ["repository", "pullRequest", "statusCheckRollup", "contexts", "nodes", 0]  # type: ignore[has-type]


def test_a_token_of_github_may_lack_any_permission(forge: Forge) -> None:
    client = limited(forge, "github", "statuses", "contents", "pull_requests")
    head = head_of(client)
    no_permission(client.call("GET", f"/commits/{head}/status"), "statuses=read")
    no_permission(client.call("POST", f"/statuses/{head}", {"state": "success"}), "statuses=write")
    no_permission(client.merge(), "contents=write")
    no_permission(client.call("DELETE", "/git/refs/heads/update"), "contents=write")
    no_permission(client.edit({"title": "New"}), "pull_requests=write")
    no_permission(client.open(), "pull_requests=write")
    no_permission(client.call("POST", "/issues/1/labels", {"labels": ["x"]}), "pull_requests=write")
    assert client.get().status == 200
    assert client.call("GET", "/branches/main").status == 200
    client.site.add_account(LIMITED, "limited", lacks=["contents:read"])
    no_permission(client.call("GET", "/branches/main"), "contents=read")


def test_a_token_of_gitlab_may_read_alone(forge: Forge) -> None:
    client = limited(forge, "gitlab", "api")
    answer = client.open()
    assert (answer.status, answer["error"], answer["scope"]) == (403, "insufficient_scope", "api")
    assert client.get().status == 200
    client.site.add_account(LIMITED, "limited", lacks=["api", "read_api"])
    assert client.get()["error"] == "insufficient_scope"


def test_a_token_of_gitlab_may_open_and_not_merge(forge: Forge) -> None:
    client = limited(forge, "gitlab", "merge")
    assert client.edit({"title": "New"}).status == 200
    assert client.get()["user"] == {"can_merge": False}
    answer = client.merge()
    assert (answer.status, answer["message"]) == (401, "401 Unauthorized")
    assert client.as_("token-of-the-bot").get()["user"] == {"can_merge": True}


@pytest.mark.parametrize(
    ("scope", "method", "path", "body"),
    [
        ("write:repository", "POST", "/pulls/1/merge", {"Do": "merge"}),
        ("write:repository", "PATCH", "/pulls/1", {"title": "New"}),
        ("read:repository", "GET", "/pulls/1", None),
        ("write:issue", "POST", "/issues/1/labels", {"labels": []}),
        ("write:issue", "POST", "/labels", {"name": "x", "color": "#ffffff"}),
        ("read:issue", "GET", "/labels", None),
        ("read:issue", "GET", "/issues/1/dependencies", None),
    ],
)
def test_a_token_of_forgejo_is_told_which_scope_it_lacks(
    forge: Forge, scope: str, method: str, path: str, body: dict[str, object] | None
) -> None:
    client = limited(forge, "forgejo", scope)
    answer = client.call(method, path, body)
    words = f"token does not have at least one of required scope(s): [{scope}]"
    assert (answer.status, answer["message"]) == (403, words)


def test_labels_of_an_organisation_of_forgejo_are_for_those_who_may_read_it(forge: Forge) -> None:
    client = limited(forge, "forgejo", "read:organization")
    target = "/api/v1/orgs/acme/labels"
    assert "[read:organization]" in str(client.raw("GET", target)["message"])
    other = client.as_("token-of-the-bot")
    assert other.raw("GET", target).status == 404
    label = client.site.label(client.project, "shared")
    client.project.labels.remove(label)
    client.site.labels["acme"] = [label]
    found = other.raw("GET", target).data
    assert isinstance(found, list)
    assert [each["name"] for each in found] == ["shared"]
    assert other.call("POST", "/issues/1/labels", {"labels": [label.id]}).status == 200
    assert client.project.pulls[0].labels == [label]


@Kinds
def test_a_token_may_be_for_other_repositories(forge: Forge, kind: Kind, tmp_path: Path) -> None:
    client = limited(forge, kind, "repository")
    client.project.private = True
    assert client.get().status == 404
    assert client.open().status == 404
    with pytest.raises(subprocess.CalledProcessError):
        git(forge, "ls-remote", client.git_url(), cwd=tmp_path)


@pytest.mark.parametrize(
    ("kind", "lacking"), [("github", "contents"), ("gitlab", "write_repository"), ("forgejo", "write:repository")]
)
def test_git_pushes_with_the_permission_for_it(forge: Forge, kind: Kind, lacking: str, tmp_path: Path) -> None:
    client = limited(forge, kind, lacking)
    repos.make_repo(tmp_path / "clone", {"f": "1"})
    with pytest.raises(subprocess.CalledProcessError):
        git(forge, "push", client.git_url(), "main:new", cwd=tmp_path / "clone")
    git(forge, "ls-remote", client.git_url(), cwd=tmp_path)
    client.site.add_account(LIMITED, "limited", lacks=["checks", "merge", "write:issue"])
    git(forge, "push", client.git_url(), "main:new", cwd=tmp_path / "clone")


def git(forge: Forge, *argv: str, cwd: Path) -> str:
    return repos.run_git("-c", f"http.sslCAInfo={forge.certificates.ca}", *argv, cwd=cwd)
