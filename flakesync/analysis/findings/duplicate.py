"""`duplicate`: a copy of a pinned source lies deeper in the lock, at another commit than the pins want."""

from collections.abc import Iterable, Iterator, Mapping

from flakesync.analysis.rule import FlakeRule
from flakesync.documents.drift import Finding
from flakesync.nix.lock.file import LockNode
from flakesync.nix.reference.flakeref import Attr, identity_of
from flakesync.survey.pins import PinnedInput, pin_source
from flakesync.survey.survey import Survey
from flakesync.terms import InputPath, show_path
from flakesync.workspace.inputs import paths_to, rev_of, source_of
from flakesync.workspace.manifest import Pin
from flakesync.workspace.snapshot import FlakeState, RepoState


def find(survey: Survey, state: RepoState, flake: FlakeState) -> Iterator[Finding]:
    """Yield a finding for each copy that no pin governs, with the follows that removes it."""
    lock = flake.lock
    if lock is None:
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
    governed = survey.governed_in(state.name, flake.dir)
    for path, label in paths_to(lock, suspects):
        if len(path) > 1 and path not in governed:
            node = lock.nodes[label]
            assert node.locked is not None
            pin = _pin_of_copy(survey.snapshot.workspace.pins, node, node.locked)
            target = survey.targets.get(pin.name)
            yield Finding(
                kind="duplicate",
                repo=state.name,
                flake=flake.dir,
                input=show_path(path),
                locked_rev=rev_of(node.locked),
                wanted_rev=target.rev if target else None,
                detail=f"a second copy of {pin.name}; to remove it: {_mend(pin, path, governed)}",
            )


def _mend(pin: Pin, path: InputPath, governed: Mapping[InputPath, PinnedInput]) -> str:
    """Return the line of flake.nix that makes the copy follow the root's own input of the pin."""
    root = next((item.input[0] for item in governed.values() if item.pin == pin and len(item.input) == 1), None)
    if root is None:
        return f"an input for pin {pin.name} that it can follow"
    line = f'inputs.{".inputs.".join(path)}.follows = "{root}"'
    return f"{line} (needs Nix 2.30)" if len(path) > 2 else line


def _pin_of_copy(pins: Iterable[Pin], node: LockNode, locked: Mapping[str, Attr]) -> Pin:
    """Return the pin of the copy's source; where no pin has its ref, the first one of its repository."""
    source = source_of(node.original or locked, locked)
    identity = identity_of(node.original or locked) or identity_of(locked)
    same = [pin for pin in pins if pin_source(pin)[0] == identity]
    return next((pin for pin in same if pin_source(pin) == source), same[0])


RULE = FlakeRule(kinds=("duplicate",), find=find)
