"""A new kind of forge is one module and one row: a made-up one, as docs/how-to-forge.md adds it, on a tiny server."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from flakesync.cli.main import run
from flakesync.errors import ManifestError
from flakesync.forge.adapter import Adapter
from flakesync.forge.answers import row
from flakesync.forge.client import Client
from flakesync.forge.hosts import Servers, adapter_of
from flakesync.forge.model import ForgeError, Home, MergeMethod, MergeStatus, NewPull, Project, Pull, Waiting
from flakesync.forge.refusals import Refused
from flakesync.forge.urls import repository
from flakesync.net.forge_kinds import KINDS, KindFacts
from flakesync.terms import Rev
from tests.forge.town import BRANCH, NEW, Town, make_town
from tests.support import repos

HOST = "pocket.example"
CHAIN = {"lib": (), "app": ("lib",)}

# ---- the module ------------------------------------------------------------------------------------------------------


class Pocket(Adapter):
    """A forge whose pull requests have the very fields of Pull."""

    kind = "pocket"
    answers = (row("rights", 403, r""), row("head-moved", 409, r"head"))

    @staticmethod
    def headers(token: str) -> dict[str, str]:
        return {"Authorization": f"Pocket {token}"}

    @staticmethod
    def _root(project: Project) -> str:
        return f"/repos/{repository(project.path)}"

    @staticmethod
    def _find_home(client: Client, project: Project) -> Home:
        return Home(project, archived=None)

    def find(self, project: Project, *, head: str, base: str) -> Pull | None:
        found = [*self._at.each(project, "/pulls", Pull, lambda _: {})]
        mine = [pull for pull in reversed(found) if (pull.head_branch, pull.base_branch) == (head, base)]
        return next((pull for pull in mine if pull.state == "open"), mine[0] if mine else None)

    def get(self, project: Project, number: int) -> Pull:
        return self._at.call(project, "GET", f"/pulls/{number}", Pull)

    def _open(self, project: Project, new: NewPull) -> Pull:
        body = {"title": new.title, "body": new.body, "head_branch": new.head_branch, "base_branch": new.base_branch}
        return self._at.call(project, "POST", "/pulls", Pull, body=body)

    def _is_double(self, refusal: Refused) -> bool:
        return refusal.status == 409

    def _set(self, project: Project, pull: Pull, **fields: object) -> Pull:
        return self._at.call(project, "PATCH", f"/pulls/{pull.number}", Pull, body=fields)

    def update(self, project: Project, pull: Pull, *, title: str, body: str) -> Pull:
        return self._set(project, pull, title=title, body=body)

    def add_labels(self, project: Project, pull: Pull, *, labels: Sequence[str], reviewers: Sequence[str]) -> Pull:
        return self._set(project, pull, labels=labels) if labels else pull

    def reopen(self, project: Project, pull: Pull) -> Pull:
        return self._set(project, pull, state="open")

    def close(self, project: Project, pull: Pull, *, body: str | None = None) -> Pull:
        return self._set(project, pull, state="closed", **({} if body is None else {"body": body}))

    def merge_status(self, project: Project, pull: Pull) -> MergeStatus:
        return MergeStatus("none", "none")

    def _ways(self, project: Project, method: MergeMethod) -> Sequence[str]:
        return ["merge"]

    def _merge(self, project: Project, pull: Pull, head: Rev, way: str) -> Pull | Waiting:
        return self._at.call(project, "POST", f"/pulls/{pull.number}/merge", Pull, body={"head": head})

    def depend(self, project: Project, pull: Pull, on: Sequence[tuple[Project, Pull]]) -> None:
        """It knows nothing of dependencies."""

    def compare_url(self, project: Project, old: Rev, new: Rev) -> str:
        return f"https://{project.host}/{project.path}/compare/{old}...{new}"


def the_row(api: str) -> KindFacts:
    return KindFacts(adapter=f"{__name__}:Pocket", hosts={HOST: api}, token_variables=("POCKET_TOKEN",))


# ---- a server --------------------------------------------------------------------------------------------------------


class PocketServer(ThreadingHTTPServer):
    """Pull requests of a town's repositories. told: `METHOD path` of each request."""

    def __init__(self, town: Town) -> None:
        super().__init__(("127.0.0.1", 0), PocketHandler)
        self.town = town
        self.pulls: dict[str, list[dict[str, Any]]] = {}
        self.told: list[str] = []

    def answer(self, method: str, path: str, token: str, body: dict[str, Any]) -> tuple[int, object]:
        self.told.append(f"{method} {path}")
        _, _, owner, name, _, *rest = path.split("/")
        mine = self.pulls.setdefault(name, [])
        if token != "Pocket s3cret":
            return 401, {"message": "who are you?"}
        match method, rest:
            case "GET", []:
                return 200, mine
            case "POST", []:
                url = f"https://{HOST}/{owner}/{name}/{len(mine) + 1}"
                mine.append({"number": len(mine) + 1, "url": url, "state": "open", **body, "head": self.head(name)})
                return 201, mine[-1]
            case "POST", [number, "merge"] if mine[int(number) - 1]["head"] != body["head"]:
                return 409, {"message": "another head"}
            case "POST", [number, "merge"]:
                mine[int(number) - 1] |= {"state": "merged", "merged_rev": body["head"]}
            case "PATCH", [number]:
                mine[int(number) - 1] |= body
        return 200, mine[int(rest[0]) - 1]

    def head(self, name: str) -> Rev | None:
        return self.town.ref(self.town.server(name))


