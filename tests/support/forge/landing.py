"""A workspace on the example forge, over TLS, with one clock for the forge and for whoever waits for it.

Repos are known by their addresses alone; locks are made and moved without Nix.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import tomli_w

from flakesync.cache.layout import cache_dir
from flakesync.demo.forge import pulls
from flakesync.demo.forge.model import Kind, Project, Site
from flakesync.demo.forge.storage import Storage
from flakesync.documents.pulls.publish import PublishDocument
from flakesync.documents.pulls.status import StatusDocument
from flakesync.forge.client import Client, Endpoint
from flakesync.forge.hosts import Servers
from flakesync.gitenv import with_settings
from flakesync.land.documents import land_document
from flakesync.land.land import land
from flakesync.publish.documents import publish_document
from flakesync.publish.publish import publish
from flakesync.publish.status import status
from flakesync.survey.read import read_graph
from flakesync.sync.options import Options, Patience
from flakesync.terms import Rev
from flakesync.workspace.manifest import load_workspace, select
from tests.support import repos
from tests.support.forge.client import HOSTS, REVIEWER
from tests.support.forge.clock import Clock
from tests.support.forge.forge import Forge
from tests.support.forge.many import APIS, TOKEN, VARIABLE
from tests.support.landing import Landed
from tests.support.nixspace import Ran, Space, Take, drift_of, run_sync


@dataclass
class Hosted:
    """A workspace on one site of a forge. clock: of the site and of all that waits.

    token: what is sent to the site. naps: called with the number of each pause of `land --wait`, after it.
    """

    root: Path
    forge: Forge
    site: Site
    place: str
    names: Sequence[str]
    clock: Clock
    token: str = TOKEN
    naps: list[float] = field(default_factory=list)

    @property
    def manifest(self) -> Path:
        """Its workspace.toml."""
        return self.root / "workspace.toml"

    def project(self, name: str) -> Project:
        """Return what the forge knows of a repo."""
        found = self.site.find(f"acme/{name}")
        assert found is not None
        return found

    def commit(self, name: str, files: repos.Files, branch: str = "main") -> Rev:
        """Push a commit to a branch of a repo, as a person does."""
        project = self.project(name)
        tip = project.storage.branch(branch)
        assert tip is not None
        date = repos.DATE + 100 * 3600
        rev = repos.commit(project.storage.path, files, branch=branch, parents=[Rev(tip)], message="Mine", date=date)
        pulls.after_push(self.site, project)
        return rev

    @property
    def servers(self) -> Servers:
        """The forge, as a command of flakesync reaches it."""

        def connect(endpoint: Endpoint, headers: Mapping[str, str]) -> Client:
            return Client(endpoint, headers, sleep=self.clock.sleep, clock=self.clock)

        return Servers(load_workspace(self.manifest), {**os.environ, VARIABLE: self.token}, connect=connect)

    def sync(self) -> Ran:
        """Do what `flakesync sync` does."""
        return run_sync(self.manifest, locker="native")

    def publish(self, *only: str) -> PublishDocument:
        """Do what `flakesync publish` does."""
        workspace = load_workspace(self.manifest)
        with closing(self.servers) as servers:
            graph, selected = read_graph(workspace, at="update"), select(workspace, only, (), ())
            return publish_document(publish(workspace, graph, selected, servers), workspace.branch)

    def status(self) -> StatusDocument:
        """Do what `flakesync status` does."""
        workspace = load_workspace(self.manifest)
        with closing(self.servers) as servers:
            return status(workspace, read_graph(workspace, at="update"), select(workspace, (), (), ()), servers)

    def land(self, *, wait: bool = False, timeout_s: float = 3600, nap: Callable[[], None] | None = None) -> Landed:
        """Do what `flakesync land` does. nap: called after each pause between two rounds."""

        def sleep(seconds: float) -> None:
            self.clock.sleep(seconds)
            self.naps.append(seconds)
            if nap is not None:
                nap()

        workspace = load_workspace(self.manifest)
        patience = Patience(wait=wait, timeout_s=timeout_s, sleep=sleep, clock=self.clock)
        selected = select(workspace, (), (), ())
        options = Options(cache=cache_dir(), patience=patience, locker="native")
        with closing(self.servers) as servers:
            return Landed(land_document(land(workspace, selected, servers, options)))

    def assert_done(self) -> None:
        """All bases are in step, and no update branch is left on the server."""
        assert drift_of(self.manifest, at="base") == []
        for name in self.names:
            assert "flakesync/update" not in self.project(name).storage.branches(), name


def _reading_directly(site: Site, place: str) -> Mapping[str, str]:
    """Return settings with which git reads in the forge's own folders, a third of the time over https.

    Pushes still go to the forge, which has to see them.
    """
    https = f"https://{place}/acme/"
    settings = [(f"url.file://{site.root}/acme/.insteadOf", https), (f"url.{https}.pushInsteadOf", https)]
    return with_settings({}, settings)


def make_hosted(
    root: Path,
    forge: Forge,
    kind: Kind,
    monkeypatch: pytest.MonkeyPatch,
    takes: Mapping[str, Sequence[str]],
    **publish_settings: object,
) -> Hosted:
    """Make repos on the forge's site of a kind, each of which takes nixpkgs (that has moved on) and others."""
    clock = Clock()
    site = forge.sites[HOSTS[kind]]
    site.clock = clock
    site.add_account(TOKEN)
    site.add_account(REVIEWER, "reviewer")
    place = f"localhost:{forge.open_port(site.host)}"
    space = Space(root / "space")
    for name, upstreams in takes.items():
        above = {up: Take(url=f"https://{place}/acme/{up}") for up in upstreams}
        space.add(name, {"nixpkgs": Take(), **above})
    for name in space.names:
        storage = Storage(repos.clone_bare(space.path(name), site.root / f"acme/{name}.git"))
        site.projects[f"acme/{name}"] = Project(next(site.ids), f"acme/{name}", storage, site.time())
    document = {
        "workspace": {"name": "landing", "author": "Bot <bot@acme.example>", "jobs": 1},
        "forges": {
            place: {
                "kind": kind,
                "api": f"https://{place}{APIS[kind]}",
                "token-env": VARIABLE,
                "ca-file": str(forge.certificates.ca),
            }
        },
        "publish": {"merge-method": "squash", **publish_settings},
        "pins": {"nixpkgs": {"source": f"git+{space.url('nixpkgs')}?ref=main"}},
        "repos": {name: {"url": f"git+https://{place}/acme/{name}"} for name in space.names},
    }
    environment = {**forge.certificates.environment(), VARIABLE: TOKEN, **_reading_directly(site, place)}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    (root / "workspace.toml").write_text(tomli_w.dumps(document))
    return Hosted(root, forge, site, place, space.names, clock)
