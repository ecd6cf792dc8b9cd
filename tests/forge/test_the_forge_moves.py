"""Repositories of the tests' forge that were moved, and branches that were renamed."""

import http.client
import json
import ssl
from pathlib import Path

import pytest

from flakesync.demo.forge.model import Job, Kind
from flakesync.demo.forge.web.messages import Json
from tests.support import repos
from tests.support.forge import Forge
from tests.support.forge.client import HOSTS, READER, TOKEN, Client, client_of, thought

Kinds = pytest.mark.parametrize("kind", list(HOSTS))


def moved(forge: Forge, kind: Kind) -> Client:
    client = client_of(forge, kind)
    client.site.thinks_for = 0
    client.open()
    client.site.move("acme/lib", "corp/core-lib")
    return client


def ask(client: Client, method: str, target: str, body: Json | None = None) -> tuple[int, str | None, bytes]:
    """Return status, Location and body of an answer, following nothing."""
    tls = ssl.create_default_context(cafile=client.forge.certificates.ca)
    connection = http.client.HTTPSConnection("localhost", client.port, context=tls, timeout=20)
    try:
        headers = {"Authorization": f"Bearer {client.token}", "Content-Type": "application/json"}
        connection.request(method, target, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Location"), answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("prefix", ["", "/api/v3"])
def test_github_leads_on_to_the_number_of_a_moved_repository(forge: Forge, prefix: str) -> None:
    client = moved(forge, "github")
    here = f"https://localhost:{client.port}{prefix}/repositories/{client.project.id}"
    old = f"{prefix}/repos/acme/lib"
    status, location, body = ask(client, "GET", old)
    assert (status, location) == (301, here)
    assert json.loads(body)["message"] == "Moved Permanently"
    assert json.loads(body)["url"] == here
    assert ask(client, "GET", f"{old}/pulls?state=all")[:2] == (301, f"{here}/pulls?state=all")
    for method, rest in (
        ("PATCH", "/pulls/1"),
        ("PUT", "/pulls/1/merge"),
        ("POST", "/pulls"),
        ("DELETE", "/git/refs/heads/x"),
    ):
        assert ask(client, method, old + rest, {})[:2] == (307, here + rest)
    assert (
        json.loads(ask(client, "GET", f"{prefix}/repositories/{client.project.id}")[2])["full_name"] == "corp/core-lib"
    )
    status, _, _ = ask(client, "PUT", f"{prefix}/repositories/{client.project.id}/pulls/1/merge", {})
    assert status == 200


def test_github_finds_no_head_by_the_owner_before_and_opens_no_second_one(forge: Forge) -> None:
    client = moved(forge, "github")
    assert client.call("GET", "/pulls?head=acme:update").data == []
    assert len(client.call("GET", "/pulls?head=corp:update").data) == 1  # type: ignore[arg-type]
    double = client.open()
    assert double.status == 422
    assert "already exists for corp:update" in json.dumps(double.data)


def test_gitlab_leads_readers_on_and_refuses_to_write_by_the_old_path(forge: Forge) -> None:
    client = moved(forge, "gitlab")
    here = f"https://localhost:{client.port}/api/v4/projects/{client.project.id}"
    old = "/api/v4/projects/acme%2Flib"
    assert ask(client, "GET", f"{old}/merge_requests?state=all")[:2] == (301, f"{here}/merge_requests?state=all")
    for method, rest in (
        ("PUT", "/merge_requests/1/merge"),
        ("POST", "/merge_requests"),
        ("DELETE", "/repository/branches/x"),
    ):
        status, location, body = ask(client, method, old + rest, {})
        assert (status, location) == (405, None)
        assert json.loads(body) == {"message": "Non GET methods are not allowed for moved projects"}
    told = client.raw("GET", f"/api/v4/projects/{client.project.id}")
    assert told["path_with_namespace"] == "corp/core-lib"
    assert client.raw("PUT", f"/api/v4/projects/{client.project.id}/merge_requests/1/merge", {}).status == 200


def test_forgejo_leads_on_to_the_new_path_whatever_the_method(forge: Forge) -> None:
    client = moved(forge, "forgejo")
    here = f"https://localhost:{client.port}/api/v1/repos/corp/core-lib"
    for method, rest in (
        ("GET", ""),
        ("GET", "/pulls?limit=5"),
        ("POST", "/pulls"),
        ("PATCH", "/pulls/1"),
        ("POST", "/pulls/1/merge"),
    ):
        status, location, _ = ask(client, method, f"/api/v1/repos/acme/lib{rest}", {} if method != "GET" else None)
        assert (status, location) == (301, here + rest)
    assert client.call("GET", "")["full_name"] == "corp/core-lib"


@Kinds
def test_git_is_led_on_too(forge: Forge, kind: Kind, tmp_path: Path) -> None:
    client = moved(forge, kind)
    trust = ("-c", f"http.sslCAInfo={forge.certificates.ca}")
    old = f"https://bot:{TOKEN}@localhost:{client.port}/acme/lib"
    repos.run_git(*trust, "clone", "-q", old, "clone", cwd=tmp_path)
    assert (tmp_path / "clone/flake.nix").exists()
    repos.run_git(*trust, "push", "-q", old, "HEAD:new", cwd=tmp_path / "clone")
    assert client.project.storage.branch("new") is not None
    assert any(exchange.status == 301 for exchange in forge.log)


@Kinds
def test_who_may_not_see_a_repository_is_not_told_where_it_went(forge: Forge, kind: Kind) -> None:
    client = client_of(forge, kind)
    client.project.private = True
    client.site.accounts[READER].right = "none"
    below = {"github": "/repos/acme/lib", "gitlab": "/api/v4/projects/acme%2Flib", "forgejo": "/api/v1/repos/acme/lib"}
    client.site.move("acme/lib", "corp/lib")
    assert ask(client.as_(READER), "GET", below[kind])[0] == 404


@Kinds
def test_a_new_repository_takes_the_old_path_back(forge: Forge, kind: Kind) -> None:
    client = moved(forge, kind)
    other = client.site.create("acme/lib")
    assert client.site.find("acme/lib") is other
    below = {"github": "/repos/acme/lib", "gitlab": "/api/v4/projects/acme%2Flib", "forgejo": "/api/v1/repos/acme/lib"}
    status, _, body = ask(client, "GET", below[kind])
    assert (status, json.loads(body)["id"]) == (200, other.id)


@Kinds
def test_what_was_moved_twice_is_found_by_both_paths(forge: Forge, kind: Kind) -> None:
    client = moved(forge, kind)
    client.site.move("corp/core-lib", "org/lib")
    below = {"github": "/repos/{}", "gitlab": "/api/v4/projects/{}", "forgejo": "/api/v1/repos/{}"}[kind]
    locations = set()
    for path in ("acme/lib", "corp/core-lib"):
        status, location, _ = ask(client, "GET", below.format(path.replace("/", "%2F") if kind == "gitlab" else path))
        assert status == 301
        locations.add(location)
    assert len(locations) == 1


@Kinds
def test_when_the_default_branch_is_renamed_bases_and_rules_follow(forge: Forge, kind: Kind) -> None:
    client = client_of(forge, kind)
    client.project.protect("main", checks=["ci"])
    client.project.ci = [Job("ci")]
    client.open()
    client.project.rename_default("trunk")
    assert client.call("GET", "")["default_branch"] == "trunk"
    assert client.project.storage.branch("main") is None
    told = thought(client)
    if kind == "gitlab":
        assert told["target_branch"] == "trunk"
    else:
        assert told["base"]["ref"] == "trunk"  # type: ignore[index]
    branches = "/repository/branches/trunk" if kind == "gitlab" else "/branches/trunk"
    assert client.call("GET", branches)["protected"] is True
    assert client.merge().status == 200
    assert client.project.storage.branch("trunk") == client.project.pulls[0].merged_rev


def test_github_leads_on_from_the_old_name_of_a_branch(forge: Forge) -> None:
    client = client_of(forge, "github")
    client.project.rename_default("trunk")
    status, location, _ = ask(client, "GET", "/repos/acme/lib/branches/main")
    assert (status, str(location).rpartition("/")[2]) == (301, "trunk")
    assert ask(client, "GET", "/repos/acme/lib/branches/nothing")[0] == 404
