"""What Nix refuses in an expression before it evaluates anything: names that nothing binds, and what is defined twice.

Mirrors `bindVars` of `src/libexpr/nixexpr.cc` and the checks in `parser.y`. In doubt an expression is refused: some
versions merge sets differently, and what is legal in a few of them only is legal nowhere here.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flakesync.nix.expression.base_names import BASE_NAMES
from flakesync.nix.expression.literals import (
    SETS,
    URI,
    NotLiteralError,
    identifier,
    inherited_names,
    static_name,
    text_of,
    unwrap,
    without_comments,
)

if TYPE_CHECKING:
    from tree_sitter import Node

    Scope = tuple[frozenset[str] | None, "Scope", int] | None
    """Names, the scope around them, and how many there are; None for names: a `with`, which may bind anything."""

    Work = list[tuple[Node, Scope]]

_LEAVES = frozenset({
    "comment", "dollar_escape", "ellipses", "escape_sequence", "path_fragment", "string_fragment",
    "uri_expression",
})  # fmt: skip
_EQUALITIES = frozenset({"==", "!="})
_ORDERS = frozenset({"<", ">", "<=", ">="})
_SEARCH_PATH = re.compile(r"<[a-zA-Z0-9._+-]+(?:/[a-zA-Z0-9._+-]+)*>")
_PATH = re.compile(rb"[a-zA-Z0-9._+-]*(?:/[a-zA-Z0-9._+-]+)+")
_GREATEST = 2**63 - 1
_DEEPEST = 64
_MOST_SCOPES = 200
"""How many scopes may be around an expression: a variable is looked for in all of them."""


def check_expression(node: "Node", names: Iterable[str] = ()) -> None:
    """Check the expression `node`, in a scope with `names` and the base names.

    Raises: NotLiteralError.
    """
    work: Work = [(node, _within(node, frozenset(names), _within(node, BASE_NAMES, None)))]
    while work:
        node, scope = work.pop()
        kind = node.type
        if kind in _LEAVES:
            continue
        handler = _HANDLERS.get(kind)
        if handler is None:
            work += [(child, scope) for child in node.named_children]
        else:
            handler(node, scope, work)


def _within(node: "Node", names: frozenset[str] | None, outer: "Scope") -> "Scope":
    depth = outer[2] + 1 if outer is not None else 0
    if depth > _MOST_SCOPES:
        raise NotLiteralError(node, "expressions nested too deeply")
    return names, outer, depth


def formal_names(formals: "Node") -> dict[str, "Node"]:
    """Return the names that a function takes from a set, with their places. Raises: NotLiteralError (named twice)."""
    found: dict[str, Node] = {}
    for formal in formals.named_children:
        if formal.type == "formal":
            _bind(found, formal.named_children[0])
    return found


def _bind(found: dict[str, "Node"], node: "Node") -> None:
    name = identifier(node)
    if name in found or name == "or":
        raise NotLiteralError(node, f"{name!r} is named twice" if name in found else "`or` is no name")
    found[name] = node


def _variable(node: "Node", scope: "Scope", work: "Work") -> None:
    name = identifier(node)
    if name == "or":
        raise NotLiteralError(node, "`or` is no variable")
    _require(node, name, scope)


def _require(node: "Node", name: str, scope: "Scope") -> None:
    while scope is not None:
        names, scope, _ = scope
        if names is None or name in names:
            return
    raise NotLiteralError(node, f"nothing binds the variable {name!r}")


def _function(node: "Node", scope: "Scope", work: "Work") -> None:
    bound: dict[str, Node] = {}
    defaults: list[Node] = []
    *heads, body = without_comments(node)
    for child in heads:
        if child.type == "formals":
            for name, place in formal_names(child).items():
                if name in bound:
                    raise NotLiteralError(place, f"{name!r} is named twice")
                bound[name] = place
            defaults += [child for formal in child.named_children for child in formal.named_children[1:]]
        elif child.type == "identifier":
            _require_no_uri(child)
            _bind(bound, child)
    inner = _within(node, frozenset(bound), scope)
    work.append((body, inner))
    work += [(default, inner) for default in defaults]


def _require_no_uri(name: "Node") -> None:
    """Refuse `{ … }@h:h.f`: whatever stands before it, Nix reads `h:h.f` as a URI, and then expects a name."""
    whole = name.parent
    if whole is None or whole.text is None:
        return
    begin, end = name.start_byte - whole.start_byte, name.end_byte - whole.start_byte
    # The name, a colon, and one character more: what a URI needs.
    if URI.match(whole.text[begin : end + 2].decode("utf-8", "replace")):
        raise NotLiteralError(name, "a URI, and no argument")


def _with(node: "Node", scope: "Scope", work: "Work") -> None:
    environment, body = without_comments(node)
    work += [(environment, scope), (body, _within(node, None, scope))]


def _set(node: "Node", scope: "Scope", work: "Work") -> None:
    made = _Set(recursive=node.type == "rec_attrset_expression")
    for binding in _bindings(node):
        made.take(binding, 0)
    made.check(node, scope, work)


def _let(node: "Node", scope: "Scope", work: "Work") -> None:
    made = _Set(recursive=True)
    for binding in _bindings(node):
        if binding.type == "binding":
            first = without_comments(without_comments(binding)[0])[0]
            if static_name(first) is None:
                raise NotLiteralError(first, "a name in `let` has to be evaluated")
        made.take(binding, 0)
    made.check(node, scope, work)
    work.append((without_comments(node)[-1], _within(node, frozenset(made.names), scope)))


def _bindings(node: "Node") -> list["Node"]:
    sets = [child for child in node.named_children if child.type == "binding_set"]
    return without_comments(sets[0]) if sets else []


@dataclass(slots=True)
class _Set:
    """The attributes of a set, all definitions of it merged; as in Nix, it is `rec` if the first of them is.

    names: an expression is kept as it is, and opened only when a second definition meets it; None: it is inherited.
    dynamic: names that have to be evaluated, with their values. inherits: the `inherit`s, with their names in `names`.
    """

    recursive: bool = False
    names: "dict[str, _Set | Node | None]" = field(default_factory=dict)
    dynamic: "list[tuple[Node, _Set | Node]]" = field(default_factory=list)
    inherits: "list[Node]" = field(default_factory=list)

    def take(self, binding: "Node", depth: int) -> None:
        """Take up one definition. depth: in how many sets that were opened it is."""
        if binding.type != "binding":
            self._inherit(binding)
            return
        path, expression = without_comments(binding)
        *parts, last = without_comments(path)
        into = self
        for part in parts:
            into = into._below(part, depth)
        value, name = unwrap(expression), static_name(last)
        if name is None:
            into.dynamic.append((last, value))
        elif name not in into.names:
            into.names[name] = value
        else:
            merged = into._below(last, depth)
            other = _opened(value, last, depth)
            for key in other.names:
                if key in merged.names:
                    raise NotLiteralError(last, f"{key!r} is in two sets that Nix versions merge differently")
            merged.names |= other.names
            merged.dynamic += other.dynamic
            merged.inherits += other.inherits

    def _below(self, part: "Node", depth: int) -> "_Set":
        """Return the set that a name of a path leads to, made now if there is none."""
        name = static_name(part)
        if name is None:
            below = _Set()  # each time another one, until its name is evaluated
            self.dynamic.append((part, below))
            return below
        known = self.names.setdefault(name, _Set())
        below = self.names[name] = known if isinstance(known, _Set) else _opened(known, part, depth)
        return below

    def _inherit(self, binding: "Node") -> None:
        self.inherits.append(binding)
        for part in inherited_names(binding):
            name = static_name(part)
            if name is None:
                raise NotLiteralError(part, "`inherit` of a name that has to be evaluated")
            if name in self.names:
                raise NotLiteralError(part, f"the attribute {name!r} is defined twice")
            self.names[name] = None

    def check(self, node: "Node", scope: "Scope", work: "Work") -> None:
        """Check its names; expressions in it are left as work. Only plain `inherit` looks past a `rec` set's own."""
        sets: list[tuple[_Set, Scope]] = [(self, scope)]
        while sets:
            each, outer = sets.pop()
            inner = _within(node, frozenset(each.names), outer) if each.recursive else outer
            for binding in each.inherits:
                if binding.type == "inherit_from":
                    work.append((without_comments(binding)[0], inner))
                    continue
                for part in inherited_names(binding):
                    _require(part, static_name(part) or "", outer)
            work += [(part, inner) for part, _ in each.dynamic]
            for value in (*each.names.values(), *(value for _, value in each.dynamic)):
                if isinstance(value, _Set):
                    sets.append((value, inner))
                elif value is not None:
                    work.append((value, inner))


