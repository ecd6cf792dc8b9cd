"""GraphQL as far as GitHub's clients use it: a query is parsed, and answered with the fields that it asks for."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from flakesync.demo.forge.web.messages import Json

Value = object
"""A scalar, None, a Thing, or a list of these; or a function of a field's arguments that returns one."""

_TOKEN = re.compile(
    r'[\s,\ufeff]+|#[^\n]*|(?P<token>\.\.\.|[!$():=@\[\]{}|]|[_A-Za-z]\w*|-?\d+(?:\.\d+)?|"(?:[^"\\\n]|\\.)*")'
)


class QueryError(Exception):
    """A query that is none, or asks for what is not there: nothing of it is answered."""

    def __init__(self, message: str, **extensions: object) -> None:
        """extensions: what GitHub tells programs of it."""
        super().__init__(message)
        self.message = message
        self.extensions = extensions


class FieldError(Exception):
    """A field that could not be answered: it is null, and the answer tells why. kind: such as `NOT_FOUND`."""

    def __init__(self, kind: str, message: str) -> None:
        """message: for people."""
        super().__init__(message)
        self.kind = kind
        self.message = message


@dataclass(frozen=True, slots=True)
class Thing:
    """An object of the graph: the name of its type, and its fields."""

    type: str
    fields: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Field:
    """A field that is asked for. alias: what the answer calls it."""

    alias: str
    name: str
    arguments: Mapping[str, object]
    below: Sequence["Selection"] | None


@dataclass(frozen=True, slots=True)
class Fragment:
    """Fields that are asked of one type only; None: of any."""

    type: str | None
    below: Sequence["Selection"]


@dataclass(frozen=True, slots=True)
class Spread:
    """The fields of a fragment that the document names: `...Name`."""

    name: str


Selection = Field | Fragment | Spread


def answer(query: str, operation: str | None, variables: Mapping[str, object], roots: Mapping[str, Thing]) -> Json:
    """Return `data` and `errors` for a query. roots: what `query` and `mutation` begin with.

    Raises: QueryError.
    """
    parser = _Parser(query, variables)
    kind, selections = parser.operation(operation)
    run = _Run([], parser.fragments)
    data = run.selected(roots[kind], selections, [])
    return {"data": data} | ({"errors": run.errors} if run.errors else {})


def connection(of: str, items: Sequence[Value], **more: Value) -> Callable[[Mapping[str, object]], Thing]:
    """Return a field that lists things by `first` or `last`, one of which GitHub demands."""

    def listed(arguments: Mapping[str, object]) -> Thing:
        first, last = arguments.get("first"), arguments.get("last")
        if not isinstance(first, int) and not isinstance(last, int):
            raise FieldError("MISSING_PAGINATION_BOUNDARIES", f"You must provide a `first` or `last` value on `{of}`.")
        shown = items[:first] if isinstance(first, int) else items[-last:] if isinstance(last, int) and last else []
        page = Thing("PageInfo", {"hasNextPage": isinstance(first, int) and len(items) > first, "endCursor": None})
        return Thing(f"{of}Connection", {"nodes": shown, "totalCount": len(items), "pageInfo": page, **more})

    return listed


@dataclass
class _Run:
    errors: list[Json]
    fragments: Mapping[str, "Fragment"]

    def selected(self, thing: Thing, selections: Sequence[Selection], path: list[object]) -> Json:
        found: Json = {}
        for selection in selections:
            match selection:
                case Fragment(on, below):
                    if on in (None, thing.type):
                        found |= self.selected(thing, below, path)
                case Spread(name):
                    if name not in self.fragments:
                        raise QueryError(f"Fragment {name} was used, but not defined", code="undefinedFragment")
                    found |= self.selected(thing, [self.fragments[name]], path)
                case Field(alias, name):
                    found[alias] = self._field(thing, selection, [*path, alias]) if name != "__typename" else thing.type
        return found

    def _field(self, thing: Thing, asked: Field, path: list[object]) -> object:
        if asked.name not in thing.fields:
            raise QueryError(
                f"Field '{asked.name}' doesn't exist on type '{thing.type}'", code="undefinedField",
                typeName=thing.type, fieldName=asked.name,
            )  # fmt: skip
        value = thing.fields[asked.name]
        try:
            return self._value(value(asked.arguments) if callable(value) else value, asked, path)
        except FieldError as error:
            self.errors.append({"type": error.kind, "path": path, "locations": [], "message": error.message})
            return None

    def _value(self, value: Value, asked: Field, path: list[object]) -> object:
        match value:
            case None:
                return None
            case list() | tuple():
                return [self._item(item, asked, [*path, number]) for number, item in enumerate(value)]
            case Thing():
                if asked.below is None:
                    raise QueryError(f"Field must have selections (field '{asked.name}' returns {value.type})")
                return self.selected(value, asked.below, path)
            case _:
                if asked.below is not None:
                    raise QueryError(f"Selections can't be made on scalars (field '{asked.name}')")
                return value

    def _item(self, item: Value, asked: Field, path: list[object]) -> object:
        if isinstance(item, FieldError):
            self.errors.append({"type": item.kind, "path": path, "locations": [], "message": item.message})
            return None
        return self._value(item, asked, path)


