"""Which edits of flake.nix the manifest asks for.

A pin's `replaces` moves inputs to its branch, `follow = "write"` writes follows. sync puts both into its commits.
"""

import posixpath
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from flakesync.errors import within
from flakesync.nix.expression.edit import Edit, SetRef
from flakesync.nix.expression.stale import Disagreement, shown_reference
from flakesync.nix.reference.flakeref import Attr, identity_of
from flakesync.nix.reference.named import branch_name, with_branch_name
from flakesync.nix.reference.source import resolved
from flakesync.survey.follow.wanted import wanted_follows
from flakesync.survey.pins import pin_of, pin_source
from flakesync.terms import FlakeDir, InputPath, RepoName, flake_file
from flakesync.workspace.clones.edits import Unedited, WhyUnedited
from flakesync.workspace.inputs import is_fixed, own_folders, source_of
from flakesync.workspace.manifest import Pin, Workspace, matches
from flakesync.workspace.snapshot import FlakeState, RepoState, Snapshot

Planned = Mapping[tuple[RepoName, FlakeDir], "FlakePlan"]


class FlakePlan(msgspec.Struct, frozen=True):
    """What the manifest asks of one flake: inputs that are to be of another branch, and follows to be written."""

    moves: tuple["MovedInput", ...] = ()
    follows: tuple[Edit, ...] = ()
    unedited: tuple[Unedited, ...] = ()


class MovedInput(msgspec.Struct, frozen=True):
    """An input that a pin wants at another branch. dir: of the flake.nix that names it, `edit`: what changes there.

    wanted: its reference afterwards, a registry name looked up.
    """

    input: InputPath
    dir: FlakeDir
    edit: SetRef
    pin: Pin
    wanted: Mapping[str, Attr]


class _Wish(msgspec.Struct, frozen=True):
    """What a pin wants of an input. before: the name of its branch; None: a registry's name without one."""

    pin: Pin
    before: str | None
    after: str
    wanted: Mapping[str, Attr]


def planned_edits(snapshot: Snapshot) -> Planned:
    """Return what the manifest asks of each flake of which it asks anything. Raises: RepoError."""
    found: dict[tuple[RepoName, FlakeDir], FlakePlan] = {}
    pins = [pin for pin in snapshot.workspace.pins if pin.replaces]
    for state in snapshot.states.values() if pins else ():
        with within(state.name):
            for flake in state.flakes:
                plan = _moves_of(snapshot.workspace, pins, state, flake)
                if plan.moves or plan.unedited:
                    found[state.name, flake.dir] = plan
    if any(_writes_follows(snapshot.workspace)):
        changing = {key: [move.input for move in plan.moves] for key, plan in found.items()}
        for key, edits in wanted_follows(snapshot, changing=changing).items():
            found[key] = msgspec.structs.replace(found.get(key, FlakePlan()), follows=edits)
    return found


def _writes_follows(workspace: Workspace) -> Iterator[bool]:
    """Yield whether each pin, and each repo, lets sync write follows."""
    yield from (pin.follow.mode == "write" for pin in workspace.pins)
    yield from (repo.follow == "write" for repo in workspace.repos)


def _moves_of(workspace: Workspace, pins: Sequence[Pin], state: RepoState, flake: FlakeState) -> FlakePlan:
    moves: list[MovedInput] = []
    unedited: list[Unedited] = []
    folders: dict[InputPath, FlakeDir] | None = None
    for path, original, locked in _own_inputs(flake):
        wish = _wish(workspace, pins, path, original, locked)
        if wish is None:
            continue
        folders = folders if folders is not None else _folders(flake)
        dir = folders.get(path[:-1], flake.dir)
        why = _why_not(state, flake.dir, wish, path, original)
        if why is None and wish.before is not None:
            moves.append(MovedInput(path, dir, SetRef(path[-1:], wish.before, wish.after), wish.pin, wish.wanted))
        elif why is not None:
            kind, detail = why
            file = flake_file(dir, "flake.nix")
            unedited.append(Unedited(path, kind, detail, file, wish.pin.name, before=wish.before, after=wish.after))
    return FlakePlan(tuple(moves), (), tuple(unedited))


def _own_inputs(flake: FlakeState) -> Iterator[tuple[InputPath, Mapping[str, Attr], Mapping[str, Attr]]]:
    """Yield the inputs of the flake's own with their `original` and `locked`; flake.nix wins where the lock differs."""
    said: dict[InputPath, Disagreement] = {
        each.input: each for each in flake.stale if each.kind in ("new", "reference") and len(each.input) == 1
    }
    for item in flake.inputs:
        other = said.pop(item.path, None)
        if other is None:
            yield item.path, item.original, item.locked
        elif other.original is not None:
            yield item.path, other.original, {}
    for path, each in said.items():
        if each.original is not None:
            yield path, each.original, {}


def _wish(
    workspace: Workspace,
    pins: Sequence[Pin],
    path: InputPath,
    original: Mapping[str, Attr],
    locked: Mapping[str, Attr],
) -> _Wish | None:
    """Return where a pin wants an input to be; None: none does."""
    known = resolved(original, locked)
    before = branch_name(known)
    nameless = before is None and original.get("type") == "indirect" and "rev" not in original
    if not nameless and not any(before in pin.replaces for pin in pins):
        return None  # nearly all inputs
    source = source_of(original, locked)
    if source is not None:
        governs = pin_of(workspace, path, source)
        if governs is not None and pin_source(governs) == source:
            return None
    for pin in pins:
        after = branch_name(pin.source.to_attrs())
        if after is None or (pin.inputs is not None and not matches(pin.inputs, path)):
            continue
        if nameless and identity_of(locked) == pin.source.identity:
            return _Wish(pin, None, after, {**original, "ref": after})
        if before in pin.replaces and before is not None:
            wanted = with_branch_name(known, after)
            if wanted is not None and identity_of(wanted) == pin.source.identity:
                return _Wish(pin, before, after, wanted)
    return None


def _why_not(
    state: RepoState, flake: FlakeDir, wish: _Wish, path: InputPath, original: Mapping[str, Attr]
) -> tuple[WhyUnedited, str] | None:
    held = state.repo.held_by(flake, path)
    if held is not None:
        return "held", held
    if is_fixed(original):
        return "fixed", "its flake.nix names the commit"
    if wish.before is None:
        return "indirect", f"a name of the registry without a branch: write {shown_reference(wish.wanted)}"
    return None


def _folders(flake: FlakeState) -> dict[InputPath, FlakeDir]:
    """Return the folders of the repo that a flake takes as inputs, by their paths; the flake's own is that of `()`."""
    found: dict[InputPath, FlakeDir] = {(): flake.dir}
    for path, label in own_folders(flake.lock) if flake.lock is not None else ():
        if path and flake.lock is not None and path[:-1] in found:
            place = str((flake.lock.nodes[label].original or {}).get("path", "."))
            found[path] = FlakeDir(posixpath.normpath(posixpath.join(found[path[:-1]], place)))
    return found