def _opened(value: "Node | None", place: "Node", depth: int) -> _Set:
    """Return the attributes of a set that is merged with another."""
    if value is None or value.type not in SETS:
        raise NotLiteralError(place, f"the attribute {text_of(place)!r} is defined twice")
    if depth > _DEEPEST:
        raise NotLiteralError(place, "sets are merged too deeply")
    made = _Set(recursive=value.type == "rec_attrset_expression")
    for binding in _bindings(value):
        made.take(binding, depth + 1)
    return made


def _binary(node: "Node", scope: "Scope", work: "Work") -> None:
    """Refuse `a == b == c`, for which Nix has no grammar."""
    operator = _operator(node)
    for alike in (_EQUALITIES, _ORDERS):
        if operator in alike:
            for child in without_comments(node):
                if child.type == "binary_expression" and _operator(child) in alike:
                    raise NotLiteralError(child, "comparisons in a row")
    work += [(child, scope) for child in node.named_children]


def _operator(node: "Node") -> str:
    return next(child.type for child in node.children if not child.is_named)


def _has_attribute(node: "Node", scope: "Scope", work: "Work") -> None:
    if without_comments(node)[0].type == "has_attr_expression":
        raise NotLiteralError(node, "`?` twice in a row")
    work += [(child, scope) for child in node.named_children]


