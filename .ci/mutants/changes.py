"""Mutants: small changes to a module, each of which some test should notice."""

import ast
import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_CALCULATED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.Mod: ast.FloorDiv,
    ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}  # fmt: skip
_SWAPPED = {"any": "all", "all": "any", "min": "max", "max": "min"}
_TO_LIST = frozenset({"sorted", "reversed", "set", "frozenset"})
_METHODS = frozenset({"strip", "lstrip", "rstrip", "lower", "upper", "casefold", "removeprefix", "removesuffix"})


@dataclass(frozen=True)
class Mutant:
    """One changed place. The mutated module is `source[:start] + after + source[end:]`, in bytes.

    statement: the key of the innermost statement around it (`statements`), by which tests that run it are found.
    """

    module: str
    line: int
    start: int
    end: int
    kind: str
    before: str
    after: str
    statement: str

    def apply(self, source: bytes) -> bytes:
        """Return the mutated module."""
        return source[: self.start] + self.after.encode() + source[self.end :]

    def is_valid(self, source: bytes) -> bool:
        """Return whether the mutated module is Python, and another program than the module."""
        try:
            return ast.dump(ast.parse(self.apply(source))) != ast.dump(ast.parse(source))
        except SyntaxError:
            return False

    def __str__(self) -> str:
        before, after = (" ".join(text.split()) for text in (self.before, self.after))
        function = self.statement.split("|")[1].lstrip(".") or "module"
        return f"{self.module}:{self.line} {function} [{self.kind}] {_cut(before)} → {_cut(after)}"


def statements(module: str, tree: ast.Module) -> Iterator[tuple[ast.stmt, str, bool]]:
    """Give every statement with its key, and whether it is in a function.

    A key is made of the module, the function and the statement's first line, so it outlives changes elsewhere.
    """
    seen: dict[str, int] = {}

    def walk(body: list[ast.stmt], name: str, inside: bool) -> Iterator[tuple[ast.stmt, str, bool]]:
        for statement in body:
            first = ast.unparse(statement).lstrip().split("\n")[0]
            key = f"{module}|{name}|{first}"
            seen[key] = seen.get(key, 0) + 1
            yield statement, f"{key}|{seen[key]}", inside
            match statement:
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    yield from walk(statement.body, f"{name}.{statement.name}", True)
                case ast.ClassDef():
                    yield from walk(statement.body, f"{name}.{statement.name}", inside)
                case ast.If(test=test) if "TYPE_CHECKING" in ast.unparse(test):
                    continue
                case _:
                    for each in bodies(statement):
                        yield from walk(each, name, inside)

    yield from walk(tree.body, "", False)


def bodies(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    """Give the lists of statements below one."""
    for field in ("body", "orelse", "finalbody"):
        if found := getattr(statement, field, None):
            yield found
    for handler in getattr(statement, "handlers", ()):
        yield handler.body
    for case in getattr(statement, "cases", ()):
        yield case.body


def mutants(module: str, source: bytes) -> list[Mutant]:
    """Return every mutant of a module, by place."""
    tree = ast.parse(source)
    offsets = [0]
    for row in source.splitlines(keepends=True):
        offsets.append(offsets[-1] + len(row))
    found = []
    for statement, key, _ in statements(module, tree):
        for node, kind, after in _changes(statement):
            start = offsets[node.lineno - 1] + node.col_offset
            end = offsets[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
            found.append(Mutant(module, node.lineno, start, end, kind, source[start:end].decode(), after, key))
    return sorted(found, key=lambda mutant: (mutant.start, mutant.end, mutant.kind, mutant.after))


_Change = tuple[ast.expr | ast.stmt, str, str]


def _changes(statement: ast.stmt) -> Iterator[_Change]:
    match statement:
        case ast.Import() | ast.ImportFrom() | ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            pass
        # A docstring, and what only type checkers reach.
        case ast.Expr(value=ast.Constant() | ast.Call(func=ast.Name(id="assert_never"))):
            return
        case ast.Expr() | ast.Delete() | ast.Raise() | ast.Continue() | ast.Break():
            yield statement, "statement dropped", "pass"
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]) | ast.AugAssign():
            yield statement, "statement dropped", "pass"
        # None for False is no mistake that anybody could see: there it goes on instead.
        case ast.Return(value=None | ast.Constant(value=None | False)):
            yield statement, "return dropped", "pass"
        case ast.Return():
            yield statement, "return dropped", "return None"
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return
        case ast.If(test=test) | ast.While(test=test):
            yield from _conditions(test, loop=isinstance(statement, ast.While))
        case _:
            pass
    for expression in _expressions(statement):
        yield from _of_expression(expression)


