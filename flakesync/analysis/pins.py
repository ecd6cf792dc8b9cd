"""Which inputs a pin governs, and the commit they should be at."""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from flakesync.analysis.graph import is_fixed, rev_of
from flakesync.errors import FlakesyncError
from flakesync.nix.flakeref import Attr, FlakeRef, Identity, identity_of
from flakesync.nix.lockfile import LockFile, LockNode
from flakesync.terms import FlakeDir, InputPath, NodeLabel, PinName, RepoName, Rev
from flakesync.workspace.manifest import Pin, Workspace, matches
from flakesync.workspace.snapshot import FlakeState, Snapshot

Source = tuple[Identity, str | None]
"""What moves to one commit together: a repository and a ref (None: its default branch)."""


@dataclass(frozen=True, slots=True)
class Governed:
    """An input that a pin governs. fixed: flake.nix names the commit itself, so it is never moved."""

    pin: Pin
    repo: RepoName
    flake: FlakeDir
    input: InputPath
    original: Mapping[str, Attr]
    locked: Mapping[str, Attr]
    fixed: bool

    @property
    def locked_rev(self) -> Rev | None:
        """The locked commit; None where the lock has none."""
        return rev_of(self.locked)


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest commit of a source, as its server or the locks of the workspace tell.

    last_modified: seconds since the epoch, None where the server was asked (it tells no dates).
    locked: attributes that name an immutable archive of it, for tarball sources; None for git ones.
    """

    rev: Rev
    last_modified: int | None = None
    locked: Mapping[str, Attr] | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """Where the inputs of a pin (or of an external source) should be. note: how it was found, where that matters."""

    rev: Rev
    last_modified: int | None
    locked: Mapping[str, Attr] | None = None
    note: str | None = None


def source_of(original: Mapping[str, Attr], locked: Mapping[str, Attr] | None = None) -> Source | None:
    """Return the source of an `original`; an indirect one (a registry name) is identified by its `locked`."""
    identity = identity_of(original)
    if identity is None and locked is not None and original.get("type") == "indirect":
        identity = identity_of(locked)
        return (identity, f"flake:{original.get('id')}") if identity is not None else None
    if identity is None:
        return None
    ref = original.get("ref")
    return identity, str(ref).removeprefix("refs/heads/") if ref is not None else None


def pin_source(pin: Pin) -> Source:
    """Return the source of a pin."""
    source = source_of(pin.source.to_attrs())
    assert source is not None, "the manifest refuses a pin without an identity"
    return source


def own_inputs(lock: LockFile) -> Iterator[tuple[InputPath, LockNode]]:
    """Yield the root inputs that have a node of their own, which are those that can be moved."""
    for name, target in lock.root_inputs():
        if not isinstance(target, tuple):
            node = lock.nodes[target]
            if node.locked is not None and node.parent is None:
                yield (name,), node


def governed_inputs(workspace: Workspace, repo: RepoName, flake: FlakeState) -> list[Governed]:
    """Return the inputs of a flake that pins govern, each by one pin: the one of its own ref goes first."""
    lock = flake.lock
    if lock is None or not workspace.pins:
        return []
    found: dict[InputPath, Governed] = {}
    nested = any(pin.inputs is not None and any("/" in glob for glob in pin.inputs) for pin in workspace.pins)
    inputs: Iterable[tuple[InputPath, LockNode]] = own_inputs(lock)
    if nested:
        inputs = ((path, lock.nodes[label]) for path, label in lock.walk())
    for path, node in inputs:
        if node.locked is None:
            continue
        original = node.original if node.original is not None else node.locked
        pin = _pin_for(workspace.pins, path, source_of(original, node.locked))
        if pin is not None:
            fixed = is_fixed(original)
            found[path] = Governed(pin, repo, flake.dir, path, original, node.locked, fixed)
    return list(found.values())


def _pin_for(pins: Iterable[Pin], path: InputPath, source: Source | None) -> Pin | None:
    if source is None:
        return None
    second: Pin | None = None
    for pin in pins:
        identity, ref = pin_source(pin)
        if source[0] != identity:
            continue
        if pin.inputs is None:
            if len(path) == 1 and source[1] == ref:
                return pin
        elif matches(pin.inputs, path):
            if source[1] == ref:
                return pin
            second = second or pin
    return second


def all_governed(snapshot: Snapshot) -> list[Governed]:
    """Return the governed inputs of every flake of the workspace."""
    return [
        governed
        for state in snapshot.states.values()
        for flake in state.flakes
        for governed in governed_inputs(snapshot.workspace, state.name, flake)
    ]


def newest_locked(snapshot: Snapshot, wanted: Iterable[Source]) -> dict[Source, Latest]:
    """Return, for each wanted source, the newest commit that any lock of the workspace holds, at any depth."""
    sources = set(wanted)
    identities = {identity for identity, _ in sources}
    best: dict[Source, tuple[int, Rev, Mapping[str, Attr]]] = {}
    for state in snapshot.states.values():
        for flake in state.flakes:
            for _, node in identified(flake.lock, identities):
                source = source_of(node.original or {}, node.locked)
                rev = rev_of(node.locked or {})
                if source not in sources or rev is None or node.locked is None:
                    continue
                candidate = (_date(node.locked), rev, node.locked)
                if source not in best or candidate[:2] > best[source][:2]:
                    best[source] = candidate
    return {source: Latest(rev, date or None, locked) for source, (date, rev, locked) in best.items()}


def identified(lock: LockFile | None, identities: AbstractSet[Identity]) -> Iterator[tuple[NodeLabel, LockNode]]:
    """Yield the nodes of a lock whose source is one of these repositories."""
    if lock is None:
        return
    for label, node in lock.nodes.items():
        if node.locked is not None:
            found = identity_of(node.original or node.locked) or identity_of(node.locked)
            if found in identities:
                yield label, node


def _date(locked: Mapping[str, Attr]) -> int:
    date = locked.get("lastModified")
    return date if isinstance(date, int) else 0


def pins_to_ask(workspace: Workspace) -> dict[PinName, FlakeRef]:
    """Return the pins whose target only a server knows, with the reference to ask for."""
    return {pin.name: pin.source for pin in workspace.pins if pin.target == "latest"}


def choose_targets(
    snapshot: Snapshot, governed: Iterable[Governed], answers: Mapping[PinName, Latest] | None
) -> dict[PinName, Target]:
    """Return the target of every pin.

    answers: what the servers said of `pins_to_ask`; None when offline: then `latest` is the newest commit that any
    lock of the workspace holds. A pin for which nothing is known is left out.

    Raises:
        FlakesyncError: `repo:NAME` of a repo whose lock has no such input.
    """
    workspace = snapshot.workspace
    held = newest_locked(snapshot, [pin_source(pin) for pin in workspace.pins])
    dates = {rev: date for latest in held.values() if (date := latest.last_modified) for rev in (latest.rev,)}
    everything = list(governed)
    for item in everything:
        if item.locked_rev is not None and _date(item.locked):
            dates.setdefault(item.locked_rev, _date(item.locked))
    targets: dict[PinName, Target] = {}
    for pin in workspace.pins:
        newest = held.get(pin_source(pin))
        if pin.target == "latest" and answers is not None:
            latest = answers.get(pin.name)
            if latest is not None:
                date = latest.last_modified or dates.get(latest.rev)
                targets[pin.name] = Target(latest.rev, date, latest.locked)
        elif pin.target in ("latest", "newest-locked"):
            if newest is not None:
                note = "newest in any lock (offline)" if pin.target == "latest" else "newest in any lock"
                targets[pin.name] = Target(newest.rev, newest.last_modified, newest.locked, note)
        elif pin.target.startswith("repo:"):
            targets[pin.name] = _target_of_repo(pin, everything)
        else:
            rev = Rev(pin.target)
            targets[pin.name] = Target(rev, dates.get(rev))
    return targets


def _target_of_repo(pin: Pin, governed: Iterable[Governed]) -> Target:
    name = pin.target.removeprefix("repo:")
    for item in sorted(governed, key=lambda item: (item.flake, item.input)):
        if item.pin == pin and item.repo == name and item.locked_rev is not None:
            return Target(item.locked_rev, _date(item.locked) or None, item.locked, f"from the lock of {name}")
    raise FlakesyncError(
        "pin-target",
        f"pins.{pin.name}.target: the lock of {name} has no input that this pin governs",
        hint=f"lock {pin.source.to_url()} in {name}, or choose another target",
    )
