"""The ten repos of lies.py, with what they take on a forge that lets nobody in without a token, under its real name."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import tomli_w

from flakesync.demo.forge.model import Kind as ForgeKind
from flakesync.documents.audit import AuditReport
from tests.audit.lies import Kind, LyingSpace, Shape, add_shapes
from tests.support import repos
from tests.support.forge import Forge
from tests.support.netns import Network, network

TOKEN = "t0ken-of-the-auditor"
VARIABLE = "ACME_TOKEN"
_SITES: Mapping[Kind, tuple[str, ForgeKind]] = {
    "github": ("github.com", "github"),
    "https": ("git.example.com", "forgejo"),
}


@dataclass(frozen=True)
class Served:
    """A workspace of repositories without a server, and one site with those that they take."""

    space: LyingSpace
    shapes: Mapping[str, Shape]
    forge: Forge
    net: Network
    host: str

    def run(self, *argv: str, token: str = TOKEN) -> "subprocess.CompletedProcess[str]":
        """Run a command of flakesync in the forge's network."""
        env = {**os.environ, **self.forge.certificates.environment(), VARIABLE: token}
        return self.net.flakesync(*argv, cwd=self.space.root, env=env)

    def audit(self, *argv: str, status: int | None = None, token: str = TOKEN) -> AuditReport:
        """Run `flakesync audit` on the ten repos; status: that it has to end with."""
        done = self.run("audit", *argv, "--json", token=token)
        assert done.returncode in ((0, 1) if status is None else (status,)), done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return msgspec.json.decode(done.stdout, type=AuditReport)

    def write_manifest(self) -> None:
        """Write workspace.toml."""
        document = {
            "workspace": {"name": "acme", "jobs": 2},
            "repos": {name: {"path": name, "flakes": [shape.dir]} for name, shape in self.shapes.items()},
            "forges": {self.host: {"kind": _SITES[self.space.kind][1], "token-env": VARIABLE}},
        }
        (self.space.root / "workspace.toml").write_text(tomli_w.dumps(document))

    def stop(self) -> None:
        """Let nobody in any more, as a server that is down."""
        self.forge.stop()
        self.net.listener.close()

    def push(self, name: str) -> None:
        """Put all that a repository has on the server."""
        git_dir = self.space.path(name) / ".git"
        project = self.forge.site(self.host).find(f"acme/{name}")
        assert project is not None
        for part in ("objects", "refs/heads", "refs/tags", "refs/pull"):
            if (git_dir / part).exists():
                shutil.copytree(git_dir / part, project.storage.path / part, dirs_exist_ok=True)


@contextlib.contextmanager
def serve(root: Path, kind: Kind) -> Iterator[Served]:
    """Make the workspace and its server."""
    host, forge_kind = _SITES[kind]
    with Forge(root / "forge", [(host, forge_kind)]) as forge, network(root / "net", forge.hosts) as net:
        forge.serve(net.listener)
        site = forge.site(host)
        site.add_account(TOKEN)
        space = LyingSpace(root / "acme", kind)
        shapes = add_shapes(space)
        served = Served(space, shapes, forge, net, host)
        for name in ("lib", "mid", "top", "evil"):
            project = site.create(f"acme/{name}", private=True)
            repos.put_on_server(space.path(name), project.storage.path, space.url(name))
            served.push(name)
        served.write_manifest()
        yield served
