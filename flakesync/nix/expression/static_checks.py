"""What Nix refuses in an expression before it evaluates anything: names that nothing binds, and what is defined twice.

Mirrors `bindVars` of `src/libexpr/nixexpr.cc` and the checks in `parser.y`. In doubt an expression is refused: some
versions merge sets differently, and what is legal in a few of them only is legal nowhere here.
"""

import math
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from flakesync.nix.expression.base_names import BASE_NAMES
from flakesync.nix.expression.literals import (
    SETS,
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

    Scope = tuple[frozenset[str] | None, "Scope"] | None
    """Names and the scope around them; None for names: a `with`, which may bind anything."""

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


def check_expression(node: "Node", names: Iterable[str] = ()) -> None:
    """Check the expression `node`, in a scope with `names` and the base names.

    Raises: NotLiteralError.
    """
    base: Scope = (BASE_NAMES, None)
    work: Work = [(node, (frozenset(names), base))]
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
    while scope is not None:
        names, scope = scope
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
            _bind(bound, child)
    inner = (frozenset(bound), scope)
    work.append((body, inner))
    work += [(default, inner) for default in defaults]


def _with(node: "Node", scope: "Scope", work: "Work") -> None:
    environment, body = without_comments(node)
    work += [(environment, scope), (body, (None, scope))]


def _set(node: "Node", scope: "Scope", work: "Work") -> None:
    _attributes(node, scope, scope, work, dynamic=True)


def _recursive_set(node: "Node", scope: "Scope", work: "Work") -> None:
    inner = (frozenset(_first_names(node)), scope)
    _attributes(node, inner, scope, work, dynamic=True)


def _let(node: "Node", scope: "Scope", work: "Work") -> None:
    children = without_comments(node)
    inner = (frozenset(_first_names(node)), scope)
    if len(children) > 1:
        _attributes(node, inner, scope, work, dynamic=False)
    work.append((children[-1], inner))


def _bindings(node: "Node") -> list["Node"]:
    sets = [child for child in node.named_children if child.type == "binding_set"]
    return without_comments(sets[0]) if sets else []


def _first_names(node: "Node") -> Iterable[str]:
    for binding in _bindings(node):
        inherits = binding.type != "binding"
        parts = inherited_names(binding) if inherits else without_comments(without_comments(binding)[0])[:1]
        for part in parts:
            name = static_name(part)
            if name is not None:
                yield name


def _attributes(node: "Node", inner: "Scope", outer: "Scope", work: "Work", *, dynamic: bool) -> None:
    """Check the bindings of a set or a `let`; only plain `inherit` looks into the scope outside of it."""
    names: _Names = {}
    for binding in _bindings(node):
        children = without_comments(binding)
        if binding.type == "binding":
            path = without_comments(children[0])
            work.append((children[1], inner))
            work += [(part, inner) for part in path if part.type != "identifier" and static_name(part) is None]
            if not dynamic and static_name(path[0]) is None:
                raise NotLiteralError(path[0], "a name in `let` has to be evaluated")
            _define(names, path, unwrap(children[1]), 0)
            continue
        if binding.type == "inherit_from":
            work.append((children[0], inner))
        for part, name in _inherit(names, binding):
            if binding.type == "inherit":
                _inherited(part, name, outer)


def _inherited(part: "Node", name: str, scope: "Scope") -> None:
    while scope is not None:
        names, scope = scope
        if names is None or name in names:
            return
    raise NotLiteralError(part, f"nothing binds the variable {name!r}")


_Names = dict[str, "_Names | Node"]


def _inherit(names: "_Names", binding: "Node") -> list[tuple["Node", str]]:
    """Take up the names of an `inherit`, and return them."""
    found = []
    for part in inherited_names(binding):
        name = static_name(part)
        if name is None:
            raise NotLiteralError(part, "`inherit` of a name that has to be evaluated")
        if name in names:
            raise NotLiteralError(part, f"the attribute {name!r} is defined twice")
        names[name] = part
        found.append((part, name))
    return found


def _define(names: "_Names", path: list["Node"], value: "Node", depth: int) -> None:
    """Take up one definition. A leaf is its expression; sets are opened only when a second definition meets them."""
    for part in path[:-1]:
        name = static_name(part)
        if name is None:
            return  # what is below a name that has to be evaluated is a set of its own each time
        below = names.setdefault(name, {})
        if not isinstance(below, dict):
            below = names[name] = _attributes_of(below, part, depth)
        names = below
    last = static_name(path[-1])
    if last is None:
        return
    known = names.get(last)
    if known is None:
        names[last] = value
        return
    merged = known if isinstance(known, dict) else _attributes_of(known, path[-1], depth)
    for key, node in _attributes_of(value, path[-1], depth).items():
        if key in merged:
            raise NotLiteralError(path[-1], f"{key!r} is in two sets that Nix versions merge differently")
        merged[key] = node
    names[last] = merged


def _attributes_of(value: "Node", place: "Node", depth: int) -> "_Names":
    """Return the attributes of a set that is merged with another. Names to be evaluated do not meet until then."""
    if value.type not in SETS:
        raise NotLiteralError(place, f"the attribute {text_of(place)!r} is defined twice")
    if value.type != "attrset_expression":
        raise NotLiteralError(place, "a `rec` set is merged with another")
    if depth > _DEEPEST:
        raise NotLiteralError(place, "sets are merged too deeply")
    names: _Names = {}
    for binding in _bindings(value):
        if binding.type == "binding":
            path, expression = without_comments(binding)
            _define(names, without_comments(path), unwrap(expression), depth + 1)
        else:
            _inherit(names, binding)
    return names


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
    for child in reversed(node.named_children):
        if child.type == "interpolation":
            text = text[: child.start_byte - start] + b"x" + text[child.end_byte - start :]
    if not _PATH.fullmatch(text):
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
    "rec_attrset_expression": _recursive_set,
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
