"""A plan, and the decisions that it is made of: an input that moves, is held, or whose upstream's move is inert.

A plan of 50,000 repos has 200,000 of them. `gc=False`: they cannot lead back to themselves, so that the collector need
not go through them again and again.
"""

from collections.abc import Iterator, Mapping
from typing import ClassVar

import msgspec

from flakesync.documents.cooldown.choice import PinChoice
from flakesync.documents.plan import InertRule
from flakesync.errors import FlakesyncError
from flakesync.nix.reference.flakeref import Attr
from flakesync.terms import FlakeDir, InputPath, PinName, RepoName, Rev
from flakesync.workspace.clones.edits import FlakeEdit
from flakesync.workspace.inputs import rev_of


class ToRev(msgspec.Struct, frozen=True, gc=False, tag="rev"):
    """A commit that is known now. upstream: the repo it is of; None for a pin or an external source.

    branch: the branch it is on, as far as known. locked: an immutable archive of it, for tarball sources.
    """

    rev: Rev
    upstream: RepoName | None = None
    branch: str | None = None
    locked: Mapping[str, Attr] | None = None


class ToUpdate(msgspec.Struct, frozen=True, gc=False, tag="update"):
    """The update commit that `upstream` gets in the same run."""

    upstream: RepoName


class ToFlakeNix(msgspec.Struct, frozen=True, tag="flake-nix"):
    """What flake.nix says by now of an input that the lock has otherwise, or not at all: Nix decides when it locks.

    wanted: a phrase for people: a reference, `follows NAME`, `gone`.
    """

    wanted: str
    upstream: ClassVar[None] = None


class Change(msgspec.Struct, frozen=True, gc=False):
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


class Held(msgspec.Struct, frozen=True, gc=False):
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


class Inert(msgspec.Struct, frozen=True, gc=False):
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


def by_place(stays: Held | Inert) -> tuple[RepoName, FlakeDir, InputPath]:
    """Return what inputs that stay are sorted by."""
    return stays.repo, stays.flake, stays.input


class Plan(msgspec.Struct, frozen=True):
    """The whole decision.

    waves: the repos that change, wave by wave, each with its changes; a repo is in a later wave than those whose update
    it takes. inert: inputs that stay, as nothing that their upstream moved reaches them. problems: repos that cannot be
    planned, with the reason. unusable: flakes whose lock is missing or bad; other flakes go on. failing: repos that
    change, and of which it is known already that they fail, so that those who take their update are skipped. run: names
    this set of decisions; the same bases and targets give the same name; empty: no run is made of it. pins: those, and
    external sources, whose newest commit has to be proven first. undecided: why some of them could not be decided on,
    so that inputs stay. on_hold: changes that sync leaves out, as the checks of their repo fail with them.
    """

    run: str
    waves: tuple[tuple[tuple[RepoName, tuple[Change, ...]], ...], ...]
    unchanged: tuple[RepoName, ...]
    held: tuple[Held, ...]
    deferred: tuple[Held, ...]
    problems: Mapping[RepoName, FlakesyncError]
    inert: tuple[Inert, ...] = ()
    unusable: Mapping[tuple[RepoName, FlakeDir], str] = {}
    failing: Mapping[RepoName, FlakesyncError] = {}
    pins: tuple[PinChoice, ...] = ()
    undecided: tuple[FlakesyncError, ...] = ()
    on_hold: tuple[Held, ...] = ()

    @property
    def blind(self) -> tuple[Held, ...]:
        """The inputs that stay because a shallow clone tells too little; nobody knows whether they are in step."""
        return tuple(stays for stays in self.held if stays.blind)

    def changes(self) -> Iterator[tuple[RepoName, tuple[Change, ...]]]:
        """Yield the repos that change in the order of the waves."""
        for wave in self.waves:
            yield from wave

    def not_taken(self) -> dict[RepoName, frozenset[RepoName]]:
        """Return, for each repo that changes, the upstreams that are updated too, but do not reach it."""
        changes = dict(self.changes())
        found: dict[RepoName, set[RepoName]] = {name: set() for name in changes}
        for inert in self.inert:
            if inert.rule == "content" and inert.repo in changes and inert.upstream in changes:
                found[inert.repo].add(inert.upstream)
        taken = {
            name: {move.to.upstream for move in moving if isinstance(move.to, ToUpdate)}
            for name, moving in changes.items()
        }
        return {name: frozenset(upstreams - taken[name]) for name, upstreams in found.items()}
