"""publish, status and abandon as commands, over TLS, on each kind of forge; and where the tokens do not go."""

import json
import os
import shutil
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from flakesync.demo.forge.model import Kind
from flakesync.forge.hosts import Servers
from tests.forge.town import BRANCH, NEWER, Town, make_town
from tests.support import forked, repos
from tests.support.forge import Forge, Project, faults
from tests.support.forge.client import HOSTS

TOKEN = "t0ken-0f-the-b0t"
# What is said to one kind of forge is said in forge/ for each of them: the two others are for `make slow`.
KINDS = [pytest.param("github", marks=pytest.mark.slow), "gitlab", pytest.param("forgejo", marks=pytest.mark.slow)]
CHAIN = {"lib": (), "app": ("lib",), "site": ("app", "lib")}
_APIS: dict[Kind, str] = {"github": "", "gitlab": "/api/v4", "forgejo": "/api/v1"}


@dataclass
class Online:
    """A town whose repos lie on a forge: clones here, everything else there."""

    town: Town
    forge: Forge
    kind: Kind
    port: int

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"

    def project(self, name: str) -> Project:
        found = self.forge.site(HOSTS[self.kind]).find(f"acme/{name}")
        assert found is not None
        return found

    def manifest(self, **tables: object) -> None:
        """Write the manifest. tables: more of it, or in place of what it has."""
        url = f"git+https://{self.host}/acme"
        document = {
            "workspace": {"name": "acme", "jobs": 2},
            "forges": {self.host: {"kind": self.kind, "api": f"https://{self.host}{_APIS[self.kind]}"}},
            "publish": {"title": "flake.lock: update {pin} to {new}", "labels": ["flake-lock"]},
            **tables,
            "repos": {
                # Their locks, which no Nix has made, take each other by files.
                name: {"url": f"{url}/{name}", "path": f"repos/{name}", "aliases": [f"git+{self.town.url(name)}"]}
                for name in CHAIN
            },
        }
        document["forges"][self.host]["token-env"] = "ACME_TOKEN"  # type: ignore[index]
        (self.town.root / "workspace.toml").write_text(tomli_w.dumps(document))

    def run(self, *argv: str, status: int = 0, token: str = TOKEN) -> Any:
        """Run a command; return its document."""
        env = {**os.environ, "ACME_TOKEN": token, **self.forge.certificates.environment()}
        ran = forked.flakesync(*argv, "--json", cwd=self.town.root, env=env)
        assert ran.returncode == status, ran.stdout + ran.stderr
        return json.loads(ran.stdout)

    def calls(self) -> list[str]:
        """Return the calls to the API so far, as `METHOD path`, and forget them."""
        found = [
            f"{exchange.request.method} {exchange.request.path}"
            for exchange in self.forge.requests()
            if "git-" not in exchange.request.target and ".git" not in exchange.request.path
        ]
        self.forge.forget_log()
        return found


@pytest.fixture(params=KINDS)
def online(request: pytest.FixtureRequest, tmp_path: Path, forge: Forge) -> Online:
    return make_online(tmp_path, forge, request.param)


@pytest.fixture
def github(tmp_path: Path, forge: Forge) -> Online:
    return make_online(tmp_path, forge, "github")


def make_online(root: Path, forge: Forge, kind: Kind) -> Online:
    town = make_town(root / "town", CHAIN)
    site = forge.site(HOSTS[kind])
    site.add_account(TOKEN)
    found = Online(town, forge, kind, forge.open_port(HOSTS[kind]))
    for name in CHAIN:
        project = site.create(f"acme/{name}", private=True)
        repos.run_git("push", "-q", str(project.storage.path), "main", cwd=town.clone(name))
        repos.run_git("remote", "set-url", "origin", f"https://{found.host}/acme/{name}", cwd=town.clone(name))
    found.manifest()
    town.bump_all()
    return found


def statuses(document: Any) -> list[str]:
    return [each["status"] for each in document["repos"]]


def reasons(document: Any) -> list[str]:
    return [each["reason"] or each["status"] for each in document["repos"]]


