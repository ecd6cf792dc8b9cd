"""`duplicate`: a second copy of a pinned source lies deeper in a lock, at another commit than the pins want."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from flakesync.analysis.rule import FlakeRule
from flakesync.documents.drift import Finding
from flakesync.nix.lock.file import LockFile, LockNode
from flakesync.nix.reference.flakeref import Attr, Identity, identity_of
from flakesync.survey.pins import PinnedInput, pin_source
from flakesync.survey.survey import Survey
from flakesync.terms import InputPath, show_path
from flakesync.workspace.inputs import OwnInput, Source, own_folders, paths_to, rev_of, source_of
from flakesync.workspace.manifest import Pin
from flakesync.workspace.snapshot import FlakeState, RepoState

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_'-]*")


def find(survey: Survey, state: RepoState, flake: FlakeState) -> Iterator[Finding]:
    """Yield a finding for each copy that neither is the repo's own nor a pin's, with the follows that removes it."""
    lock = flake.lock
    if lock is None or not flake.has_below(survey.pinned):
        return
    roots = lock.nodes[lock.root].inputs.values()
    suspects = {
        label
        for identity in survey.pinned
        for label in flake.copies.get(identity, ())
        if rev_of(lock.nodes[label].locked or {}) not in survey.target_revs and label not in roots
    }
    if not suspects:
        return  # the way to a node is not looked for in most locks
    owns = _own_copies(survey, flake)
    suspects -= {lock.resolve(path) for path, _ in owns}
    governed = survey.governed_in(state.name, flake.dir)
    for path, label in paths_to(lock, suspects):
        node = lock.nodes[label]
        locked = node.locked or {}
        pin, source = _pin_of_copy(survey.snapshot.workspace.pins, node, locked)
        rivals = [own for own in owns if own[1][0] == source[0]]
        if not rivals or path in governed:
            continue
        is_pins = source == pin_source(pin)
        target = survey.target_in(state.name, pin.name) if is_pins else None
        copy = pin.name if is_pins else f"the repository of {pin.name} ({_which(source)})"
        own, mend = _mend(lock, pin, path, source, _best_first(rivals, pin, (path, source), governed))
        yield Finding(
            kind="duplicate",
            repo=state.name,
            flake=flake.dir,
            input=show_path(path),
            locked_rev=rev_of(locked),
            wanted_rev=target.rev if target else None,
            detail=f"a second copy of {copy} beside {show_path(own)}; to remove it: {mend}",
        )


_Own = tuple[InputPath, Source]


def _own_copies(survey: Survey, flake: FlakeState) -> list[_Own]:
    """Return the inputs of the repo's own, and those that follow others, that are of a pin's repository."""
    items: list[tuple[InputPath, OwnInput]] = [(item.path, item) for item in flake.inputs]
    items += [(each.path, each.leads_to) for each in flake.following]
    return [(path, item.source) for path, item in items if item.source is not None and item.source[0] in survey.pinned]


def _best_first(owns: Iterable[_Own], pin: Pin, copy: _Own, governed: Mapping[InputPath, PinnedInput]) -> list[_Own]:
    """Return what a copy can follow: first what its pin governs, has its ref, moves, is near, has its name."""

    def rank(own: _Own) -> tuple[bool, bool, bool, int, bool, InputPath]:
        path, source = own
        item = governed.get(path)
        fixed = item is not None and item.fixed
        return (item is None or item.pin != pin, source != copy[1], fixed, len(path), path[-1] != copy[0][-1], path)

    return sorted(owns, key=rank)


def _mend(lock: LockFile, pin: Pin, path: InputPath, source: Source, owns: Sequence[_Own]) -> tuple[InputPath, str]:
    """Return what the copy can follow, and the line of flake.nix that makes it do so."""
    folder = max((above for above, _ in own_folders(lock) if path[: len(above)] == above), key=len)
    inside = [own for own in owns if len(own[0]) == len(folder) + 1 and own[0][:-1] == folder]
    own, own_source = inside[0] if folder and inside and inside[0][1] == owns[0][1] else owns[0]
    at = len(folder) if own[: len(folder)] == folder else 0
    line = f'inputs.{".inputs.".join(map(_name, path[at:]))}.follows = "{show_path(own[at:])}"'
    line = f"in the flake.nix of {show_path(folder)}: {line}" if at else line
    notes = [f"which is {_which(own_source)}"] if own_source not in (source, pin_source(pin)) else []
    # Nix looks into a folder again only when that is updated.
    notes += [f"then update {show_path(folder)}"] if at else []
    notes += ["needs Nix 2.30"] if len(path) - at > 2 else []
    return own, f"{line} ({'; '.join(notes)})" if notes else line


def _which(source: Source) -> str:
    """Return which state of its repository a source is, as a phrase."""
    ref = source[1]
    if ref is None:
        return "at the default branch"
    return f"the registry's {ref.removeprefix('flake:')}" if ref.startswith("flake:") else f"at {ref}"


def _name(name: str) -> str:
    return name if _PLAIN_NAME.fullmatch(name) else f'"{name}"'


def _pin_of_copy(pins: Iterable[Pin], node: LockNode, locked: Mapping[str, Attr]) -> tuple[Pin, Source]:
    """Return the pin of the copy's source, the first one of its repository where none has its ref; and the source."""
    source = source_of(node.original or locked, locked)
    identity: Identity | None = identity_of(node.original or locked) or identity_of(locked)
    same = [pin for pin in pins if pin_source(pin)[0] == identity]
    pin = next((pin for pin in same if pin_source(pin) == source), same[0])
    return pin, source or pin_source(pin)


RULE = FlakeRule(kinds=("duplicate",), find=find)
