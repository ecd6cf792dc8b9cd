"""The root inputs that others can follow, and what of a copy fits one."""

from collections.abc import Iterable, Iterator

import msgspec

from flakesync.documents.follow import FollowLeft
from flakesync.nix.lock.file import LockFile, LockNode
from flakesync.nix.reference.flakeref import FlakeRef, Identity
from flakesync.survey.pins import PinnedInput
from flakesync.terms import FlakeDir, InputPath, NodeLabel, show_path
from flakesync.workspace.inputs import Source, source_of
from flakesync.workspace.manifest import Pin, Repo, matches

Refusal = tuple[FollowLeft, str]
"""Why a copy does not follow, and a phrase for people."""


class RootInput(msgspec.Struct, frozen=True):
    """A root input that a pin governs. label: of the node that it ends at, which `node` is."""

    name: str
    pin: Pin
    source: Source
    label: NodeLabel
    node: LockNode

    @property
    def dir(self) -> str | None:
        """The folder of its flake in the repository; None: the top."""
        return dir_of(self.node)


def root_inputs(lock: LockFile, governed: Iterable[PinnedInput]) -> Iterator[RootInput]:
    """Yield the root inputs of a lock among those that pins govern."""
    for item in governed:
        label = lock.resolve(item.input) if len(item.input) == 1 else None
        source = source_of(item.original, item.locked)
        if label is not None and source is not None:
            yield RootInput(item.input[0], item.pin, source, label, lock.nodes[label])


def dir_of(node: LockNode) -> str | None:
    """Return the folder of a node's flake in its repository; None: the top."""
    dir = node.origin.original.get("dir")
    return str(dir) if dir else None


def stand_in_for(pin: Pin, node: LockNode) -> FlakeRef | None:
    """Return the stand-in of a pin that a node is of; None: it is of none."""
    source = node.origin.source
    if source is None:
        return None
    for each in pin.follow.stand_ins:
        own = source_of(each.to_attrs())
        if own is not None and own in (source, (source[0], None)) and each.dir == dir_of(node):
            return each
    return None


def repositories(root: RootInput) -> set[Identity]:
    """Return the repositories whose copies may follow a root input."""
    others = {each.identity for each in root.pin.follow.stand_ins}
    return {root.source[0], *(each for each in others if each is not None)}


def best_root(roots: Iterable[RootInput], path: InputPath, node: LockNode) -> RootInput | None:
    """Return the root input that a copy follows best: of its folder and ref, movable, of its name. None: there is none.

    A root input that ends at the copy is none: then the copy is the root's own.
    """
    repository, source = node.origin.repository, node.origin.source

    def rank(root: RootInput) -> tuple[bool, bool, bool, bool, bool, str]:
        fits = root.dir == dir_of(node) or stand_in_for(root.pin, node) is not None
        return (
            not fits,
            root.source != source,
            root.node.origin.fixed,
            root.node.flake != node.flake,
            root.name != path[-1],
            root.name,
        )

    fitting = [root for root in roots if repository in repositories(root)]
    return min(fitting, key=rank, default=None)


def why_not(root: RootInput, repo: Repo, flake: FlakeDir, path: InputPath, node: LockNode) -> Refusal | None:
    """Return why a copy in a flake should not follow a root input, whatever else the lock has; None: it should."""
    if matches(root.pin.follow.keep, path):
        return "kept", f"kept (pins.{root.pin.name}.keep)"
    if matches(repo.keep, path):
        return "kept", f"kept (repos.{repo.name}.keep)"
    if (held := repo.held_by(flake, path)) is not None:
        return "held", held
    source = node.origin.source
    if stand_in_for(root.pin, node) is None:
        if source is None or source[0] != root.source[0]:
            return "other-ref", f"no stand-in of pin {root.pin.name} has its ref and its folder (stand-ins)"
        if dir_of(node) != root.dir:
            return "flake-flag", f"is {_folder(dir_of(node))} of the repository, {root.name} is {_folder(root.dir)}"
        if root.pin.follow.match == "same-ref" and source[1] != root.source[1]:
            return "other-ref", f"other ref: {which(source)}, {root.name} has {which(root.source)} (follow-match)"
    if node.flake != root.node.flake:
        one, other = (path, root.name) if not node.flake else ((root.name,), show_path(path))
        return "flake-flag", f"{show_path(one)} has `flake = false`, {other} has not"
    for name, each in ((show_path(path), node), (root.name, root.node)):
        if each.origin.fixed:
            return "rev", f"the reference of {name} names a commit"
    return None


def which(source: Source) -> str:
    """Return which state of its repository a source is, as a phrase."""
    ref = source[1]
    if ref is None:
        return "the default branch"
    return f"the registry's {ref.removeprefix('flake:')}" if ref.startswith("flake:") else ref


def _folder(dir: str | None) -> str:
    return f"folder {dir}" if dir is not None else "the top"
