"""Where a flake.nix and its flake.lock disagree, so that Nix would write the lock anew (`computeLocks` in `flake.cc`).

What every Nix since 2.8 refuses under `--no-update-lock-file`, and nothing else: what some versions take, and what only
the flake.nix of an input could tell, is no disagreement here. Two changes Nix passes over itself, and so they are none:
`flake = false` that came or went, and a nested `url` that went.
"""

import posixpath
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal

import msgspec

from flakesync.errors import FlakeRefError
from flakesync.nix.lock.file import LockFile
from flakesync.nix.lock.node import LockNode
from flakesync.nix.reference.flakeref import Attr, FlakeRef, identity_of
from flakesync.nix.reference.source import source_of
from flakesync.secrets import hide_secrets
from flakesync.terms import InputPath, NodeLabel, show_path

if TYPE_CHECKING:
    from flakesync.nix.expression.inputs import InputSpec


DisagreementKind = Literal["new", "gone", "reference", "follows", "shared"]


class Disagreement(msgspec.Struct, frozen=True):
    """One input on which flake.nix and flake.lock disagree; what lies below it is not looked at.

    kind: `new` and `gone`: only flake.nix, only the lock has it; `reference`: they lead elsewhere; `follows`: one
    of them follows, or both follow, but not the same; `shared`: its node is another input's too, which Nix writes
    anew whatever the version of the lock, and is all that is said of a lock that is split with any other change.
    original: the reference that flake.nix gives now; None: none. flake: False for `flake = false`. wanted: what
    flake.nix says now, detail: how they differ, both for people.
    """

    input: InputPath
    kind: DisagreementKind
    original: Mapping[str, Attr] | None
    flake: bool
    wanted: str
    detail: str


def find_stale(flake_nix: bytes, lock: LockFile) -> tuple[Disagreement, ...]:
    """Return where they disagree, by input path; none where flake.nix has to be evaluated to tell. Raises nothing."""
    from flakesync.nix.expression.inputs import NotStatic, read_inputs

    read = read_inputs(flake_nix)
    return () if isinstance(read, NotStatic) else disagreements(read.inputs, lock)


def disagreements(inputs: Mapping[str, "InputSpec"], lock: LockFile) -> tuple[Disagreement, ...]:
    """Return where the inputs of a flake.nix and its lock disagree, by input path."""
    found = tuple(sorted(_at_root(inputs, lock), key=lambda found: found.input))
    return found or _shared(lock)


def _shared(lock: LockFile) -> tuple[Disagreement, ...]:
    """Return one disagreement for all nodes that several inputs share, as in locks that were merged by hand."""
    if lock.is_tree:
        return ()
    paths: dict[NodeLabel, list[InputPath]] = {}
    for path, label in lock.walk():
        paths.setdefault(label, []).append(path)
    several = [sorted(each, key=lambda path: (len(path), path)) for each in paths.values() if len(each) > 1]
    if not several:
        return ()
    # The highest of them: those below it are shared because it is.
    one, *others = min(several, key=lambda each: (len(each[1]), each))
    node = lock.node(others[0])
    more = len(several) - 1
    detail = f"{show_path(one)} and {show_path(others[0])} share a node of the lock, where Nix writes one for each"
    detail += f" (and {more} node{'' if more == 1 else 's'} more)" if more else ""
    original = node.original if node is not None else None
    return (Disagreement(others[0], "shared", original, node is None or node.flake, "a node of its own", detail),)


def _at_root(inputs: Mapping[str, "InputSpec"], lock: LockFile) -> Iterator[Disagreement]:
    entries = lock.nodes[lock.root].inputs
    for name in entries.keys() - inputs.keys():
        yield Disagreement((name,), "gone", None, True, "gone", f"the lock has {name}, flake.nix does not")
    for name, spec in inputs.items():
        path = (name,)
        if name not in entries:
            yield _found(path, "new", spec, f"flake.nix has {name}, the lock does not")
            continue
        found = _compare(path, spec, entries[name], lock)
        if found is not None:
            yield found
        elif not isinstance(target := entries[name], tuple):
            yield from _below(path, spec, lock.nodes[target], lock)
            yield from _left(path, spec, lock.nodes[target])


def _below(path: InputPath, spec: "InputSpec", node: LockNode, lock: LockFile) -> Iterator[Disagreement]:
    """Yield where the overrides that an input has in flake.nix are not in its node."""
    for name, inner in spec.inputs.items():
        target = node.inputs.get(name)
        below = (*path, name)
        # An override of what the input does not have is a warning of Nix, and changes nothing.
        if target is None:
            continue
        if inner.ref is not None or inner.follows is not None:
            found = _compare(below, inner, target, lock, override=True)
            if found is not None:
                yield found
        elif not isinstance(target, tuple):
            yield from _below(below, inner, lock.nodes[target], lock)