class PocketHandler(BaseHTTPRequestHandler):
    server: PocketServer

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        token = self.headers.get("Authorization", "")
        status, body = self.server.answer(self.command, self.path, token, json.loads(content) if content else {})
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PATCH = _answer


@pytest.fixture
def pocket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PocketServer]:
    """A town on such a forge: git reaches its repositories as files, the API is on the loopback address."""
    town = make_town(tmp_path, CHAIN)
    repos.run_git(
        "config", "--global", f"url.file://{town.root}/server/.insteadOf", f"https://{HOST}/acme/", cwd=town.root
    )
    known = {
        name: {
            "url": f"git+https://{HOST}/acme/{name}.git", "path": f"repos/{name}", "aliases": [f"git+{town.url(name)}"],
        }
        for name in CHAIN
    }  # fmt: skip
    town.manifest(repos=known)
    town.bump_all()
    monkeypatch.setenv("POCKET_TOKEN", "s3cret")
    monkeypatch.chdir(town.root)
    with PocketServer(town) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        monkeypatch.setitem(KINDS, "pocket", the_row(f"http://127.0.0.1:{server.server_port}"))
        yield server
        server.shutdown()
        thread.join()


def answer_of(capsys: pytest.CaptureFixture[str], *argv: str, status: int = 0) -> list[dict[str, Any]]:
    assert run([*argv, "--json"]) == status
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["repos"]
    return found


def test_a_made_up_kind_is_published_to(pocket: PocketServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert [each["status"] for each in answer_of(capsys, "publish")] == ["opened", "opened"]
    town = pocket.town
    assert {name: pulls[0]["head"] for name, pulls in pocket.pulls.items()} == {
        name: town.ref(town.clone(name), f"refs/heads/{BRANCH}") for name in CHAIN
    }
    assert f"Depends-On: https://{HOST}/acme/lib/1" in pocket.pulls["app"][0]["body"]
    pocket.told.clear()
    assert [each["status"] for each in answer_of(capsys, "publish")] == ["unchanged", "unchanged"]
    assert {line.split()[0] for line in pocket.told} == {"GET"}


def test_a_made_up_kind_shows_its_pull_requests_and_closes_them(
    pocket: PocketServer, capsys: pytest.CaptureFixture[str]
) -> None:
    answer_of(capsys, "publish")
    assert [each["stage"] for each in answer_of(capsys, "status")] == ["open", "open"]
    assert [each["status"] for each in answer_of(capsys, "abandon")] == ["abandoned", "abandoned"]
    assert {name: [pull["state"] for pull in pulls] for name, pulls in pocket.pulls.items()} == {
        "lib": ["closed"],
        "app": ["closed"],
    }


def test_a_token_that_it_does_not_take_is_refused_in_the_words_of_all_forges(
    pocket: PocketServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POCKET_TOKEN", "stale")
    failed = answer_of(capsys, "publish", status=1)[0]
    assert failed["error"]["code"] == "forge-token"
    assert "POCKET_TOKEN" in failed["error"]["hint"]
    assert "stale" not in json.dumps(failed)


def test_it_merges_under_the_guard_of_all_forges(pocket: PocketServer, capsys: pytest.CaptureFixture[str]) -> None:
    answer_of(capsys, "publish")
    workspace = pocket.town.workspace
    head = pocket.head("lib")
    assert head is not None
    with closing(Servers(workspace, {"POCKET_TOKEN": "s3cret"})) as servers:
        there = servers.for_repo(next(repo for repo in workspace.repos if repo.name == "lib"))
        assert there is not None
        forge, project = there.forge, there.project
        assert isinstance(forge, Pocket)
        assert project == Project(HOST, "acme/lib")
        pull = forge.get(project, 1)
        with pytest.raises(ForgeError) as caught:
            forge.merge(project, pull, head=NEW, method="default")
        assert caught.value.code == "head-moved"
        merged = forge.merge(project, pull, head=head, method="default")
    assert isinstance(merged, Pull)
    assert (merged.state, merged.merged_rev) == ("merged", head)


def test_the_manifest_knows_the_kinds_of_the_table(pocket: PocketServer) -> None:
    town = pocket.town
    town.manifest(forges={"git.acme.example": {"kind": "pocket"}})
    assert town.workspace.forges["git.acme.example"].kind == "pocket"
    town.manifest(forges={"git.acme.example": {"kind": "pockets"}})
    with pytest.raises(ManifestError, match="`pocket`"):
        _ = town.workspace


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_row_names_an_adapter_of_its_kind(kind: str) -> None:
    adapter = adapter_of(kind)
    assert (adapter is None) == (kind == "none")
    if adapter is not None:
        assert adapter.kind == kind
        assert {"Authorization"} <= adapter.headers("s3cret").keys()


def test_no_two_rows_share_a_host_or_a_variable() -> None:
    hosts = [host for facts in KINDS.values() for host in facts.hosts]
    variables = [name for facts in KINDS.values() for name in facts.token_variables]
    assert len(set(hosts)) == len(hosts)
    assert len(set(variables)) == len(variables)
    assert all(facts.tools_host in (None, *facts.hosts) for facts in KINDS.values())
