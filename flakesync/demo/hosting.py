"""The example workspace on three forges: nothing on this machine but a manifest, everything else behind https."""

import contextlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from flakesync.demo.build import MANIFEST, build_workspace, found_in, manifest_tables, new_folder
from flakesync.demo.forge.forge import Forge
from flakesync.demo.forge.model import Kind, Project
from flakesync.demo.locking import find_nix
from flakesync.errors import FlakesyncError
from flakesync.git import process
from flakesync.processes.folders import temporary_folder
from flakesync.terms import RepoName

OWNER = "acme"
TOKEN_VARIABLE = "ACME_TOKEN"  # noqa: S105 - its name
TOKEN_FILE = "forge/token"  # noqa: S105 - where it is

SITES: dict[str, Kind] = {
    "git.acme.example": "forgejo",
    "github.acme.example": "github",
    "gitlab.acme.example": "gitlab",
}
"""The forges: their names, which are the folders of their repositories, and what they are."""

_APIS: dict[Kind, str] = {"forgejo": "/api/v1", "github": "", "gitlab": "/api/v4"}
_LIES_ON = {
    **dict.fromkeys(("nixpkgs", "lib", "style", "core"), "git.acme.example"),
    **dict.fromkeys(("docs-theme", "site"), "github.acme.example"),
    **dict.fromkeys(("api", "cli", "fleet"), "gitlab.acme.example"),
}
_CERTIFICATES = "forge/certificates"


@dataclass(frozen=True, slots=True)
class Hosted:
    """A workspace whose repos lie on forges that answer until `forge` is stopped.

    place: the folder of its manifest. ports: by the name of a site. token: flakesync's. persons_token: somebody's who
    may merge.
    """

    place: Path
    forge: Forge
    ports: Mapping[str, int]
    token: str = field(repr=False)
    persons_token: str = field(repr=False)

    @property
    def exports(self) -> dict[str, str]:
        """What a user would export, as typed: a token is read from its file."""
        return {**_environment(self.place), TOKEN_VARIABLE: f'"$(cat {TOKEN_FILE})"'}

    @property
    def environment(self) -> dict[str, str]:
        """The environment after these exports."""
        return {**os.environ, **_environment(self.place), TOKEN_VARIABLE: self.token}

    def host(self, name: str) -> str:
        """Return the host that a repo lies on, with its port."""
        return f"localhost:{self.ports[_LIES_ON[name]]}"

    def project(self, name: str) -> Project:
        """Return what the forge knows of a repo."""
        found = self.forge.site(_LIES_ON[name]).find(f"{OWNER}/{name}")
        assert found is not None
        return found

    def address(self, name: RepoName) -> str:
        """Return the flake reference of a repo."""
        return f"git+https://{self.host(name)}/{OWNER}/{name}"


def check_tools() -> None:
    """Raise FlakesyncError(`no-openssl`, `git-too-old`, `no-git`) where the forge could not do its work."""
    if shutil.which("openssl") is None:
        raise FlakesyncError("no-openssl", "there is no openssl, which makes the certificates of the example forge")
    found = re.search(r"(\d+)\.(\d+)", process.git(["--version"]).text)
    if found is None or (int(found[1]), int(found[2])) < (2, 38):
        raise FlakesyncError("git-too-old", "the example forge merges with git 2.38 or later", hint="upgrade git")


def host_workspace(directory: Path, last_day: date) -> Hosted:
    """Make the example workspace on forges in `directory`, which must be empty, and let them answer.

    Raises:
        FlakesyncError: `demo-folder` (it cannot be used), and what git and Nix raise.
    """
    with new_folder(directory) as place, _started(place) as hosted, temporary_folder("build") as scratch:
        built = scratch.resolve() / OWNER
        prefixes = [f"https://localhost:{port}/{OWNER}" for port in hosted.ports.values()]
        # The forge has nothing yet: for once, git looks in the folders that are being made.
        env = {**os.environ, **_environment(place), **found_in(built, prefixes)}
        nix = find_nix(env)
        build_workspace(built, hosted.address, nix=nix, last_day=last_day)
        for name in _LIES_ON:
            _put(hosted, name, built / name)
        (place / MANIFEST).write_text(_manifest(hosted, checks=nix is not None), "utf-8")
    return hosted


@contextlib.contextmanager
def _started(place: Path) -> Iterator[Hosted]:
    """Give forges that answer, and stop them if something fails."""
    (place / "forge").mkdir()
    token, persons_token = secrets.token_hex(16), secrets.token_hex(16)
    file = place / TOKEN_FILE
    file.touch(mode=0o600)
    file.write_text(f"{token}\n")
    forge = Forge(place / "forge", SITES.items())
    try:
        for site in forge.sites.values():
            site.now = time.time()
            site.thinks_for = 0  # nobody likes to watch how a forge makes up its mind
            site.add_account(token, "flake-bot")
            site.add_account(persons_token, "alex")
        ports = {host: forge.open_port(host) for host in SITES}
        yield Hosted(place, forge, ports, token, persons_token)
    except BaseException:
        forge.stop()
        raise


def _environment(place: Path) -> dict[str, str]:
    """Return what all programs need: the forge's own authority, and a cache that goes with the folder."""
    authority = place / _CERTIFICATES
    # Without the folder, git's curl would read all authorities of the machine besides: 30 ms for each process.
    env = {
        "GIT_SSL_CAINFO": str(authority / "ca.pem"),
        "GIT_SSL_CAPATH": str(authority),
        "XDG_CACHE_HOME": str(place / "cache"),
    }
    if any(name.lower().endswith("_proxy") for name in os.environ):
        env |= {"no_proxy": "localhost", "NO_PROXY": "localhost"}
    return env


def _put(hosted: Hosted, name: str, clone: Path) -> None:
    """Put a repository on its forge."""
    branch = process.git(["symbolic-ref", "--short", "HEAD"], cwd=clone).text.strip()
    project = hosted.forge.site(_LIES_ON[name]).create(f"{OWNER}/{name}", branch=branch)
    project.storage.git("fetch", "--quiet", str(clone), "+refs/heads/*:refs/heads/*")


def _manifest(hosted: Hosted, *, checks: bool) -> str:
    """Return the manifest of the checkout for repos that are known by address alone."""
    tables = re.sub(r"^path = .*\n", "", manifest_tables(hosted.address, checks=checks), flags=re.MULTILINE)
    forges = [
        f'[forges."localhost:{hosted.ports[host]}"]\n'
        f'kind = "{kind}"\n'
        f'api = "https://localhost:{hosted.ports[host]}{_APIS[kind]}"\n'
        f'token-env = "{TOKEN_VARIABLE}"\n'
        f'ca-file = "{_CERTIFICATES}/ca.pem"\n'
        for host, kind in SITES.items()
    ]
    first, mark, rest = tables.partition("[defaults]")
    made = "# Made by `flakesync demo --forge`: its forges answered as long as that ran.\n\n"
    return made + first + "\n".join([*forges, '[publish]\nlabels = ["flake-lock"]\n', mark + rest])
