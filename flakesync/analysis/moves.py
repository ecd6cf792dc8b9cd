"""The decisions that a plan is made of: an input that moves, one that is held, one whose upstream's move is inert."""

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from flakesync.documents.plan import InertRule
from flakesync.nix.reference.flakeref import Attr
from flakesync.terms import FlakeDir, InputPath, PinName, RepoName, Rev
from flakesync.workspace.clones.edits import FlakeEdit
from flakesync.workspace.inputs import rev_of


class ToRev(msgspec.Struct, frozen=True):
    """A commit that is known now. upstream: the repo it is of; None for a pin or an external source.

    branch: the branch it is on, as far as known. locked: an immutable archive of it, for tarball sources.
    """

    rev: Rev
    upstream: RepoName | None = None
    branch: str | None = None
    locked: Mapping[str, Attr] | None = None


class ToUpdate(msgspec.Struct, frozen=True):
    """The update commit that `upstream` gets in the same run."""

    upstream: RepoName


class ToFlakeNix(msgspec.Struct, frozen=True):
    """What flake.nix says by now of an input that the lock has otherwise, or not at all: Nix decides when it locks.

    wanted: a phrase for people: a reference, `follows NAME`, `gone`.
    """

    wanted: str
    upstream: ClassVar[None] = None


class Change(msgspec.Struct, frozen=True):
    """One input of one flake that moves. reason: a phrase for people; pin: the pin that governs it, if any.

    reaches: the inputs of the upstream whose move is why this one moves; empty where there is another reason. stale:
    flake.nix and the lock disagree on it; then `original` is what flake.nix has (empty: none), and of `locked` the rev.
    edit: what is written into flake.nix with it, which then disagrees with the lock; None: flake.nix stays.
    proof: why this commit and no newer one, for people, where the manifest asks for that; it names no run. waived: the
    reason for not waiting until the commit is old enough.
    """

    repo: RepoName
    flake: FlakeDir
    input: InputPath
    original: Mapping[str, Attr]
    locked: Mapping[str, Attr]
    to: ToRev | ToUpdate | ToFlakeNix
    reason: str
    pin: PinName | None = None
    reaches: tuple[InputPath, ...] = ()
    stale: bool = False
    edit: FlakeEdit | None = None
    proof: str = ""
    waived: str | None = None

    @property
    def why(self) -> str:
        """The reason, and why it is this commit and no newer one."""
        return f"{self.reason}, {self.proof}" if self.proof else self.reason

    @property
    def from_rev(self) -> Rev | None:
        """The commit that the input is locked to now; None where the lock has none."""
        return rev_of(self.locked)


class Held(msgspec.Struct, frozen=True):
    """One input that does not move although it is not where it should be, or takes less than the newest.

    blind: whether it only stays because its upstream's clone is shallow, which tells too little to decide. ahead: it
    is newer than what may be taken: nothing is wrong, and it names no run. wished: whether somebody wants it so, the
    manifest or flake.nix.
    """

    repo: RepoName
    flake: FlakeDir
    input: InputPath
    rev: Rev | None
    reason: str
    blind: bool = False
    ahead: bool = False
    wished: bool = False


class Inert(msgspec.Struct, frozen=True):
    """One input that stays, because its upstream moved nothing but locks, and nothing that reaches this flake.

    rule: `content`, or `cycle` and `self` for an edge that runs backwards and an input that is the repo itself, where
    locks never count. locked, tip: the commit it stays at, and the newest; behind: the number of commits between them;
    0: it is the upstream's update of this run that is inert. moved: the upstream's inputs that moved.
    """

    repo: RepoName
    flake: FlakeDir
    input: InputPath
    upstream: RepoName
    locked: Rev
    tip: Rev
    behind: int
    moved: tuple[InputPath, ...]
    rule: InertRule