def test_a_set_is_published_shown_and_abandoned(online: Online) -> None:
    commits = {name: online.town.ref(online.town.clone(name)) for name in CHAIN}
    assert statuses(online.run("publish")) == ["opened"] * 3
    pulls = {name: online.project(name).pulls for name in CHAIN}
    assert {name: [pull.head_rev for pull in found] for name, found in pulls.items()} == {
        name: [commit] for name, commit in commits.items()
    }
    calls = online.calls()
    assert all(len([call for call in calls if name in call]) <= 4 for name in CHAIN), calls
    assert statuses(online.run("publish")) == ["unchanged"] * 3
    assert len(online.calls()) == (1 if online.kind == "github" else 3)
    shown = online.run("status")["repos"]
    assert [(each["stage"], each["waits_for"]) for each in shown] == [
        ("open", []),
        ("open", ["lib"]),
        ("open", ["app", "lib"]),
    ]
    online.town.bump_all(NEWER)
    assert statuses(online.run("publish")) == ["updated"] * 3
    assert statuses(online.run("abandon")) == ["abandoned"] * 3
    assert {pull.state for found in pulls.values() for pull in found} == {"closed"}
    assert not any(BRANCH in online.project(name).storage.branches() for name in CHAIN)
    assert not any(online.town.ref(online.town.clone(name)) for name in CHAIN)


def test_answers_that_get_lost_after_the_server_has_acted_open_nothing_twice(online: Online) -> None:
    fault = online.forge.faults.add(faults.drop_after, method="POST", path="(pulls|merge_requests)$", times=3, every=1)
    document = online.run("publish")
    assert statuses(document) == ["opened"] * 3
    assert fault.hits == 3
    assert [len(online.project(name).pulls) for name in CHAIN] == [1, 1, 1]


def test_a_token_without_rights_is_one_clear_error(online: Online) -> None:
    online.forge.site(HOSTS[online.kind]).add_account("weak", "reader", "read")
    document = online.run("publish", status=1, token="weak")
    assert reasons(document) == ["failed", "upstream", "upstream"]
    assert document["repos"][0]["error"]["code"] in {"access-denied", "push-rejected", "forge-rights"}


def test_repos_that_the_server_breaks_fail_alone(github: Online) -> None:
    lib = github.town.ref(github.town.clone("lib"))
    assert lib is not None
    github.town.bump("site", nixpkgs=NEWER, lib=lib)  # site's update takes nothing of app's
    github.forge.faults.add(faults.answer(404), method="POST", path="graphql", times=None)  # it is asked for each alone
    github.forge.faults.add(faults.html(), method="GET", path="app/pulls", times=None)
    github.project("site").protect(BRANCH)
    document = github.run("publish", status=1)
    assert statuses(document) == ["opened", "failed", "failed"]
    assert [each["error"]["code"] for each in document["repos"][1:]] == ["forge-answer", "push-rejected"]


REFUSALS = {
    "unavailable": faults.answer(503),
    "no-rights": faults.answer(403),
    "web-page": faults.html(),
    "cut-off": faults.drop_before,
}


@pytest.mark.parametrize("how", REFUSALS)
def test_what_depends_on_a_push_that_did_not_come_through_is_not_published(github: Online, how: str) -> None:
    fault = github.forge.faults.add(REFUSALS[how], method="POST", path=r"acme/lib(\.git)?/git-receive-pack", times=None)
    document = github.run("publish", status=1)
    assert fault.hits
    assert reasons(document) == ["failed", "upstream", "upstream"]
    (note,) = document["repos"][1]["notes"]
    assert "lib: its update branch could not be pushed" in note
    for name in CHAIN:
        assert BRANCH not in github.project(name).storage.branches()
        assert not github.project(name).pulls
    github.forge.faults.clear()
    assert reasons(github.run("publish")) == ["opened"] * 3


def test_a_push_that_came_through_without_an_answer_holds_nothing_back(online: Online) -> None:
    path = r"acme/lib(\.git)?/git-receive-pack"
    fault = online.forge.faults.add(faults.drop_after, method="POST", path=path, times=None)
    assert reasons(online.run("publish")) == ["opened"] * 3
    assert fault.hits
    assert reasons(online.run("publish")) == ["unchanged"] * 3


def test_an_upstream_that_was_not_chosen_is_published_first(online: Online) -> None:
    (app,) = online.run("publish", "--repo", "app", status=1)["repos"]
    assert (app["reason"], app["notes"]) == (
        "upstream",
        ["lib was not selected and its update is not on its server: publish it too"],
    )
    assert not online.project("app").pulls
    online.run("publish", "--repo", "lib")
    online.run("publish", "--repo", "app")
    body = online.project("app").pulls[0].body
    assert f"Depends-On: {_url(online, 'lib')}" in body


