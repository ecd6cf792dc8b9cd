"""The two sides of the demo's air gap: a workspace that reaches its servers, and a machine that reaches nobody."""

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import NamedTuple

from flakesync.bundle.layout.oci import GIT_TYPE, NAR_TYPE
from flakesync.bundle.layout.reader import open_layout
from flakesync.demo.build import FORGE, MANIFEST, build_workspace, found_in, manifest_tables, new_folder
from flakesync.demo.locking import find_nix
from flakesync.nix.program.command import Nix
from flakesync.processes import child

CONNECTED, APART, STICK = "connected", "apart", "stick"
"""The folders of both sides, and of what is carried."""
SOURCES, REPOS = "sources", "git"
"""What `import` fills on the other side: the cache and the repositories."""

_WITHOUT_NETWORK = (("unshare", "--net"), ("unshare", "--net", "--user", "--map-root-user"))
_OF_ONE_SIDE = re.compile(r"NIX_.*|XDG_.*|FLAKESYNC_CACHE|GIT_CONFIG_(COUNT|KEY_\d+|VALUE_\d+)|SSL_CERT_FILE")


@dataclass(frozen=True, slots=True)
class Sides:
    """Both sides, below one folder.

    nix: None: there is none. without_network: what a command begins with, to have no network; empty: this machine does
    not let us.
    """

    place: Path
    nix: Nix | None
    without_network: tuple[str, ...]

    @property
    def connected(self) -> Path:
        """The workspace whose servers answer."""
        return self.place / CONNECTED

    @property
    def apart(self) -> Path:
        """The folder of the machine that has no network."""
        return self.place / APART

    @property
    def connected_environment(self) -> Mapping[str, str]:
        """The environment in which git.acme.example is there: git reads a folder in its place."""
        return {**os.environ, **found_in(self.connected, [FORGE])}

    @property
    def exports(self) -> Mapping[str, str]:
        """What a user would export on the other side, for Nix: a store that is empty, and where sources come from."""
        settings = (
            "experimental-features = nix-command flakes",
            "build-users-group =",
            "substitute = true",
            f"substituters = file://{self.apart / SOURCES}",
        )
        return {
            "HOME": str(self.apart / "home"),
            "NIX_REMOTE": str(self.apart / "store"),
            "NIX_CONFIG": "\n".join(settings),
        }

    @property
    def apart_environment(self) -> Mapping[str, str]:
        """The environment after these exports; nothing in it leads to what the connected side has kept."""
        kept = {name: value for name, value in os.environ.items() if not _OF_ONE_SIDE.fullmatch(name)}
        return {**kept, **self.exports}

    def nix_flake(self, repo: str, branch: str) -> str:
        """Return the flake reference of a repo of the other side."""
        return f"git+file://{self.apart / REPOS / repo}.git?ref={branch}"


def make_sides(directory: Path, last_day: date) -> Sides:
    """Make the example workspace, and a machine apart that has nothing, in `directory`, which must be empty.

    Raises:
        FlakesyncError: `demo-folder` (it cannot be used), and what git and Nix raise.
    """
    with new_folder(directory) as place:
        connected = place / CONNECTED
        nix = find_nix({**os.environ, **found_in(connected, [FORGE])})
        address = partial("{}/{}".format, FORGE)
        build_workspace(connected, address, nix=nix, last_day=last_day)
        tables = manifest_tables(address, checks=nix is not None)
        (connected / MANIFEST).write_text(tables.replace('path = "examples/', 'path = "./'), "utf-8")
        for folder in (place / APART / "home", place / STICK):
            folder.mkdir(parents=True)
    return Sides(place, nix, _without_network())


def exported(name: str, value: str) -> str:
    """Return an assignment as a shell takes it; newlines in the way of bash and zsh."""
    if "\n" in value:
        return f"{name}=$'{value.replace(chr(10), chr(92) + 'n')}'"
    return f"{name}={shlex.quote(value)}"


class Weight(NamedTuple):
    """How many bytes of a bundle are sources, commits, and what says what it has."""

    sources: int
    commits: int
    manifest: int


def weigh(bundle: Path) -> Weight:
    """Return how many bytes each part of a bundle has, which must be whole.

    Raises:
        FlakesyncError: it is not.
    """
    whole = sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file())
    with open_layout(bundle) as layout:
        sources, commits = (
            sum(layer.size for layer in layout.layers.values() if layer.media_type == kind)
            for kind in (NAR_TYPE, GIT_TYPE)
        )
    return Weight(sources, commits, whole - sources - commits)


def _without_network() -> tuple[str, ...]:
    """Return how this machine runs a command without a network; empty: not at all."""
    return next((argv for argv in _WITHOUT_NETWORK if _works([*argv, "true"])), ())


def _works(argv: list[str]) -> bool:
    def begin() -> "child.Popen[bytes]":
        return child.Popen(
            argv, stdin=child.DEVNULL, stdout=child.DEVNULL, stderr=child.DEVNULL, start_new_session=True
        )

    try:
        return child.run(begin).status == 0
    except OSError:
        return False
