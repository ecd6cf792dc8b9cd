"""A workspace whose repositories lie on a forge, and a network in which Nix, git and flakesync reach it."""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import tomli_w

from flakesync.demo.forge.model import Kind
from tests.support import repos
from tests.support.forge import Forge, Project, make_ssh_command
from tests.support.netns import Network, network
from tests.support.nix import RealNix, remove_state

Json = dict[str, object]

TOKEN = "token-of-the-bot"
NO_INPUTS = "{ outputs = _: { }; }\n"
# The one Nix here that would ask five times, with pauses, before it gives up.
_PATIENCE = "download-attempts = 1\n"


@dataclass
class World:
    """One forge, one network, one Nix; the clones lie in `root / "repos"`.

    env: the environment of everything that runs in the network: this Nix with a state of its own, the forge's
    authority, a token for pushes. manifest: what `sync` writes into workspace.toml.
    """

    root: Path
    forge: Forge
    net: Network
    nix: RealNix
    env: Mapping[str, str]
    manifest: dict[str, Json] = field(default_factory=dict)

    def clone(self, name: str) -> Path:
        """Return where the clone of a repo lies."""
        return self.root / "repos" / name

    def add(self, name: str, project: Project, url: str, files: Mapping[str, str], *, lock: bool = True) -> None:
        """Make a clone with one commit, and one more with the lock that Nix writes, if any, and put both on the forge.

        url: what the clone calls its origin.
        """
        clone = self.clone(name)
        repos.make_repo(clone, files, branch=project.storage.default_branch)
        if lock:
            self.run_nix("flake", "lock", cwd=clone)
            if (clone / "flake.lock").exists():  # a flake without inputs gets none
                repos.commit(clone, {"flake.lock": (clone / "flake.lock").read_text()}, message="Lock")
        repos.put_on_server(clone, project.storage.path, url)

    def git(self, name: str, *argv: str) -> str:
        """Run git in the clone of a repo, as a person with the right to push would."""
        return self.net.run("git", *argv, cwd=self.clone(name), env=self.env).stdout.strip()

    def run_nix(self, *argv: str, cwd: Path, env: Mapping[str, str] | None = None) -> str:
        """Run Nix; failing fails the test."""
        return self.net.run(self.nix.path, *argv, cwd=cwd, env=env or self.env).stdout

    @contextlib.contextmanager
    def cold(self) -> Iterator[Mapping[str, str]]:
        """Give an environment in which Nix knows nothing: an empty store, an empty cache."""
        number = sum(path.name.startswith("cold-") for path in self.root.iterdir())
        state = self.root / f"cold-{number}"
        inside = self.nix.env(state)
        wanted = ("NIX_CONF_DIR", "NIX_LOG_DIR", "NIX_STATE_DIR", "NIX_STORE_DIR", "XDG_CACHE_HOME", "TMPDIR")
        yield {**self.env, **{variable: inside[variable] for variable in wanted}}
        remove_state(state)

    def flakesync(self, *argv: str, statuses: Sequence[int] = (0,)) -> Json:
        """Run a command of flakesync with `--json` on the manifest as it is now; return its document."""
        (self.root / "workspace.toml").write_text(tomli_w.dumps(self.manifest))
        done = self.net.flakesync(*argv, "--json", cwd=self.root, env=self.env)
        if done.returncode not in statuses:
            pytest.fail(f"flakesync {argv[0]}: exit status {done.returncode}\n{done.stdout}\n{done.stderr}")
        document: Json = json.loads(done.stdout)
        return document


@contextlib.contextmanager
def make_world(root: Path, nix: RealNix, sites: Sequence[tuple[str, Kind]]) -> Iterator[World]:
    """Give a forge with these sites, and a network where it is reached by their names."""
    state = root / "nix-state"
    with Forge(root / "forge", sites) as forge, network(root / "net", forge.hosts) as net:
        for site in forge.sites.values():
            site.add_account(TOKEN)
        forge.serve(net.listener)
        yield World(root, forge, net, nix, _environment(root, nix, forge))
    remove_state(state)


def _environment(root: Path, nix: RealNix, forge: Forge) -> Mapping[str, str]:
    ssh = make_ssh_command(root / "ssh", forge.root)
    # As a user's own helper would, out of sight of the repositories and of the list of processes.
    helper = f'!f() {{ test "$1" = get && printf "username=bot\\npassword=%s\\n" {TOKEN}; }}; f'
    return {
        **nix.env(root / "nix-state"),
        **forge.certificates.environment(),
        "NIX_CONFIG": _PATIENCE,
        "GIT_SSH_COMMAND": str(ssh),
        "GIT_SSH_VARIANT": "ssh",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "credential.helper",
        "GIT_CONFIG_VALUE_0": helper,
    }
