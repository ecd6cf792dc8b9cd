"""Lockers: who writes the new lock of one flake. One Protocol; nothing outside this folder knows which one runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from flakesync.nix.lock.file import LockFile
from flakesync.nix.reference.flakeref import Attr
from flakesync.terms import FlakeDir, InputPath, Rev


class FromServer(msgspec.Struct, frozen=True, tag="server"):
    """A commit to be fetched from where flake.nix says. branch: one that has it, as far as known.

    locked: an immutable archive of it, for tarball sources; None for all others.
    """

    rev: Rev
    branch: str | None
    locked: Mapping[str, Attr] | None = None


class FromClone(msgspec.Struct, frozen=True, tag="clone"):
    """A commit that a local repository has, pushed or not.

    repository: the clone, the mirror, or a borrowed one. ref: the full ref in it that has the commit. branch: the
    branch that the canonical reference names. pushed: whether the server should have the commit already.
    """

    rev: Rev
    repository: Path
    ref: str
    branch: str
    pushed: bool


class Move(msgspec.Struct, frozen=True):
    """One input to move. original, locked: of its node in the lock that is there."""

    input: InputPath
    original: Mapping[str, Attr]
    locked: Mapping[str, Attr]
    source: FromServer | FromClone


class Request(msgspec.Struct, frozen=True):
    """One flake whose lock is to be written anew.

    repository, rev: where its files are read. dir: its folder. lock: the lock at `rev`. repo: what people call it.
    stale: inputs of which flake.nix says something else than the lock, all of them: they are locked as flake.nix says,
    to what that leads to now unless there is a move.
    """

    repository: Path
    rev: Rev
    dir: FlakeDir
    lock: LockFile
    moves: Sequence[Move]
    repo: str = ""
    stale: frozenset[InputPath] = frozenset()


class Locker(Protocol):
    """Writes locks."""

    @property
    def name(self) -> str:
        """What reports call it: `nix 2.26.3`."""

    def lock(self, request: Request) -> LockFile:
        """Return the new lock: the moved inputs at their commits, in canonical references, the rest as it was.

        Raises:
            FlakesyncError: the lock cannot be written, or not exactly.
        """