def _conditions(test: ast.expr, *, loop: bool = False) -> Iterator[_Change]:
    # A loop without an end would only be noticed by the time limit.
    yield from ((test, "condition", word) for word in ("True", "False") if not (loop and word == "True"))
    yield test, "condition", f"(not ({ast.unparse(test)}))"


def _expressions(statement: ast.stmt) -> Iterator[ast.expr]:
    """Give the expressions of a statement itself: no annotation, no decorator, nothing inside an f-string.

    In Python 3.11 the parts of an f-string have no places of their own.
    """

    def walk(node: ast.AST) -> Iterator[ast.expr]:
        for field, value in ast.iter_fields(node):
            if field in {"annotation", "returns", "decorator_list", "bases", "pattern", "type_params"}:
                continue
            if isinstance(node, ast.ClassDef) and field == "keywords":  # `frozen=True` and the like
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.JoinedStr | ast.stmt) or not isinstance(child, ast.AST):
                    continue
                if isinstance(child, ast.excepthandler | ast.match_case):
                    continue
                if isinstance(node, ast.Subscript) and isinstance(child, ast.Tuple):  # the arguments of a type
                    continue
                if isinstance(child, ast.expr):
                    yield child
                yield from walk(child)

    yield from walk(statement)
    for case in getattr(statement, "cases", ()):
        if case.guard is not None:
            yield case.guard
            yield from walk(case.guard)


def _of_expression(node: ast.expr) -> Iterator[_Change]:
    for kind, changed in _changed(node):
        yield node, kind, f"({ast.unparse(changed)})"
    match node:
        case ast.IfExp(test=test):
            yield from _conditions(test)
        case _:
            pass


def _changed(node: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    match node:
        case ast.Compare(ops=ops):
            for number, operator in enumerate(ops):
                yield (
                    "comparison",
                    _with(node, lambda new, n=number, o=operator: _put(new.ops, n, _COMPARED[type(o)]())),
                )
        case ast.BoolOp(op=operation, values=values):
            other = ast.Or() if isinstance(operation, ast.And) else ast.And()
            yield "and/or", ast.BoolOp(other, values)
            for number in range(len(values)):
                rest = values[:number] + values[number + 1 :]
                yield "operand dropped", rest[0] if len(rest) == 1 else ast.BoolOp(operation, rest)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield "not dropped", operand
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield "arms swapped", ast.IfExp(test, orelse, body)
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _CALCULATED:
            yield "operator", ast.BinOp(left, _CALCULATED[type(operator)](), right)
        case ast.Constant(value=bool() as value):
            yield "constant", ast.Constant(not value)
        case ast.Constant(value=int() as value):
            yield "constant", ast.Constant(value + 1)
            yield "constant", ast.Constant(value - 1)
        case ast.Constant(value=str() as value) if value:
            yield "string", ast.Constant(f"{value}X")
        case ast.Constant(value=bytes() as value) if value:
            yield "string", ast.Constant(value + b"X")
        case (
            ast.Set(elts=elements) | ast.Tuple(elts=elements, ctx=ast.Load()) | ast.List(elts=elements, ctx=ast.Load())
        ):
            for number in range(len(elements) if len(elements) > 1 else 0):
                yield "element dropped", _with(node, lambda new, n=number: new.elts.pop(n))
        case ast.Dict(keys=keys):
            for number in range(len(keys)):
                yield "element dropped", _with(node, lambda new, n=number: (new.keys.pop(n), new.values.pop(n)))
        case ast.Call():
            yield from _of_call(node)
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            for number, generator in enumerate(node.generators):
                for each in range(len(generator.ifs)):
                    yield "filter dropped", _with(node, lambda new, n=number, e=each: new.generators[n].ifs.pop(e))
        case _:
            pass


def _of_call(node: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    for number, keyword in enumerate(node.keywords):
        if keyword.arg is not None:
            yield "keyword dropped", _with(node, lambda new, n=number: new.keywords.pop(n))
    match node:
        case ast.Call(func=ast.Name(id=name)) if name in _SWAPPED:
            yield "any/all", ast.Call(ast.Name(_SWAPPED[name]), node.args, node.keywords)
        case ast.Call(func=ast.Name(id=name), args=[first, *_]) if name in _TO_LIST:
            yield f"{name} dropped", ast.Call(ast.Name("list"), [first], [])
        case ast.Call(func=ast.Attribute(value=value, attr=name)) if name in _METHODS:
            yield "method dropped", value
        case _:
            pass


def _with(node: ast.expr, change: Callable[..., object]) -> ast.expr:
    new = copy.deepcopy(node)
    change(new)
    return new


def _put(items: list[ast.cmpop], number: int, item: ast.cmpop) -> None:
    items[number] = item


def _cut(text: str) -> str:
    text = re.sub(r"^\((.*)\)$", r"\1", text)
    return text if len(text) <= 110 else f"{text[:109]}…"
