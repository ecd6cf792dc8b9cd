"""Many small repos on the sites of a forge, each with an update branch in its clone that waits to be published.

Neither Nix nor a git process has a part in it, so that hundreds take a second. Their locks are of the right shape; what
they name beside each other does not exist.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import tomli_w

from flakesync.demo.forge.model import Kind, Project, Site
from flakesync.demo.forge.storage import Storage
from flakesync.gitenv import with_settings
from flakesync.terms import PinName, Rev
from flakesync.update.commit import message
from tests.support import locks, repos
from tests.support.forge.forge import Forge
from tests.support.nixspace import UPDATE_BRANCH

TOKEN = "token-of-the-bot"
VARIABLE = "MANY_TOKEN"
APIS: Mapping[Kind, str] = {"github": "", "gitlab": "/api/v4", "forgejo": "/api/v1"}
LABEL = "flake-lock"

_OLD, _NEW = (Rev(locks.rev_of(word)) for word in ("old nixpkgs", "new nixpkgs"))
_FAN_OUT = 4
_TITLE = "flake.lock: update {pin} to {new}"


@dataclass(frozen=True)
class Many:
    """The workspace. names: of the repos, upstreams first. ports: of the sites, by their names."""

    root: Path
    forge: Forge
    names: Sequence[str]
    ports: Mapping[str, int]

    @property
    def manifest(self) -> Path:
        """Its workspace.toml."""
        return self.root / "workspace.toml"

    def site(self, name: str) -> Site:
        """Return the site that a repo lies on."""
        return self.forge.sites[_site_of(name, [*self.ports])]

    def project(self, name: str) -> Project:
        """Return what the forge knows of a repo."""
        found = self.site(name).find(f"acme/{name}")
        assert found is not None
        return found

    def updates(self) -> dict[str, Rev]:
        """Return the tips of the update branches in the clones."""
        ref = f".git/refs/heads/{UPDATE_BRANCH}"
        return {name: Rev((self.root / "repos" / name / ref).read_text().strip()) for name in self.names}

    def environment(self) -> dict[str, str]:
        """Return what a run of flakesync needs: a token, and the authority to trust."""
        return {**self.forge.certificates.environment(), VARIABLE: TOKEN}

    def shortcut(self) -> Mapping[str, str]:
        """Return settings that lead git straight into the repositories of the forge: a third of the time over https."""
        hosts = {f"https://localhost:{port}/": f"file://{self.forge.root / host}/" for host, port in self.ports.items()}
        return with_settings({}, [(f"url.{file}.insteadOf", https) for https, file in hosts.items()])

    def move(self, *, pushed: bool) -> None:
        """Make the update branches: nixpkgs moved, the upstream where its own update is. pushed: on the forge too."""
        tips: dict[str, Rev] = {}
        for number, name in enumerate(self.names):
            clone = self.root / "repos" / name
            base = Rev((clone / ".git/refs/heads/main").read_text().strip())
            above = {up: tips[up] for up in _takes(self.names, number)}
            lock = _lock(self, _NEW, above, ref=UPDATE_BRANCH)
            text = message("run-1", ["• Updated"], {PinName("nixpkgs"): _NEW})
            for place in (clone, self.project(name).storage.path) if pushed else (clone,):
                tips[name] = repos.commit(
                    place, {"flake.lock": lock}, branch=UPDATE_BRANCH, parents=[base], message=text, checkout=False
                )


def make_many(root: Path, forge: Forge, hosts: Sequence[str], count: int, *, pushed: bool = False) -> Many:
    """Make `count` repos, in turns on these sites of the forge; each takes an earlier one, and nixpkgs, which moved.

    pushed: whether the update branches are on the forge already.
    """
    ports = {host: forge.open_port(host) for host in hosts}
    many = Many(root, forge, [f"r{number}" for number in range(count)], ports)
    for host in hosts:
        forge.sites[host].add_account(TOKEN)
    tips: dict[str, Rev] = {}
    for number, name in enumerate(many.names):
        lock = _lock(many, _OLD, {up: tips[up] for up in _takes(many.names, number)}, ref="main")
        files = {"flake.nix": "{ outputs = _: { }; }\n", "flake.lock": lock}
        tips[name] = repos.make_repo(root / "repos" / name, files, checkout=False)
        site = many.site(name)
        storage = Storage(site.root / f"acme/{name}.git")
        repos.make_bare(storage.path, files)
        site.projects[f"acme/{name}"] = Project(next(site.ids), f"acme/{name}", storage, site.time())
    _write_manifest(many)
    many.move(pushed=pushed)
    return many


def _site_of(name: str, hosts: Sequence[str]) -> str:
    return hosts[int(name.removeprefix("r")) % len(hosts)]


def _takes(names: Sequence[str], number: int) -> list[str]:
    return [names[(number - 1) // _FAN_OUT]] if number else []


def _url(many: Many, name: str) -> str:
    return f"https://localhost:{many.ports[many.site(name).host]}/acme/{name}"


def _lock(many: Many, nixpkgs: Rev, above: Mapping[str, Rev], *, ref: str) -> str:
    inputs: dict[str, locks.Input | tuple[str, ...]] = {
        "nixpkgs": locks.github("NixOS", "nixpkgs", ref="nixos-25.11", rev=nixpkgs)
    }
    inputs |= {up: locks.git(_url(many, up), rev=rev, ref=ref) for up, rev in above.items()}
    return locks.to_bytes(locks.lock(inputs)).decode()


def _write_manifest(many: Many) -> None:
    document = {
        "workspace": {"name": "many", "jobs": 2},
        "forges": {
            f"localhost:{port}": {
                "kind": many.forge.sites[host].kind,
                "api": f"https://localhost:{port}{APIS[many.forge.sites[host].kind]}",
                "token-env": VARIABLE,
            }
            for host, port in many.ports.items()
        },
        "publish": {"title": _TITLE, "labels": [LABEL]},
        "repos": {name: {"url": f"git+{_url(many, name)}", "path": f"repos/{name}"} for name in many.names},
    }
    many.manifest.write_text(tomli_w.dumps(document))
