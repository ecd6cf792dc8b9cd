"""Where a lock asks for something else below an input than the flake.nix of that input does.

No Nix looks: what lies below an input that has not changed is taken from the lock (`computeLocks` in `flake.cc`, where
it has no `mustRefetch`), so a node whose `original` and `locked` are both swapped is built without a word.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from flakesync.nix.expression.stale import differs, shown_reference
from flakesync.nix.lock.file import LockFile
from flakesync.nix.lock.node import LockNode
from flakesync.terms import InputPath, show_path

if TYPE_CHECKING:
    from flakesync.nix.expression.inputs import InputSpec

Declared = Mapping[str, "InputSpec"] | str
"""The inputs that a flake.nix has, or why they are not known, as a phrase."""


class InputDisagreement(msgspec.Struct, frozen=True):
    """What is said of a nested input. detail: how it differs; why_unknown: why that cannot be told. One of them is."""

    input: InputPath
    detail: str | None = None
    why_unknown: str | None = None


def references_below(inputs: Mapping[str, "InputSpec"]) -> tuple[InputPath, ...]:
    """Return the nested inputs that a flake.nix gives a reference, by input path."""
    return tuple(sorted(_below((), inputs)))


def _below(path: InputPath, inputs: Mapping[str, "InputSpec"]) -> Iterator[InputPath]:
    for name, spec in inputs.items():
        if path and spec.ref is not None:
            yield (*path, name)
        yield from _below((*path, name), spec.inputs)


def find_nested(
    lock: LockFile,
    paths: Collection[InputPath],
    overrides: Collection[InputPath],
    declared: Callable[[LockNode], Declared | None],
) -> Iterator[InputDisagreement]:
    """Yield the nodes that are not what the flakes that take them ask for.

    paths: of the nodes that are looked at, each below another of them or below the root. overrides: nested inputs that
    the lock's own flake.nix gives a reference: it has been compared itself. declared: what the flake.nix of a node has;
    None: nobody wants to know.
    """
    inputs: dict[InputPath, Declared | None] = {}

    def of(path: InputPath) -> Declared | None:
        if path not in inputs:
            node = lock.node(path)
            inputs[path] = declared(node) if node is not None else None
        return inputs[path]

    for path in paths:
        if len(path) > 1 and path not in overrides and (found := _compare(lock, path, of)) is not None:
            yield found


def _compare(lock: LockFile, path: InputPath, of: Callable[[InputPath], Declared | None]) -> InputDisagreement | None:
    own, node = of(path[:-1]), lock.node(path)
    if own is None or node is None:
        return None
    if isinstance(own, str):
        return InputDisagreement(path, why_unknown=own)
    detail = _difference(own.get(path[-1]), node, path[:-1], path)
    if detail is None:
        return None
    # A flake further out may say what an input of its input is; the outermost counts.
    for length in range(1, len(path) - 1):
        outer = of(path[:length])
        if not isinstance(outer, Mapping):
            return InputDisagreement(
                path, why_unknown=outer or f"what {show_path(path[:length])} makes of it is not known"
            )
        spec = _override(outer, path[length:])
        if spec is not None and (spec.ref is not None or spec.follows is not None):
            detail = _difference(spec, node, path[:length], path, override=True)
            break
    return InputDisagreement(path, detail) if detail is not None else None


def _override(inputs: Mapping[str, "InputSpec"], path: InputPath) -> "InputSpec | None":
    spec = inputs.get(path[0])
    for name in path[1:]:
        spec = spec.inputs.get(name) if spec is not None else None
    return spec


def _difference(
    spec: "InputSpec | None", node: LockNode, taker: InputPath, path: InputPath, *, override: bool = False
) -> str | None:
    """Return how a node differs from what the flake at `taker` asks for; None: it does not."""
    if spec is None:
        return None  # what no flake.nix names no flake can use
    there = f"in the flake.nix of {show_path(taker)}"
    if spec.follows is not None:
        return f"follows another input {there}, and has a source of its own in the lock"
    if spec.ref is None or node.original is None or not differs(spec, spec.ref, node, override=override):
        return None
    return f"is {shown_reference(spec.ref.to_attrs())} {there}, {shown_reference(node.original)} in the lock"
