"""A workspace of private repos on one forge, known by their addresses over https alone."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import tomli_w

from flakesync.demo.forge.model import Kind, Project
from flakesync.demo.forge.web.messages import Answer, Request
from tests.support import forked, repos
from tests.support.forge import Forge, faults
from tests.support.nixspace import Space, Take

# Of this process alone: it is looked for in the command lines of all processes, also of tests that run beside this one.
TOKEN = f"t0ken-of-the-private-workspace-{os.getpid()}"
VARIABLE = "ACME_TOKEN"
SITE = "git.example.com"
APIS: Mapping[Kind, str] = {"github": "/api/v3", "gitlab": "/api/v4", "forgejo": "/api/v1"}


class _Hosted(Space):
    """A space whose locks name addresses on a forge."""

    def __init__(self, root: Path, web: str) -> None:
        self.web = web
        super().__init__(root)

    def url(self, name: str) -> str:
        return f"{self.web}/acme/{name}.git"


@dataclass
class Private:
    """`lib`, and `app`, which takes it; both take `nixpkgs`, which has moved on and is no repo of the workspace.

    host: as it stands in addresses. manifest: what `run` writes into workspace.toml. processes: command lines of all
    processes while the forge was asked for something.
    """

    root: Path
    forge: Forge
    host: str
    space: Space
    manifest: dict[str, dict[str, object]]
    processes: set[str] = field(default_factory=set)

    names = ("lib", "app")

    @property
    def web(self) -> str:
        """Where the forge is."""
        return f"https://{self.host}"

    def project(self, name: str) -> Project:
        """Return what the forge knows of a repo."""
        found = self.forge.site(SITE).find(f"acme/{name}")
        assert found is not None
        return found

    def run(self, *argv: str, env: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
        """Run a command of flakesync. env: more of its environment."""
        (self.root / "workspace.toml").write_text(tomli_w.dumps(self.manifest))
        return forked.flakesync(*argv, cwd=self.root, env=env)

    def written(self, folders: Sequence[Path], secret: str) -> list[Path]:
        """Return the files below these folders that hold a secret."""
        files = (path for folder in folders for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
        return [path for path in files if secret.encode() in path.read_bytes()]


def make_private(root: Path, forge: Forge, kind: Kind) -> Private:
    """Make the workspace on the forge's site SITE, and let the token in."""
    host = f"localhost:{forge.open_port(SITE)}"
    site = forge.site(SITE)
    site.add_account(TOKEN)
    space = _Hosted(root / "made", f"https://{host}")
    space.add("lib")
    space.add("app", {"nixpkgs": Take(), "lib": Take()})
    for name in ("nixpkgs", "lib", "app"):
        project = site.create(f"acme/{name}", private=True)
        repos.put_on_server(space.path(name), project.storage.path, space.url(name))
    table = {"kind": kind, "token-env": VARIABLE, "api": f"https://{host}{APIS[kind]}"}
    manifest: dict[str, dict[str, object]] = {
        "workspace": {"name": "acme", "jobs": 2, "author": "Bot <bot@acme.example>"},
        "pins": {"nixpkgs": {"source": f"git+{space.url('nixpkgs')}?ref=main"}},
        "forges": {host: {**table, "ca-file": str(forge.certificates.ca)}},
        "repos": {name: {"url": f"git+{space.url(name)}"} for name in space.names},
    }
    (root / "run").mkdir()
    private = Private(root / "run", forge, host, space, manifest)

    def look(request: Request, perform: faults.Perform) -> Answer:
        private.processes |= set(command_lines())
        return perform()

    forge.faults.add(look, times=None)
    return private


def command_lines() -> list[str]:
    """Return what `ps` would show of every process."""
    found: list[str] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            found.append((folder / "cmdline").read_text(errors="replace"))
        except OSError:
            continue
    return found