def _left(path: InputPath, spec: "InputSpec", node: LockNode) -> Iterator[Disagreement]:
    """Yield follows that flake.nix no longer asks for. Those of the input itself lead to inputs below it."""
    for name, target in node.inputs.items():
        if isinstance(target, tuple) and target[: len(path)] != path and name not in spec.inputs:
            below = show_path((*path, name))
            detail = f"{below} follows {_shown(target)} in the lock, not in flake.nix"
            yield Disagreement((*path, name), "follows", None, True, f"as {show_path(path)} has it", detail)


def _compare(
    path: InputPath, spec: "InputSpec", target: "NodeLabel | InputPath", lock: LockFile, *, override: bool = False
) -> Disagreement | None:
    shown = show_path(path)
    if spec.follows is not None:
        if target == spec.follows:
            return None
        there = f"follows {_shown(target)}" if isinstance(target, tuple) else "does not"
        detail = f"{shown} follows {_shown(spec.follows)} in flake.nix, in the lock it {there}"
        return _found(path, "follows", spec, detail)
    if isinstance(target, tuple):
        detail = f"{shown} follows {_shown(target)} in the lock, not in flake.nix"
        return _found(path, "follows", spec, detail)
    node = lock.nodes[target]
    if spec.ref is None or node.original is None or not differs(spec, spec.ref, node, override=override):
        return None
    detail = (
        f"{shown} is {shown_reference(spec.ref.to_attrs())} in flake.nix, {shown_reference(node.original)} in the lock"
    )
    return _found(path, "reference", spec, detail)


def _found(path: InputPath, kind: DisagreementKind, spec: "InputSpec", detail: str) -> Disagreement:
    original = spec.ref.to_attrs() if spec.ref is not None else None
    wanted = shown_reference(original) if original is not None else f"follows {_shown(spec.follows or ())}"
    return Disagreement(path, kind, original, spec.flake, wanted, detail)


def differs(spec: "InputSpec", ref: FlakeRef, node: LockNode, *, override: bool) -> bool:
    """Tell whether every Nix takes a node for one of another reference than flake.nix gives.

    override: the reference is what a flake says of an input of its input.
    """
    attrs, original, locked = ref.to_attrs(), node.original or {}, node.locked or {}
    if dict(original) == attrs or _same(original, ref):
        return False
    if override:
        # Up to 2.19 Nix notes what the input's own flake says, not the override. What it is locked to shows the truth.
        return _is_elsewhere(attrs, locked)
    if spec.relative and original.get("type") == "path":
        # Up to 2.25 Nix writes where the folder lay in its store.
        there = str(original.get("path"))
        return not there.startswith("/") and posixpath.normpath(str(attrs["path"])) != posixpath.normpath(there)
    # An older Nix may have written a reference that is not portable in another way.
    return spec.portable or _is_another(attrs, original)


def _same(original: Mapping[str, Attr], ref: FlakeRef) -> bool:
    try:
        return FlakeRef.from_attrs(original) == ref
    except FlakeRefError:
        return True  # what is no reference is another finding's affair


def _is_elsewhere(attrs: Mapping[str, Attr], locked: Mapping[str, Attr]) -> bool:
    """Tell whether what a node is locked to cannot be what a reference leads to: `locked` may say less than it."""
    here, there = identity_of(attrs), identity_of(locked)
    if here is None or there is None:
        return False
    named = [key for key in ("rev", "ref", "dir") if key in attrs and (key in locked or key == "dir")]
    return here != there or any(_plain(attrs[key]) != _plain(locked.get(key, "")) for key in named)


def _is_another(attrs: Mapping[str, Attr], original: Mapping[str, Attr]) -> bool:
    """Tell whether two references differ, however they are written; the version of an archive is part of its source."""
    here, there = (
        (source_of(each) or each.get("id"), *map(each.get, ("rev", "ref", "dir"))) for each in (attrs, original)
    )
    return here != there


def _plain(value: Attr) -> str:
    return str(value).removeprefix("refs/heads/").strip("/")


def shown_reference(attrs: Mapping[str, Attr]) -> str:
    """Return a reference for people, without the login that an address may hold."""
    try:
        text = FlakeRef.from_attrs(attrs).to_url()
    except FlakeRefError:
        text = ", ".join(f"{key}={value}" for key, value in sorted(attrs.items()))
    return hide_secrets(text)


def _shown(path: "NodeLabel | InputPath") -> str:
    return show_path(path) if isinstance(path, tuple) and path else "the flake itself"
