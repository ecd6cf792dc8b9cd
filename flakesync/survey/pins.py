"""Which inputs a pin governs, and the commit they should be at."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

import msgspec

from flakesync.cooldown.model import Choice
from flakesync.errors import FlakesyncError, within
from flakesync.nix.reference.flakeref import Attr, FlakeRef, Identity
from flakesync.nix.reference.named import branch_name
from flakesync.nix.reference.source import resolved
from flakesync.terms import FlakeDir, InputPath, PinName, RepoName, Rev, show_path
from flakesync.workspace.inputs import ARCHIVES, Following, OwnInput, Source, own_input, paths_to, rev_of, source_of
from flakesync.workspace.manifest import Pin, Workspace, matches
from flakesync.workspace.snapshot import FlakeState, Snapshot

_Pins = Sequence[tuple[Pin, Source]]
_FIRST = "newest of its branch, which no lock has yet"


class PinnedInput(msgspec.Struct, frozen=True):
    """An input that a pin governs. fixed: flake.nix names the commit itself, so it is never moved.

    following: where it leads to, for one that follows another: it is not moved at its own path. None for an input
    with a node of its own.
    """

    pin: Pin
    repo: RepoName
    flake: FlakeDir
    input: InputPath
    original: Mapping[str, Attr]
    locked: Mapping[str, Attr]
    fixed: bool
    following: Following | None = None

    @property
    def locked_rev(self) -> Rev | None:
        """The locked commit; None where the lock has none."""
        return rev_of(self.locked)

    @property
    def through(self) -> str | None:
        """What moves an input that follows another, as a phrase; None for one with a node of its own."""
        if self.following is None:
            return None
        to, mover = show_path(self.following.leads_to.path), show_path(self.following.mover)
        return f"through {to}: moves when {mover} moves"


class Target(msgspec.Struct, frozen=True):
    """A commit of a source: its newest, as a server or the locks tell, or where the inputs of a pin should be.

    last_modified: seconds since the epoch; None where nobody told (git servers tell no dates). locked: attributes that
    name an immutable archive of it, for tarball sources; None for git ones. note: how it was found, where that matters.
    choice: of all commits of its branch, where the newest has to be proven first. ahead: commits that inputs are locked
    to and that are newer, or may be: these inputs are not moved back.
    """

    rev: Rev
    last_modified: int | None = None
    locked: Mapping[str, Attr] | None = None
    note: str | None = None
    choice: Choice | None = None
    ahead: frozenset[Rev] = frozenset()


def pin_source(pin: Pin) -> Source:
    """Return the source of a pin."""
    source = source_of(pin.source.to_attrs())
    assert source is not None, "the manifest refuses a pin without an identity"
    return source


def pinned_inputs(snapshot: Snapshot) -> list[PinnedInput]:
    """Return the governed inputs of every flake of the workspace. Raises: RepoError."""
    pins = [(pin, pin_source(pin)) for pin in snapshot.workspace.pins]
    if not pins:
        return []
    governed: list[PinnedInput] = []
    for state in snapshot.states.values():
        with within(state.name):
            for flake in state.flakes:
                governed += _governed_in(pins, state.name, flake)
    return governed


def pinned_in(workspace: Workspace, repo: RepoName, flake: FlakeState) -> Iterator[PinnedInput]:
    """Return the governed inputs of one flake."""
    return _governed_in([(pin, pin_source(pin)) for pin in workspace.pins], repo, flake)


def _governed_in(pins: _Pins, repo: RepoName, flake: FlakeState) -> Iterator[PinnedInput]:
    nested = any("/" in glob for pin, _ in pins for glob in pin.inputs or ())
    identities = {source[0] for _, source in pins}
    inputs = tuple(_all_inputs(flake, identities) if nested else flake.inputs_of(identities))
    deeper = {item.path for item in inputs}.difference(item.path for item in flake.inputs) if nested else ()
    for item in inputs:
        if item.source is not None and item.source[0] in identities:
            pin = _pin_for(pins, item.path, item.source, own=item.path not in deeper)
            if pin is not None:
                yield PinnedInput(pin, repo, flake.dir, item.path, item.original, item.locked, item.fixed)
    for each in flake.following:
        to = each.leads_to
        if to.source is not None and to.source[0] in identities:
            pin = _pin_for(pins, each.path, to.source, own=True)
            if pin is not None:
                yield PinnedInput(pin, repo, flake.dir, each.path, to.original, to.locked, to.fixed, each)


def _all_inputs(flake: FlakeState, identities: AbstractSet[Identity]) -> Iterator[OwnInput]:
    """Yield what is of these repositories at any depth."""
    labels = {label for identity in identities for label in flake.copies.get(identity, ())}
    if flake.lock is not None and labels:
        for path, label in sorted(paths_to(flake.lock, labels)):
            yield own_input(path, flake.lock.nodes[label])


def pin_of(workspace: Workspace, path: InputPath, source: Source) -> Pin | None:
    """Return the pin that governs an input of a flake's own, which its lock need not have yet; None: none does."""
    return _pin_for([(pin, pin_source(pin)) for pin in workspace.pins], path, source, own=True)


