"""Where the inputs of an input lead elsewhere in a lock than the flake.nix of that input says.

No Nix looks: what lies below an input that has not changed is taken from the lock (`computeLocks` in `flake.cc`, where
it has no `mustRefetch`), so a node whose `original` and `locked` are both swapped, or another one in its place, is
built without a word.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from flakesync.nix.expression.stale import differs, shown_reference
from flakesync.nix.lock.file import LockFile
from flakesync.nix.lock.node import LockNode
from flakesync.nix.reference.flakeref import Attr
from flakesync.terms import InputPath, NodeLabel, show_path

if TYPE_CHECKING:
    from flakesync.nix.expression.inputs import InputSpec

Declared = Mapping[str, "InputSpec"] | str
"""The inputs that a flake.nix has, or why they are not known, as a phrase."""


Reference = Mapping[str, Attr] | None
"""The canonical attributes of a reference; None: the input follows another."""

Overrides = Mapping[InputPath, Reference]
"""The inputs of inputs of which a flake.nix says where they lead, by input path."""


class InputDisagreement(msgspec.Struct, frozen=True):
    """What is said of a nested input. detail: how it differs; why_unknown: why that cannot be told. One of them is."""

    input: InputPath
    detail: str | None = None
    why_unknown: str | None = None


def overrides_of(inputs: Mapping[str, "InputSpec"]) -> Overrides:
    """Return the nested inputs that a flake.nix leads elsewhere."""
    return dict(sorted(_below((), inputs)))


def _below(path: InputPath, inputs: Mapping[str, "InputSpec"]) -> Iterator[tuple[InputPath, Reference]]:
    for name, spec in inputs.items():
        if path and _leads_elsewhere(spec):
            yield (*path, name), _reference(spec)
        yield from _below((*path, name), spec.inputs)


def outermost(specs: Iterable["InputSpec"]) -> Reference:
    """Return the reference of the first that leads an input elsewhere; None: it follows another, or none does."""
    return next((_reference(spec) for spec in specs if _leads_elsewhere(spec)), None)


def as_overridden(node: LockNode, reference: Reference) -> LockNode:
    """Return a node with the reference that a flake.nix further out gives it as `original`; None: none does.

    So Nix notes it from 2.20 on (sources from 2.26 on). Earlier ones note what the flake above it says, which is not
    what was locked.
    """
    if reference is None or reference == node.original:
        return node
    return msgspec.structs.replace(node, original=reference)


def find_nested(
    lock: LockFile,
    paths: Collection[InputPath],
    overrides: Collection[InputPath],
    declared: Callable[[LockNode], Declared | None],
) -> Iterator[InputDisagreement]:
    """Yield where inputs of inputs do not lead where the flakes that take them say.

    paths: of the nodes whose inputs are looked at, each below another of them or below the root. overrides: nested
    inputs of which the lock's own flake.nix says where they lead: there it has been compared itself. declared: what the
    flake.nix of a node has; None: nobody wants to know, and nothing is said of what that decides.
    """
    known: dict[InputPath, Declared | None] = {}

    def of(path: InputPath) -> Declared | None:
        if path not in known:
            node = lock.node(path)
            known[path] = declared(node) if node is not None else None
        return known[path]

    for taker in paths:
        node = lock.node(taker)
        if node is None or not node.inputs or (own := of(taker)) is None:
            continue
        if isinstance(own, str):
            yield InputDisagreement(taker, why_unknown=own)
            continue
        for name, target in sorted(node.inputs.items()):
            path = (*taker, name)
            if path not in overrides and (found := _compare(lock, path, target, own.get(name), of)) is not None:
                yield found


def _compare(
    lock: LockFile,
    path: InputPath,
    target: NodeLabel | InputPath,
    own: "InputSpec | None",
    of: Callable[[InputPath], Declared | None],
) -> InputDisagreement | None:
    detail = _difference(lock, own, target, path[:-1])
    if detail is None:
        return None
    # A flake further out may say what an input of its input is; the outermost counts.
    for length in range(1, len(path) - 1):
        outer = of(path[:length])
        if outer is None:
            return None
        if isinstance(outer, str):
            return InputDisagreement(path, why_unknown=outer)
        spec = _override(outer, path[length:])
        if spec is not None and _leads_elsewhere(spec):
            detail = _difference(lock, spec, target, path[:length], override=True)
            break
    return InputDisagreement(path, f"{show_path(path)} {detail}") if detail is not None else None


def _override(inputs: Mapping[str, "InputSpec"], path: InputPath) -> "InputSpec | None":
    spec = inputs.get(path[0])
    for name in path[1:]:
        spec = spec.inputs.get(name) if spec is not None else None
    return spec


def _reference(spec: "InputSpec") -> Reference:
    return spec.ref.to_attrs() if spec.ref is not None else None


def _leads_elsewhere(spec: "InputSpec") -> bool:
    return spec.ref is not None or spec.follows is not None


def _difference(
    lock: LockFile,
    spec: "InputSpec | None",
    target: NodeLabel | InputPath,
    taker: InputPath,
    *,
    override: bool = False,
) -> str | None:
    """Return how an input differs from what the flake at `taker` says of it; None: it does not."""
    if spec is None:
        return None  # what no flake.nix names no flake can use
    there = f"in the flake.nix of {show_path(taker)}"
    if spec.follows is not None:
        wanted = (*taker, *spec.follows)
        if isinstance(target, tuple) and (target == wanted or lock.resolve(target) == lock.resolve(wanted)):
            return None
        return f"follows {_shown(wanted)} {there}, and {_led(lock, target)} in the lock"
    if spec.ref is None:
        return None
    if not isinstance(target, tuple):
        node = lock.nodes[target]
        if node.original is None or not differs(spec, spec.ref, node, override=override):
            return None
    return f"is {shown_reference(spec.ref.to_attrs())} {there}, and {_led(lock, target)} in the lock"


def _led(lock: LockFile, target: NodeLabel | InputPath) -> str:
    if isinstance(target, tuple):
        return f"follows {_shown(target)}"
    return f"is {shown_reference(lock.nodes[target].original or {})}"


def _shown(path: InputPath) -> str:
    return show_path(path) if path else "the flake itself"
