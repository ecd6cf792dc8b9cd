"""What one flake should follow.

The copies in its lock are looked at one after the other, each in the lock that the edits before it leave.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

import msgspec

from flakesync.nix.expression.edit import CannotEditError, RemoveFollows, SetFollows
from flakesync.nix.lock.file import LockFile, LockNode
from flakesync.nix.lock.follows import BrokenKind, broken_follows, is_taken_by, with_follows
from flakesync.survey.follow.model import FlakeFollows, FollowsEdit, LeftFollows, WantedFollows
from flakesync.survey.follow.roots import Refusal, RootInput, best_root, repositories, root_inputs, why_not
from flakesync.survey.pins import PinnedInput
from flakesync.terms import InputPath, NodeLabel, PinName, show_path
from flakesync.workspace.inputs import paths_to
from flakesync.workspace.manifest import Repo
from flakesync.workspace.settings.follow import (
    NixVersion,
    finds_through_follows,
    reads_deep_overrides,
    show_version,
)
from flakesync.workspace.snapshot import FlakeState

_Broken = Mapping[InputPath, tuple[InputPath, BrokenKind]]


class _Copy(msgspec.Struct, frozen=True):
    """A node of a lock that could follow a root input. ends: a root input that follows it; None: none does."""

    path: InputPath
    label: NodeLabel
    root: RootInput
    ends: str | None


class Wishes(msgspec.Struct, frozen=True):
    """What is asked of a flake. nix: the oldest that reads it.

    removals: overrides that have nothing to override are looked for, too. shallow: no edit goes further down than the
    inputs of an input. behind: why its lock would change in more than follows, as a phrase; None: it would not.
    at_base: the lock that an input may have once it moves, where it is a repo of the workspace; None: nothing is known.
    """

    nix: NixVersion
    removals: bool
    shallow: bool = False
    behind: str | None = None
    at_base: Callable[[LockNode], LockFile | None] = lambda _: None


def follows_of(
    repo: Repo,
    flake: FlakeState,
    governed: Collection[PinnedInput],
    wishes: Wishes,
    cannot: Mapping[FollowsEdit, CannotEditError],
) -> FlakeFollows | None:
    """Return what a flake should follow; None: nothing is to be said of it.

    governed: its inputs that pins govern, of the pins that are asked about. cannot: edits that its flake.nix does not
    allow.
    """
    lock = flake.lock
    if lock is None or not flake.is_flake:
        return None
    own = [*_overrides(flake, lock, wishes)] if wishes.removals and flake.overrides else []
    found = _Search(repo, flake, lock, wishes, cannot).run(governed) if _has_copies(flake, lock, governed) else None
    if not own and (found is None or not (found.wanted or found.left)):
        return None
    before = len(lock.nodes)
    found = found or FlakeFollows(repo.name, flake.dir, before, before, (), (), lock)
    wanted = [*found.wanted]
    left = [*found.left]
    for each in own:
        if isinstance(each, LeftFollows):
            left.append(each)
        elif (behind := _behind(flake, wishes)) is not None:
            left.append(LeftFollows(each.edit.input, "lock-behind", behind, None, each.edit))
        elif (error := cannot.get(each.edit)) is not None:
            left.append(_by_hand(each.edit, error, None))
        else:
            wanted.append(each)
    return msgspec.structs.replace(found, wanted=tuple(wanted), left=tuple(left))


def _has_copies(flake: FlakeState, lock: LockFile, governed: Iterable[PinnedInput]) -> bool:
    """Tell whether anything at all could follow: of most flakes nothing more is looked at."""
    own = {each for each in lock.nodes[lock.root].inputs.values() if not isinstance(each, tuple)}
    wanted = {identity for root in root_inputs(lock, governed) for identity in repositories(root)}
    return any(label not in own for identity in wanted for label in flake.copies.get(identity, ()))


class _Search:
    """The search in one lock, which gets smaller while it goes on."""

    def __init__(
        self,
        repo: Repo,
        flake: FlakeState,
        lock: LockFile,
        wishes: Wishes,
        cannot: Mapping[FollowsEdit, CannotEditError],
    ) -> None:
        self._repo = repo
        self._flake = flake
        self._lock = self._smaller = lock
        self._wishes = wishes
        self._nix = wishes.nix
        self._cannot = cannot
        self._broken = self._not_found(lock)
        self._wanted: list[WantedFollows] = []
        self._left: dict[InputPath, LeftFollows] = {}

    def run(self, governed: Collection[PinnedInput]) -> FlakeFollows:
        before = len(self._lock.nodes)
        # What was refused for the sake of a follows can do no harm any more once that is gone: until nothing changes.
        while self._step(governed):
            pass
        still = sorted(copy.path for copy in self._copies(governed) if copy.path in self._left)
        left = tuple(self._left[path] for path in still)
        wanted, after = tuple(self._wanted), len(self._lock.nodes)
        return FlakeFollows(self._repo.name, self._flake.dir, before, after, wanted, left, self._lock)

    def _step(self, governed: Collection[PinnedInput]) -> bool:
        """Make the first edit that can be made, outer inputs before inner ones; return whether there was one."""
        for copy in self._copies(governed):
            known = self._left.get(copy.path)
            if known is not None and known.why not in ("dangling", "cycle"):
                continue
            refusal = self._refusal(copy)
            edit = SetFollows(copy.path, (copy.root.name,))
            if refusal is not None:
                wish = edit if refusal[0] in ("lock-behind", "not-static") else None
                self._left[copy.path] = LeftFollows(copy.path, *refusal, copy.root.pin.name, wish)
                continue
            if (error := self._cannot.get(edit)) is not None:
                self._left[copy.path] = _by_hand(edit, error, copy.root.pin.name)
                continue
            self._follow(copy, edit)
            return True
        return False

    def _follow(self, copy: _Copy, edit: SetFollows) -> None:
        saved = len(self._lock.nodes) - len(self._smaller.nodes)
        self._lock = self._smaller
        reason = f"a copy of {copy.root.pin.name}"
        overrides = copy.path in self._flake.overrides
        self._wanted.append(WantedFollows(edit, copy.root.pin.name, saved, overrides, reason))

    def _copies(self, governed: Collection[PinnedInput]) -> list[_Copy]:
        """Return the copies that are in the lock by now, outer inputs first."""
        lock = self._lock
        roots = [*root_inputs(lock, governed)]
        wanted = {identity for root in roots for identity in repositories(root)}
        labels = {
            label for label, node in lock.nodes.items() if node.locked is not None and node.origin.repository in wanted
        }
        own = {target for target in lock.nodes[lock.root].inputs.values() if not isinstance(target, tuple)}
        found = []
        for path, label in paths_to(lock, labels - own):
            root = best_root((root for root in roots if root.label != label), path, lock.nodes[label])
            if root is not None and len(path) > 1:
                ends = next((root.name for root in roots if root.label == label), None)
                found.append(_Copy(path, label, root, ends))
        return sorted(found, key=lambda copy: (len(copy.path), copy.path))

    def _refusal(self, copy: _Copy) -> Refusal | None:
        refusal = why_not(copy.root, self._repo, self._flake.dir, copy.path, self._lock.nodes[copy.label])
        if refusal is not None:
            return refusal
        if (later := self._later(copy)) is not None:
            return later
        depth = len(copy.path) - 1
        if depth > 1 and not reads_deep_overrides(self._nix):
            return "depth", f"depth {depth} needs Nix 2.30 everywhere (workspace.nix-min)"
        if depth > 1 and self._wishes.shallow:
            return "depth", f"depth {depth} is written by nobody but you"
        broken = self._breaks(copy)
        if broken is not None:
            return broken
        if (behind := _behind(self._flake, self._wishes)) is not None:
            return "lock-behind", behind
        if not self._lock.is_tree:
            return "lock-behind", "inputs share nodes of the lock, where Nix writes one for each"
        if self._flake.uncompared is not None:
            return "not-static", self._flake.uncompared
        return None

    def _later(self, copy: _Copy) -> Refusal | None:
        """Return why a copy should not follow once the input above it has moved; None: it should, or nobody knows."""
        *above, name = copy.path
        node = self._lock.node(tuple(above))
        own = self._wishes.at_base(node) if node is not None and len(above) == 1 else None
        if own is None:
            return None
        target = own.nodes[own.root].inputs.get(name)
        if target is None:
            return "lock-behind", f"{above[0]} has no input {name} any more, at its base"
        if isinstance(target, tuple):
            return None
        refusal = why_not(copy.root, self._repo, self._flake.dir, copy.path, own.nodes[target])
        return (refusal[0], f"{refusal[1]}, at the base of {above[0]}") if refusal is not None else None

    def _breaks(self, copy: _Copy) -> Refusal | None:
        """Return what of the lock no Nix could follow any more, were a copy to follow; None: all is well."""
        lock, root = self._lock, copy.root
        above = lock.resolve(copy.path[:-1])
        for label, name in ((above, show_path(copy.path[:-1])), (copy.label, show_path(copy.path))):
            # With an input that follows another, values can need each other; with a copy of its own they cannot.
            if label is not None and is_taken_by(lock, label, root.label):
                return "cycle", f"{root.name} takes {name} itself"
        if copy.ends is not None:
            return "cycle", f"{copy.ends} follows it"
        self._smaller = with_follows(lock, copy.path, (root.name,))
        after = self._not_found(self._smaller)
        for path in sorted(after.keys() - self._broken.keys()):
            target, kind = after[path]
            shown = f"{show_path(path)} follows {show_path(target)}"
            match kind:
                case "nowhere":
                    return "dangling", f"{shown}, which would not be there"
                case "cycle":
                    return "cycle", f"{shown}, which Nix would take for a cycle"
                case "through":
                    what = f"{shown}, which Nix before 2.19 would not find"
                    return "dangling", f"{what} (workspace.nix-min is {show_version(self._nix)})"
        return None

    def _not_found(self, lock: LockFile) -> _Broken:
        """Return the follows of a lock that some Nix from the oldest on cannot follow."""
        through = finds_through_follows(self._nix)
        return {path: each for path, each in broken_follows(lock).items() if not (through and each[1] == "through")}


def _overrides(flake: FlakeState, lock: LockFile, wishes: Wishes) -> Iterator[WantedFollows | LeftFollows]:
    """Yield the overrides of a flake.nix that have nothing to override, and those that some Nix cannot read."""
    for path in flake.overrides:
        missing = _missing(lock, path)
        if missing is not None:
            above, name = missing
            node = lock.node(above)
            own = wishes.at_base(node) if node is not None and len(above) == 1 else None
            if own is not None and name in own.nodes[own.root].inputs:
                yield LeftFollows(path, "lock-behind", f"{show_path(above)} has an input {name}, at its base")
            else:
                yield WantedFollows(RemoveFollows(path), None, 0, True, f"{show_path(above)} has no input {name}")
        elif len(path) > 2 and not reads_deep_overrides(wishes.nix):
            detail = f"Nix before 2.30 cannot read this (workspace.nix-min is {show_version(wishes.nix)})"
            yield LeftFollows(path, "depth", detail)


def _missing(lock: LockFile, path: InputPath) -> tuple[InputPath, str] | None:
    """Return the input that an override needs and that is not there, as (the one above it, its name); None: it is."""
    label = lock.root
    for at, name in enumerate(path):
        target = lock.nodes[label].inputs.get(name)
        if target is None:
            return path[:at], name
        if isinstance(target, tuple):
            return None  # what is below it is not overridden here, and Nix does not look
        label = target
    return None


def _behind(flake: FlakeState, wishes: Wishes) -> str | None:
    return f"flake.nix and flake.lock disagree: {flake.stale[0].detail}" if flake.stale else wishes.behind


def _by_hand(edit: FollowsEdit, error: CannotEditError, pin: PinName | None) -> LeftFollows:
    return LeftFollows(edit.input, "not-static", error.reason, pin, edit, error.line, error.column)