def _pin_for(pins: _Pins, path: InputPath, source: Source, *, own: bool) -> Pin | None:
    """Return the pin that governs an input; of several the one of its own ref goes first. own: it is the repo's own."""
    second: Pin | None = None
    for pin, (identity, ref) in pins:
        if source[0] != identity:
            continue
        if pin.inputs is None:
            if own and source[1] == ref:
                return pin
        elif matches(pin.inputs, path):
            if source[1] == ref:
                return pin
            second = second or pin
    return second


def is_archive(attrs: Mapping[str, Attr]) -> bool:
    """Tell whether an `original` or `locked` is an archive: what it holds is known by its hash, a commit is extra."""
    return attrs.get("type") in ARCHIVES


def is_at(locked: Mapping[str, Attr], target: Target) -> bool:
    """Tell whether an input is locked to a target: by its commit, or where it has none by its narHash."""
    rev = rev_of(locked)
    if rev is not None:
        return rev == target.rev
    return target.locked is not None and locked.get("narHash") == target.locked.get("narHash", "unknown")


def is_ahead(locked: Mapping[str, Attr], target: Target) -> bool:
    """Tell whether an input is locked to a commit that is newer than a target, as far as anybody knows."""
    return bool(target.ahead) and rev_of(locked) in target.ahead


def last_modified(locked: Mapping[str, Attr]) -> int | None:
    """Return the `lastModified` of a node (seconds since the epoch); None where the lock has none."""
    date = locked.get("lastModified")
    return date if isinstance(date, int) and not isinstance(date, bool) and date > 0 else None


def pins_to_ask(workspace: Workspace, governed: Iterable[PinnedInput]) -> dict[PinName, FlakeRef]:
    """Return the pins whose target only a server knows, with the reference to ask for.

    Those whose target locks tell, too, while they move to another branch that none of these locks has yet.
    """
    known = {item.pin.name for item in governed if _tells_target(item)}
    moving = {pin.name for pin in workspace.pins if pin.replaces and _is_told_by_locks(pin)} - known
    return {pin.name: pin.source for pin in workspace.pins if pin.target == "latest" or pin.name in moving}


def _is_told_by_locks(pin: Pin) -> bool:
    return pin.target == "newest-locked" or pin.target.startswith("repo:")


def _tells_target(item: PinnedInput) -> bool:
    """Tell whether an input's lock can say where its pin's are to be: it is of no branch that the pin has left."""
    if item.locked_rev is None or (item.pin.target.startswith("repo:") and item.pin.target != f"repo:{item.repo}"):
        return False
    return branch_name(resolved(item.original, item.locked)) not in item.pin.replaces


def choose_targets(
    workspace: Workspace,
    governed: Iterable[PinnedInput],
    answers: Mapping[PinName, Target] | None,
    held: Mapping[Source, Target],
) -> dict[PinName, Target]:
    """Return the target of every pin.

    answers: what the servers said of `pins_to_ask`; None when offline: then `latest` is the newest commit that any
    lock of the workspace holds. held: that commit, of each source that a pin has. A pin for which nothing is known is
    left out.

    Raises:
        FlakesyncError: `repo:NAME` of a repo whose lock has no such input.
    """
    dates = {rev: date for latest in held.values() if (date := latest.last_modified) for rev in (latest.rev,)}
    everything = list(governed)
    for item in everything:
        date = last_modified(item.locked)
        if item.locked_rev is not None and date is not None:
            dates.setdefault(item.locked_rev, date)
    targets: dict[PinName, Target] = {}
    for pin in workspace.pins:
        newest = held.get(pin_source(pin))
        if pin.target == "latest" and answers is not None:
            latest = answers.get(pin.name)
            if latest is not None:
                when = latest.last_modified or dates.get(latest.rev)
                targets[pin.name] = Target(latest.rev, when, latest.locked)
        elif pin.target in ("latest", "newest-locked"):
            if newest is None and (first := (answers or {}).get(pin.name)) is not None:
                targets[pin.name] = msgspec.structs.replace(first, note=_FIRST)
            elif newest is not None:
                note = "newest in any lock (offline)" if pin.target == "latest" else "newest in any lock"
                note += f"; {newest.note}" if newest.note is not None else ""
                targets[pin.name] = Target(newest.rev, newest.last_modified, newest.locked, note)
        elif pin.target.startswith("repo:"):
            targets[pin.name] = _target_of_repo(pin, everything, (answers or {}).get(pin.name))
        else:
            rev = Rev(pin.target)
            targets[pin.name] = Target(rev, dates.get(rev))
    return targets


def _nearest_first(item: PinnedInput) -> tuple[FlakeDir, bool, int, InputPath]:
    return item.flake, item.following is not None, len(item.input), item.input


def _target_of_repo(pin: Pin, governed: Iterable[PinnedInput], first: Target | None) -> Target:
    """Return what a repo has locked. first: the newest commit of a branch that it does not have yet, and moves to."""
    name = pin.target.removeprefix("repo:")
    for item in sorted(governed, key=_nearest_first):
        if item.pin == pin and item.repo == name and item.locked_rev is not None and _tells_target(item):
            return Target(item.locked_rev, last_modified(item.locked), item.locked, f"from the lock of {name}")
    if first is not None:
        return msgspec.structs.replace(first, note=_FIRST)
    raise FlakesyncError(
        "pin-target",
        f"pins.{pin.name}.target: the lock of {name} has no input that this pin governs",
        hint=f"lock {pin.source.to_url()} in {name}, or choose another target",
    )