def _identifier(node: "Node", scope: "Scope", work: "Work") -> None:
    identifier(node)


def _path(node: "Node", scope: "Scope", work: "Work") -> None:
    """Refuse a slash at the end, and `a//b`, which Nix takes for an update."""
    start = node.start_byte
    text = text_of(node).encode()
    pieces, at = [], 0
    for child in node.named_children:
        if child.type == "interpolation":
            pieces += [text[at : child.start_byte - start], b"x"]
            at = child.end_byte - start
    if not _PATH.fullmatch(b"".join((*pieces, text[at:]))):
        raise NotLiteralError(node, "a path that Nix reads otherwise")
    work += [(child, scope) for child in node.named_children]


def _integer(node: "Node", scope: "Scope", work: "Work") -> None:
    digits = text_of(node)
    if len(digits) > 19 or int(digits) > _GREATEST:
        raise NotLiteralError(node, "a number too great")


def _float(node: "Node", scope: "Scope", work: "Work") -> None:
    number = float(text_of(node))
    if math.isinf(number) or (number < 1e-300 and text_of(node).strip("0.")):
        raise NotLiteralError(node, "a number too great or too small")


def _search_path(node: "Node", scope: "Scope", work: "Work") -> None:
    if not _SEARCH_PATH.fullmatch(text_of(node)):
        raise NotLiteralError(node, "a path that Nix reads otherwise")


def _refused(node: "Node", scope: "Scope", work: "Work") -> None:
    raise NotLiteralError(node, "an expression that not every version of Nix takes")


_HANDLERS = {
    "identifier": _identifier,
    "variable_expression": _variable,
    "function_expression": _function,
    "with_expression": _with,
    "attrset_expression": _set,
    "rec_attrset_expression": _set,
    "let_expression": _let,
    "binary_expression": _binary,
    "has_attr_expression": _has_attribute,
    "path_expression": _path,
    "integer_expression": _integer,
    "float_expression": _float,
    "hpath_expression": _refused,
    "spath_expression": _search_path,
    "let_attrset_expression": _refused,
}
