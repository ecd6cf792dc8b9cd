"""Where a flake.nix speaks of its inputs: the bindings below `inputs`, in whichever style and however many sets."""

import re
from typing import TYPE_CHECKING

import msgspec

from flakesync.nix.expression.literals import SETS, statements, static_name, unwrap, without_comments
from flakesync.terms import InputPath

if TYPE_CHECKING:
    from tree_sitter import Node

AttrPath = tuple[str, ...]

_PLAIN = re.compile(r"[a-zA-Z_][a-zA-Z0-9_'-]*", re.ASCII)
_NEVER_PLAIN = frozenset({"assert", "else", "if", "in", "inherit", "let", "or", "rec", "then", "with"})
_SPECIAL = re.compile(r'["\\\n\r\t]|\$(?=\{)')
_ESCAPES = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


class Binding(msgspec.Struct, frozen=True):
    """A binding `names = expression;`.

    path: the attribute that it defines, from the set of the file on (`inputs`, `lib`, `url`). parts: the names that
    are written in it, which are the last ones of the path. node: all of it, with its semicolon.
    """

    path: AttrPath
    parts: "tuple[Node, ...]"
    expression: "Node"
    node: "Node"

    @property
    def value(self) -> "Node":
        """The expression without the parentheses around it."""
        return unwrap(self.expression)

    @property
    def is_set(self) -> bool:
        """Whether it defines a literal set."""
        return self.value.type in SETS

    @property
    def around(self) -> int:
        """How many names of the path are outside: those of the set that it stands in."""
        return len(self.path) - len(self.parts)


def input_bindings(top: "Node") -> list[Binding]:
    """Return the bindings at and below `inputs` in the order of the file, the sets among them before what is in them.

    top: the set of a flake.nix whose inputs are literal.
    """
    found: list[Binding] = []
    work: list[tuple[Node, AttrPath]] = [(top, ())]
    while work:
        group, outside = work.pop()
        for node in statements(group):
            if node.type != "binding":
                continue
            names, expression = without_comments(node)
            parts = tuple(without_comments(names))
            path = (*outside, *(static_name(part) or "" for part in parts))
            if path[0] == "inputs":
                found.append(Binding(path, parts, expression, node))
                if found[-1].is_set:
                    work.append((found[-1].value, path))
    return sorted(found, key=lambda binding: binding.node.start_byte)


def attr_path(path: InputPath) -> AttrPath:
    """Return the attribute that is an input: `inputs.lib.inputs.nixpkgs` for `lib/nixpkgs`."""
    return tuple(part for name in path for part in ("inputs", name))


def written_path(names: AttrPath) -> str:
    """Return an attribute path as Nix reads it, in quotes what is no name or a keyword in some version."""
    return ".".join(name if _PLAIN.fullmatch(name) and name not in _NEVER_PLAIN else quoted(name) for name in names)


def quoted(text: str) -> str:
    """Return the string literal of a text, on one line."""
    escaped = _SPECIAL.sub(lambda found: _ESCAPES.get(found[0], f"\\{found[0]}"), text)
    return f'"{escaped}"'
