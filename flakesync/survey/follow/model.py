"""What is said of the follows of one flake."""

import msgspec

from flakesync.documents.follow import FollowLeft
from flakesync.nix.expression.edit import RemoveFollows, SetFollows
from flakesync.nix.lock.file import LockFile
from flakesync.terms import FlakeDir, InputPath, PinName, RepoName

FollowsEdit = SetFollows | RemoveFollows


class WantedFollows(msgspec.Struct, frozen=True):
    """An edit that a flake.nix should get.

    pin: whose input is to be followed; None for an override that goes. saved: by how many nodes the lock gets smaller,
    once the edits before it are made. overrides: flake.nix leads the input elsewhere so far. reason: a phrase.
    line, column: where in flake.nix, counted from 1, columns in bytes.
    """

    edit: FollowsEdit
    pin: PinName | None
    saved: int
    overrides: bool
    reason: str
    line: int = 0
    column: int = 0


class LeftFollows(msgspec.Struct, frozen=True):
    """An input that nothing is done about.

    pin: whose input it could follow; None: it is not about that. edit: what a person could do; None: nothing is to be
    done. detail: a phrase. line, column: the place in flake.nix that it is about; None: it is about no place.
    """

    input: InputPath
    why: FollowLeft
    detail: str
    pin: PinName | None = None
    edit: FollowsEdit | None = None
    line: int | None = None
    column: int | None = None


class FlakeFollows(msgspec.Struct, frozen=True):
    """The follows of one flake. before, after: the nodes of its lock, the root among them, without and with the edits.

    lock: with the edits. file: what its flake.nix leads to, as `old` and, with the edits, as `new`; empty without any.
    """

    repo: RepoName
    flake: FlakeDir
    before: int
    after: int
    wanted: tuple[WantedFollows, ...]
    left: tuple[LeftFollows, ...]
    lock: LockFile
    file: str = ""
    old: bytes = b""
    new: bytes = b""