@dataclass
class _Parser:
    """Reads one document; every method goes on where the last one stopped."""

    text: str
    variables: Mapping[str, object]
    tokens: list[str] = field(default_factory=list)
    fragments: dict[str, Fragment] = field(default_factory=dict)
    at: int = 0

    def __post_init__(self) -> None:
        self.tokens = [*self._split()]

    def _split(self) -> Iterator[str]:
        place = 0
        while place < len(self.text):
            found = _TOKEN.match(self.text, place)
            if found is None:
                raise QueryError(f"Parse error on {self.text[place]!r}")
            if found["token"]:
                yield found["token"]
            place = found.end()

    def operation(self, name: str | None) -> tuple[str, Sequence[Selection]]:
        """Return the kind and the selections of the operation that is to be carried out."""
        found: dict[str | None, tuple[str, Sequence[Selection]]] = {}
        while self.at < len(self.tokens):
            kind = "query" if self._peek() == "{" else self._next()
            if kind == "fragment":
                name_of_it = self._next()
                self._expect("on")
                self.fragments[name_of_it] = Fragment(self._next(), self._selections())
                continue
            if kind not in ("query", "mutation"):
                raise QueryError(f"Parse error on {kind!r}")
            mine = self._next() if self._peek() not in ("{", "(") else None
            if self._peek() == "(":
                self._declared()
            found[mine] = (kind, self._selections())
        if name is not None and name not in found:
            raise QueryError(f'No operation named "{name}"')
        if not found or (name is None and len(found) > 1):
            raise QueryError("An operation name is required")
        return found[name] if name is not None else next(iter(found.values()))

    def _declared(self) -> None:
        """Read `($id: ID!, …)`; a variable that must be there has to be sent."""
        self._expect("(")
        while self._peek() != ")":
            self._expect("$")
            name = self._next()
            self._expect(":")
            required = False
            while self._peek() not in ("$", ")", "="):
                required = self._next() == "!"
            if self._peek() == "=":
                self._next()
                self.variables = {name: self._value(), **self.variables}
            elif required and self.variables.get(name) is None:
                raise QueryError(f"Variable ${name} was provided invalid value")
        self._expect(")")

    def _selections(self) -> Sequence[Selection]:
        self._expect("{")
        found: list[Selection] = []
        while self._peek() != "}":
            found.append(self._selection())
        self._expect("}")
        return found

    def _selection(self) -> Selection:
        name = self._next()
        if name == "...":
            on = None
            if self._peek() == "on":
                self._next()
                on = self._next()
            elif self._peek() != "{":
                return Spread(self._next())
            return Fragment(on, self._selections())
        alias = name
        if self._peek() == ":":
            self._next()
            name = self._next()
        arguments = self._arguments() if self._peek() == "(" else {}
        return Field(alias, name, arguments, self._selections() if self._peek() == "{" else None)

    def _arguments(self) -> dict[str, object]:
        found: dict[str, object] = {}
        self._expect("(")
        while self._peek() != ")":
            name = self._next()
            self._expect(":")
            found[name] = self._value()
        self._expect(")")
        return found

    def _value(self) -> object:
        token = self._next()
        match token:
            case "$":
                return self.variables.get(self._next())
            case "[":
                items = []
                while self._peek() != "]":
                    items.append(self._value())
                self._next()
                return items
            case "{":
                found: dict[str, object] = {}
                while self._peek() != "}":
                    name = self._next()
                    self._expect(":")
                    found[name] = self._value()
                self._next()
                return found
            case "true" | "false" | "null":
                return {"true": True, "false": False, "null": None}[token]
        if token.startswith('"'):
            return token[1:-1].encode().decode("unicode_escape")
        return int(token) if token.lstrip("-").isdigit() else token

    def _peek(self) -> str:
        if self.at >= len(self.tokens):
            raise QueryError("Unexpected end of document")
        return self.tokens[self.at]

    def _next(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1] if self.at <= len(self.tokens) else self._peek()

    def _expect(self, token: str) -> None:
        if self._next() != token:
            raise QueryError(f'Expected "{token}", actual: {self.tokens[self.at - 1]!r}')
