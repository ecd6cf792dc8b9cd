"""The first locks of the example flakes: real Nix writes them, or flakesync itself where there is no Nix."""

import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from flakesync.errors import FlakesyncError, NixError
from flakesync.git.repository import Repository
from flakesync.nix.expression.inputs import NotStatic, read_inputs
from flakesync.nix.program.command import Nix
from flakesync.nix.reference.flakeref import Attr, FlakeRef
from flakesync.sync.lockers.native.compute import first_lock
from flakesync.sync.lockers.native.dialects import DIALECTS
from flakesync.sync.lockers.native.sources import Sources
from flakesync.sync.lockers.native.values import Fetched, Flake, NotNativeError

FirstLock = Callable[[Path], bytes]
"""Returns the first flake.lock of the flake in a folder, in which nothing is written. Raises: FlakesyncError."""


def find_nix(env: Mapping[str, str]) -> Nix | None:
    """Return the Nix that commands with this environment would run; None: there is none that could write locks.

    Raises: NixError(`no-nix`): FLAKESYNC_NIX names one, and it is not there.
    """
    try:
        return Nix.find(env)
    except NixError:
        if env.get("FLAKESYNC_NIX"):
            raise
        return None


def writer(nix: Nix | None) -> str:
    """Return who writes the locks, for people."""
    return nix.describe() if nix is not None else "flakesync, for want of Nix,"


def lock_with_nix(nix: Nix, scratch: Path, folder: Path) -> bytes:
    """Let Nix lock a copy of the flake: it would add the lock to the index of a repository, and a copy has none."""
    copy = Path(tempfile.mkdtemp(dir=scratch, prefix=f"{folder.name}-"))
    for file in folder.iterdir():
        if file.is_file() and file.name != "flake.lock":
            (copy / file.name).write_bytes(file.read_bytes())
    return nix.lock(copy, ())


class FlakesyncWrites:
    """The native locker's algorithm, with nothing to keep. It reads the repositories that are being made."""

    def __init__(self, repositories: Iterable[tuple[FlakeRef, Path]], scratch: Path) -> None:
        """repositories: the address of each, without a ref, and where it lies; they may be made later."""
        self._repositories = {ref.identity: path for ref, path in repositories if ref.identity is not None}
        self._sources = Sources(self._repositories, (), scratch, offline=True)

    def lock(self, folder: Path) -> bytes:
        """See FirstLock."""
        inputs = read_inputs((folder / "flake.nix").read_bytes(), file=os.fspath(folder / "flake.nix"))
        if isinstance(inputs, NotStatic):
            raise FlakesyncError("not-static", inputs.reason)
        return first_lock(inputs.inputs, self, DIALECTS["nix-2.26+"]).to_bytes()

    def at(self, locked: Mapping[str, Attr]) -> Flake:
        """See Fetcher."""
        return self._sources.at(locked)

    def newest(self, ref: FlakeRef) -> Fetched:
        """See Fetcher. Nobody serves these repositories yet, so their own branches are looked at."""
        place = self._repositories.get(ref.identity) if ref.identity is not None else None
        if place is None or ref.ref is None:
            raise NotNativeError(f"{ref} is none of the repositories, or names no branch")
        with Repository.open(place) as repository:
            rev = repository.branch(ref.ref)
        if rev is None:
            raise NotNativeError(f"{place} has no branch {ref.ref}")
        return self._sources.fetch(ref.at(rev, ref.ref))
