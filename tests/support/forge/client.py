"""A client for the tests' forge that knows nothing but urllib: one project, any of the three APIs."""

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import quote

from flakesync.demo.forge import pulls
from flakesync.demo.forge.forge import Forge
from flakesync.demo.forge.model import Kind, Project, Site
from flakesync.demo.forge.web.messages import Json
from flakesync.terms import Rev
from tests.support import repos

HOSTS: dict[Kind, str] = {"github": "github.com", "gitlab": "gitlab.com", "forgejo": "codeberg.org"}
"""The site of each kind."""

TOKEN = "token-of-the-bot"
READER = "token-of-a-reader"
REVIEWER = "token-of-a-reviewer"


@dataclass(frozen=True)
class Reply:
    """An answer: its status, its JSON (or text), its headers in lower case."""

    status: int
    data: object
    headers: Mapping[str, str]

    def __getitem__(self, key: str) -> object:
        assert isinstance(self.data, dict), self
        return self.data[key]


@dataclass(frozen=True)
class Client:
    """Calls to one site at its own port; paths are below the project's address in the API."""

    forge: Forge
    site: Site
    project: Project
    port: int
    token: str | None = TOKEN

    @property
    def kind(self) -> Kind:
        return self.site.kind

    @property
    def pulls(self) -> str:
        return "/merge_requests" if self.kind == "gitlab" else "/pulls"

    def as_(self, token: str | None) -> "Client":
        """Return the same client with another token; None: with none."""
        return replace(self, token=token)

    def call(self, method: str, path: str, body: Json | None = None, *, timeout_s: float = 120) -> Reply:
        """Call an address of the API that is about the project."""
        below = {"github": "", "gitlab": "/api/v4", "forgejo": "/api/v1"}[self.kind]
        place = (
            f"/projects/{quote(self.project.path, safe='')}" if self.kind == "gitlab" else f"/repos/{self.project.path}"
        )
        return self.raw(method, below + place + path, body, timeout_s=timeout_s)

    def raw(self, method: str, target: str, body: Json | None = None, *, timeout_s: float = 120) -> Reply:
        """Call any address of the site; an error status is an answer like any other."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(
            f"https://localhost:{self.port}{target}",
            data,
            {**headers, "Content-Type": "application/json"},
            method=method,
        )
        tls = ssl.create_default_context(cafile=self.forge.certificates.ca)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls))
        try:
            with opener.open(request, timeout=timeout_s) as found:
                status, told, text = found.status, found.headers, found.read()
        except urllib.error.HTTPError as error:
            with error:
                status, told, text = error.code, error.headers, error.read()
        is_json = "json" in (told.get("Content-Type") or "") and text
        answer = json.loads(text) if is_json else text
        return Reply(status, answer, {name.lower(): value for name, value in told.items()})

    def open(self, head: str = "update", base: str = "main", title: str = "Update", body: str = "Text") -> Reply:
        """Open a pull request."""
        names = ("source_branch", "target_branch", "title", "description")
        if self.kind != "gitlab":
            names = ("head", "base", "title", "body")
        values: list[object] = [head, base, title, body]
        return self.call("POST", self.pulls, dict(zip(names, values, strict=True)))

    def get(self, number: int = 1) -> Reply:
        """Ask for a pull request."""
        return self.call("GET", f"{self.pulls}/{number}")

    def edit(self, fields: Json, number: int = 1) -> Reply:
        """Change a pull request."""
        return self.call("PUT" if self.kind == "gitlab" else "PATCH", f"{self.pulls}/{number}", fields)

    def merge(self, method: str = "merge", guard: str | None = None, number: int = 1) -> Reply:
        """Merge a pull request; on GitLab all but `squash` is the project's own method."""
        match self.kind:
            case "github":
                asked: Json = {"merge_method": method, "sha": guard}
                return self.call("PUT", f"/pulls/{number}/merge", _given(asked))
            case "gitlab":
                asked = {"squash": method == "squash", "sha": guard}
                return self.call("PUT", f"/merge_requests/{number}/merge", _given(asked))
            case _:
                asked = {"Do": method, "head_commit_id": guard}
                return self.call("POST", f"/pulls/{number}/merge", _given(asked))

    def git_url(self) -> str:
        """Return the project's address for git, with the token in it."""
        return f"https://bot:{self.token}@localhost:{self.port}/{self.project.path}.git"


def _given(fields: Json) -> Json:
    return {key: value for key, value in fields.items() if value is not None}


def client_of(forge: Forge, kind: Kind, path: str = "acme/lib", *, host: str | None = None) -> Client:
    """Return a client for a new project with `main`, and `update` two commits ahead of it. host: None for the usual."""
    site = forge.sites[host or HOSTS[kind]]
    if not site.accounts:
        site.add_account(TOKEN, "bot")
        site.add_account(READER, "reader", "read")
        site.add_account(REVIEWER, "reviewer")
    project = site.create(path)
    main = repos.commit(project.storage.path, {"flake.nix": "{ }", "other": "1"}, message="Begin")
    branch(project, "update", {"flake.lock": "1"}, {"flake.lock": "2"})
    assert project.storage.branch("main") == main
    return Client(forge, site, project, forge.open_port(site.host))


def branch(project: Project, name: str, *commits: Mapping[str, str]) -> Rev:
    """Make a branch on `main`, or go on with it; return its tip. The forge itself does not notice: see `pushed`."""
    tip = project.storage.branch(name) or project.storage.branch("main")
    for number, files in enumerate(commits):
        assert tip is not None
        date = repos.DATE + number
        tip = repos.commit(
            project.storage.path, files, branch=name, parents=[Rev(tip)], message=f"Change {number}", date=date
        )
    assert tip is not None
    return Rev(tip)


def thought(client: Client, number: int = 1) -> Reply:
    """Look until the forge knows whether a pull request can be merged; return what it says then."""
    for _ in range(client.site.thinks_for):
        client.get(number)
    return client.get(number)


def pushed(client: Client) -> None:
    """Let the forge see what `branch` has done, as it does after a push."""
    pulls.after_push(client.site, client.project)