def test_links_stay_while_the_forge_does_not_say_where_they_lead(online: Online) -> None:
    online.run("publish")
    before = {name: online.project(name).pulls[0].body for name in CHAIN}
    online.forge.faults.add(faults.answer(502), method="GET", path=r"lib(\.git)?/(pulls|merge_requests)", times=None)
    online.forge.faults.add(faults.answer(502), path="/graphql$", times=None)  # nor of many repos at once
    online.manifest(publish={"title": "locks: {pin} to {new}"})
    document = online.run("publish", status=1)
    assert reasons(document) == ["failed", "updated", "updated"]
    assert {name: online.project(name).pulls[0].body for name in CHAIN} == before
    shown = online.run("status", status=1)["repos"]
    assert [(each["stage"], each["waits_for"]) for each in shown] == [
        ("failed", []),
        ("open", ["lib"]),
        ("open", ["app", "lib"]),
    ]


def _url(online: Online, name: str) -> str:
    shown = online.run("status")["repos"]
    return str(next(each["pull"]["url"] for each in shown if each["repo"] == name))


def test_a_default_branch_that_was_renamed_on_the_forge_is_where_all_goes(online: Online) -> None:
    for name in CHAIN:
        storage = online.project(name).storage
        repos.run_git("branch", "-m", "main", "trunk", cwd=storage.path)
    assert reasons(online.run("publish")) == ["opened"] * 3
    assert [pull.base for name in CHAIN for pull in online.project(name).pulls] == ["trunk"] * 3
    assert [each["base"] for each in online.run("status")["repos"]] == ["trunk"] * 3
    assert statuses(online.run("abandon")) == ["abandoned"] * 3


def test_status_says_on_stderr_too_of_which_repos_nothing_is_known(github: Online) -> None:
    github.forge.faults.add(faults.answer(502), method="GET", path=r"(lib|site)/pulls", times=None)
    github.forge.faults.add(faults.answer(502), path="/graphql$", times=None)
    env = {**os.environ, "ACME_TOKEN": TOKEN, **github.forge.certificates.environment()}
    ran = forked.flakesync("status", cwd=github.town.root, env=env)
    assert ran.returncode == 1
    assert "note: where an update stands is not known of lib, site" in ran.stderr
    assert "2 failed" in ran.stdout.splitlines()[-1]
    assert forked.flakesync("status", "--repo", "app", cwd=github.town.root, env=env).returncode == 0


def test_the_token_is_in_no_output_no_list_of_processes_and_no_file(
    online: Online, tmp_path: Path, hermetic: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = tmp_path / "argv"
    real = shutil.which("git")
    wrapper = tmp_path / "bin" / "git"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> {record}\nexec {real} "$@"\n')
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    environ = {**os.environ, "FLAKESYNC_DEBUG": "1", "GIT_TRACE": str(tmp_path / "trace")}
    environ |= online.forge.certificates.environment()
    said = ""
    wrong = "an0ther-t0ken"
    for argv, token in (
        (["publish", "-v"], wrong),
        (["publish", "-v"], TOKEN),
        (["status"], TOKEN),
        (["land", "-v", "--locker", "native", "--repo", "lib"], wrong),
        (["land", "-v", "--locker", "native", "--repo", "lib"], TOKEN),
        (["abandon", "--json"], TOKEN),
    ):
        ran = forked.flakesync(*argv, cwd=online.town.root, env={**environ, "ACME_TOKEN": token})
        said += ran.stdout + ran.stderr
    assert "push" in record.read_text()
    assert "error[" in said
    forge = online.forge.root
    files = [path for top in (tmp_path, hermetic) for path in top.rglob("*") if path.is_file()]
    texts = [path.read_bytes() for path in files if not path.is_relative_to(forge)]
    for token in (TOKEN, wrong):
        assert token not in said
        assert not [text for text in texts if token.encode() in text]


def test_a_token_never_goes_to_another_host(github: Online) -> None:
    servers = Servers(github.town.workspace, {"ACME_TOKEN": TOKEN})
    remote = servers.remote(f"https://{github.host}/acme/lib")
    assert TOKEN in remote.environment.values()
    assert TOKEN not in repr(remote.config)
    for url in ("https://localhost/acme/lib", f"http://{github.host}/acme/lib", "ssh://git@localhost/acme/lib"):
        assert TOKEN not in servers.remote(url).environment.values()


def test_a_rate_limit_is_waited_for(github: Online) -> None:
    github.forge.faults.add(faults.too_many_requests(1), path="/pulls", times=2)
    begin = time.monotonic()
    assert statuses(github.run("publish")) == ["opened"] * 3
    assert time.monotonic() - begin > 1


def test_without_a_network_publish_and_abandon_do_not_begin(github: Online) -> None:
    for command in ("publish", "abandon"):
        ran = forked.flakesync(command, "--offline", cwd=github.town.root, env=os.environ)
        assert ran.returncode == 2
        assert "error[offline]" in ran.stderr
