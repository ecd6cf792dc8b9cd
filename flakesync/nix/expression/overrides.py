"""Where a flake.nix makes an input of an input follow another: the binding added, replaced, or found to be removed."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flakesync.nix.expression.layout import Splice, insert_after, insert_into
from flakesync.nix.expression.literals import NotLiteralError, text_of
from flakesync.nix.expression.places import AttrPath, Binding, written_path

if TYPE_CHECKING:
    from tree_sitter import Node

_TOP = 2
"""How many names an input of the flake itself has: `inputs.lib`."""


def added_override(
    source: bytes, top: "Node", bindings: list[Binding], target: AttrPath, value: str
) -> Iterator[Splice]:
    """Give where a binding of `target` can go: into the innermost set of its input, else after the input's last line.

    More than one, as not every place is legal: Nix versions merge sets differently that are in several places.
    """
    groups = [
        each for each in bindings if each.is_set and len(each.path) >= _TOP and each.path == target[: len(each.path)]
    ]
    for group in sorted(groups, key=lambda each: len(each.path), reverse=True):
        text = f"{written_path(target[len(group.path) :])} = {value};"
        yield insert_into(source, group.value, text.encode(), top)
    for line in reversed(bindings):
        if line.path[:_TOP] == target[:_TOP] and line.around < _TOP:
            # As it is written there, quotes and all.
            names = [text_of(part) for part in line.parts[: _TOP - line.around]]
            text = f"{'.'.join(names)}.{written_path(target[_TOP:])} = {value};"
            yield insert_after(source, line.node.start_byte, line.node.end_byte, text.encode())


def replaced_override(bindings: list[Binding], override: AttrPath, value: str) -> Splice:
    """Return what makes an override follow that follows another input, or has a reference of its own.

    Raises: NotLiteralError: its reference is in several places.
    """
    own = [each for each in bindings if each.path[: len(override)] == override]
    for each in own:
        if each.path == (*override, "follows"):
            node = each.value
            text = f"''{value[1:-1]}''" if node.type == "indented_string_expression" else value
            return Splice(node.start_byte, node.end_byte, text.encode())
    first, *others = [each for each in own if each.around < len(override)]
    if others:
        raise NotLiteralError(others[0].node, f"`{written_path(override)}` is defined in several places")
    end = first.expression.end_byte
    if first.path == override:
        return Splice(first.expression.start_byte, end, f"{{ follows = {value}; }}".encode())
    start = first.parts[len(override) - first.around].start_byte
    return Splice(start, end, f"follows = {value}".encode())


def removed_override(bindings: list[Binding], override: AttrPath) -> "Node":
    """Return the binding that says what an input follows, with the set that is about that input alone.

    Raises: NotLiteralError: something else is said of the input too. What was left of it would be an input without a
    reference, which Nix up to 2.29 looks up by its name.
    """
    own = [each for each in bindings if each.path[: len(override)] == override]
    outer = [each for each in own if each.around < len(override)]
    others = [each for each in own if each.path not in (override, (*override, "follows"))] or outer[1:]
    if others:
        raise NotLiteralError(others[0].node, f"`{written_path(override)}` is more than what it follows")
    return outer[0].node
