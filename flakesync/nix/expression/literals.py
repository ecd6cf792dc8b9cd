"""Literal Nix: what the parser of Nix holds as a plain value already, before anything is evaluated.

tree-sitter finds the shape of the text; what stands between its nodes is checked again here, because it takes more than
Nix does: other white space, a lone carriage return, an unfinished escape. Mirrors `src/libexpr/lexer.l`, `parser.y`.
"""

import re
import time
import warnings
from bisect import bisect_right
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

Literal = "str | int | bool | Group | Opaque"

_NEVER = re.compile(rb"\x00|\r(?!\n)")
_WHITE_ELSEWHERE = re.compile(
    rb"[\x0b\x0c]|\xef\xbb\xbf|\xc2[\x85\xa0]|\xe1\x9a\x80|\xe2\x80[\x80-\x8a\xa8\xa9\xaf]|\xe2\x81\x9f|\xe3\x80\x80"
)
_TURN = re.compile(rb"[,\n]|(?=\*/)")
_BLANKS = re.compile(rb"[ \t\r]*+")
# What one alternative takes no other one can, so nothing is given back (`++`, `*+`); it is asked of every string.
_STRING = re.compile(r'(?:[^$"\\]++|\$[^{"\\]|\\.|\$\\.)*+\$?', re.DOTALL)
_INDENTED = re.compile(r"(?:[^$']|\$[^{']|'[^'$])*", re.DOTALL)
URI = re.compile(r"[a-zA-Z][a-zA-Z0-9+\-.]*:[a-zA-Z0-9%/?:@&=+$,\-_.!~*']+", re.ASCII)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}
_KEYWORDS = frozenset({"assert", "else", "if", "in", "inherit", "let", "rec", "then", "with"})
_TRUTHS = frozenset({"true", "false"})
_GREATEST = 2**63 - 1
_DEEPEST = 64
_MOST_BYTES = 1 << 19
"""The largest flake.nix that is parsed: 512 KiB, several times the largest real ones."""
_SMALL_BYTES = 1 << 13
_MOST_PARSE_S = 0.5
"""Processor time for the parser, which takes the square of a chain of operators; real files take some 20 ms."""
_OWN_LIMIT = "timeout_micros"
"""A setting of tree-sitter's parser up to 0.25, of time by the clock; 0.26 has taken it out."""


class NotLiteralError(Exception):
    """What keeps a text from being read as it stands; row and column count from 0, columns in bytes."""

    def __init__(self, where: "Node | tuple[int, int]", reason: str) -> None:
        """Stop at a node, or at (row, column)."""
        super().__init__(reason)
        self.row, self.column = where if isinstance(where, tuple) else tuple(where.start_point)
        self.reason = reason


class Opaque(msgspec.Struct, frozen=True):
    """A value that is no literal; `node` is its expression, without parentheses."""

    node: "Node"


class Entry(msgspec.Struct, frozen=True):
    """An attribute of a set: its value, and the node of its name where it is first spoken of."""

    value: "str | int | bool | Group | Opaque"
    name: "Node"


class Group(msgspec.Struct, frozen=True):
    """An attribute set, several definitions of it merged as Nix merges them; recursive: the first is a `rec { }`."""

    entries: dict[str, Entry] = msgspec.field(default_factory=dict)
    recursive: bool = False


class Document(msgspec.Struct, frozen=True):
    """The attribute set of a file.

    node: its expression, without parentheses. shadowed: `true` or `false` is a value in it, and some `rec` set may give
    it another meaning.
    """

    top: Group
    node: "Node"
    shadowed: bool


def _place(source: bytes, offset: int) -> tuple[int, int]:
    return source.count(b"\n", 0, offset), offset - (source.rfind(b"\n", 0, offset) + 1)


def read_document(source: bytes, literal: Callable[[str], bool]) -> Document:
    """Return the attribute set that `source` consists of.

    literal: which of its attributes are looked into; the others, where they are one expression, stay Opaque.

    Raises: NotLiteralError.
    """
    if len(source) > _MOST_BYTES:
        raise NotLiteralError((0, 0), f"the file is larger than {_MOST_BYTES >> 10} KiB")
    odd = _NEVER.search(source)
    if odd is not None:
        raise NotLiteralError(_place(source, odd.start()), "a character that Nix and others read differently")
    try:
        source.decode()
    except UnicodeDecodeError as error:
        raise NotLiteralError(_place(source, error.start), "not UTF-8") from None
    root = _tree(source)
    _check_errors(root)
    _check_white_space(source, root)
    expressions = without_comments(root)
    if len(expressions) != 1:
        raise NotLiteralError(root, "the file is not one expression")
    top = unwrap(expressions[0])
    if top.type not in SETS:
        raise NotLiteralError(top, "the file is not an attribute set but has to be evaluated to one")
    reader = _Reader(literal)
    group = reader.group(top, 0)
    shadows = (each.recursive and not _TRUTHS.isdisjoint(each.entries) for each in reader.groups)
    return Document(group, top, reader.truths and any(shadows))


def _check_white_space(source: bytes, root: "Node") -> None:
    """Refuse white space that is none for Nix, unless it is in a comment or a string (U+3000 in a Chinese comment)."""
    # Nearly every file is plain ASCII, and seen to be that in no time.
    if source.isascii() and b"\x0b" not in source and b"\x0c" not in source:
        return
    found = list(_WHITE_ELSEWHERE.finditer(source))
    if not found:
        return
    # All of them in one walk: a node that is looked for by its place is looked for from the root on.
    texts = sorted((node.start_byte, node.end_byte) for node in _nodes(root, ("comment", "string_fragment")))
    for odd in found:
        at = bisect_right(texts, (odd.start(), len(source))) - 1
        if at < 0 or odd.end() > texts[at][1]:
            raise NotLiteralError(_place(source, odd.start()), "a character that Nix and others read differently")


def _check_errors(root: "Node") -> None:
    """Refuse a syntax error; `inherit;` and `inherit (x);`, which this grammar does not have, are none for Nix."""
    # With the kind of what each stands in: a node that is asked for its parent looks for it from the root on.
    work = [(root, "")] if root.has_error else []
    while work:
        node, around = work.pop()
        if node.is_error or (node.is_missing and around != "inherited_attrs"):
            raise NotLiteralError(node, "a syntax error")
        children = [child for child in node.children if child.has_error or child.is_missing or child.is_error]
        work += [(child, node.type) for child in reversed(children)]


def _tree(source: bytes) -> "Node":
    """Return the root of the syntax tree, without the commas at the end of formals: this grammar lacks them."""
    commas = _last_commas(source)
    root = _parse(_blanked(source, commas))
    if not commas:
        return root
    ends = sorted(end for node in _nodes(root, ("formals",)) for end in _end_of_formals(node))
    trailing = [
        comma for comma in commas if (at := bisect_right(ends, (comma, len(source)))) and comma < ends[at - 1][1]
    ]
    return root if trailing == commas else _parse(_blanked(source, trailing))


def _last_commas(source: bytes) -> list[int]:
    """Return the places of the commas that nothing but white space and comments keeps from a closing brace."""
    commas: list[int] = []
    if b"," not in source:
        return commas
    # Backwards, so that what follows a comma is known already, however many share the comments between.
    after_line = False
    ends: list[tuple[int, bool]] = []
    for place in [found.start() for found in _TURN.finditer(source)][::-1]:
        kind = source[place : place + 1]
        blanks = _BLANKS.match(source, place + (2 if kind == b"*" else 1))
        at = blanks.end() if blanks is not None else place
        ahead = source[at : at + 2]
        if ahead[:1] in (b"\n", b"#"):
            closes = after_line
        elif ahead == b"/*":
            closes = next((known for end, known in ends[:-3:-1] if end >= at + 2), False)
        else:
            closes = ahead[:1] == b"}"
        if kind == b"*":
            ends.append((place, closes))
        elif kind == b"\n":
            after_line = closes
        elif closes:
            commas.append(place)
    return commas[::-1]


def _parse(source: bytes) -> "Node":
    parser = _parser()
    try:
        # Only what is read in pieces can be stopped, but its nodes have no text: what is large is parsed twice.
        if len(source) > _SMALL_BYTES and not hasattr(type(parser), _OWN_LIMIT):
            end = time.thread_time() + _MOST_PARSE_S
            # What is called a progress callback says whether to stop.
            parser.parse(partial(_piece, source), progress_callback=lambda _offset, _failed: time.thread_time() > end)
        return parser.parse(source).root_node
    except ValueError:
        parser.reset()
        raise NotLiteralError((0, 0), "the file takes too long to parse") from None


def _piece(source: bytes, offset: int, _point: object) -> bytes:
    return source[offset : offset + _SMALL_BYTES]


def _nodes(root: "Node", kinds: tuple[str, ...]) -> Iterator["Node"]:
    """Give all nodes of some kinds, in any order."""
    work = [root]
    while work:
        node = work.pop()
        if node.type in kinds:
            yield node
        work += node.named_children


def _blanked(source: bytes, places: list[int]) -> bytes:
    text = bytearray(source)
    for place in places:
        text[place] = 0x20
    return bytes(text)


def _end_of_formals(node: "Node") -> Iterator[tuple[int, int]]:
    """Give what lies between the last formal of a function and its closing brace; nothing after an ellipsis."""
    formals = [child for child in node.named_children if child.type in ("formal", "ellipses")]
    if formals and formals[-1].type == "formal":
        yield formals[-1].end_byte, node.end_byte


SETS = frozenset({"attrset_expression", "rec_attrset_expression"})


@cache
def _parser() -> "Parser":
    import tree_sitter
    import tree_sitter_nix

    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_nix.language()))
    if hasattr(type(parser), _OWN_LIMIT):
        with warnings.catch_warnings():
            # 0.25 asks for the progress callback in its place, which crashes there.
            warnings.simplefilter("ignore", DeprecationWarning)
            setattr(parser, _OWN_LIMIT, int(_MOST_PARSE_S * 1_000_000))
    return parser


def without_comments(node: "Node") -> list["Node"]:
    """Return the named children of a node that are no comments."""
    return [child for child in node.named_children if child.type != "comment"]


def inherited_names(binding: "Node") -> list["Node"]:
    """Return the names of an `inherit`, of which there may be none at all."""
    return [part for part in without_comments(without_comments(binding)[-1]) if not part.is_missing]


def unwrap(node: "Node") -> "Node":
    """Return an expression without the parentheses around it."""
    while node.type == "parenthesized_expression":
        node = without_comments(node)[0]
    return node


def text_of(node: "Node") -> str:
    """Return the source text of a node."""
    text = node.text
    return "" if text is None else text.decode()


def static_name(node: "Node") -> str | None:
    """Return the attribute name that a part of an attribute path is; None: it has to be evaluated."""
    if node.type == "identifier":
        return identifier(node)
    if node.type == "interpolation":
        node = unwrap(without_comments(node)[0])
    return string_value(node)


def identifier(node: "Node") -> str:
    """Return the name that an identifier is. Raises: NotLiteralError for a keyword, which this grammar lets through."""
    name = text_of(node)
    if name in _KEYWORDS:
        raise NotLiteralError(node, f"`{name}` is a keyword")
    return name


def string_value(node: "Node") -> str | None:
    """Return the value of a string literal or URI; None for other expressions and for strings in several pieces."""
    match node.type:
        case "string_expression":
            inner = text_of(node)[1:-1]
            if "\r" in inner or not _STRING.fullmatch(inner):
                return None
            return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), inner) if "\\" in inner else inner
        case "indented_string_expression":
            inner = text_of(node)[2:-2]
            return None if "\r" in inner or not _INDENTED.fullmatch(inner) else _strip_indentation(inner)
        case "uri_expression":
            uri = text_of(node)
            return uri if URI.fullmatch(uri) else None
    return None


def _strip_indentation(text: str) -> str:
    """Mirror `stripIndentation` of the parser, for a string of one piece."""
    first, newline, rest = text.partition("\n")
    lines = (rest if newline and not first.strip(" ") else text).split("\n")
    depths = [len(line) - len(line.lstrip(" ")) for line in lines if line.strip(" ")]
    least = min(depths, default=len(text))
    stripped = [line[min(least, len(line) - len(line.lstrip(" "))) :] for line in lines]
    if len(lines) > 1 and not stripped[-1].strip(" "):
        stripped[-1] = ""
    return "\n".join(stripped)


class _Reader:
    """Builds groups of literals, merging as the parser of Nix does (`addAttr`)."""

    def __init__(self, literal: Callable[[str], bool]) -> None:
        self._literal = literal
        self.groups: list[Group] = []
        self.truths = False

    def group(self, node: "Node", depth: int) -> Group:
        """Return the set of a literal `{ … }`."""
        if depth > _DEEPEST:
            raise NotLiteralError(node, "sets nested too deeply")
        group = Group(recursive=node.type == "rec_attrset_expression")
        self.groups.append(group)
        for binding in statements(node):
            if binding.type == "inherit" and not inherited_names(binding):
                continue
            if binding.type != "binding":
                raise NotLiteralError(binding, "`inherit` has to be evaluated")
            path, expression = without_comments(binding)
            names = [(static_name(part), part) for part in without_comments(path)]
            self._define(group, names, unwrap(expression), depth)
        return group

    def _define(self, group: Group, path: list[tuple[str | None, "Node"]], value: "Node", depth: int) -> None:
        opaque = not depth and not self._literal(path[0][0] or "")
        for position, (name, node) in enumerate(path):
            if name is None:
                raise NotLiteralError(node, "the name of an attribute has to be evaluated")
            known = group.entries.get(name)
            if position < len(path) - 1:
                if known is None:
                    known = group.entries[name] = Entry(Group(), node)
                if not isinstance(known.value, Group):
                    raise NotLiteralError(node, f"the attribute {name!r} is defined twice")
                group = known.value
            elif known is None:
                group.entries[name] = Entry(Opaque(value) if opaque else self._value(value, depth + len(path)), node)
            else:
                self._merge(known, self._value(value, depth + len(path)), node, name)

    def _merge(self, known: Entry, value: "str | int | bool | Group | Opaque", node: "Node", name: str) -> None:
        if not isinstance(known.value, Group) or not isinstance(value, Group):
            raise NotLiteralError(node, f"the attribute {name!r} is defined twice")
        for key, entry in value.entries.items():
            if key in known.value.entries:
                raise NotLiteralError(entry.name, f"{key!r} is in two sets that Nix versions merge differently")
            known.value.entries[key] = entry

    def _value(self, node: "Node", depth: int) -> "str | int | bool | Group | Opaque":
        if node.type in SETS:
            return self.group(node, depth)
        if node.type == "variable_expression":
            name = text_of(node)
            self.truths |= name in _TRUTHS
            return name == "true" if name in _TRUTHS else Opaque(node)
        if node.type == "integer_expression":
            digits = text_of(node)
            return int(digits) if len(digits) < 20 and int(digits) <= _GREATEST else Opaque(node)
        text = string_value(node)
        return Opaque(node) if text is None else text


def statements(node: "Node") -> Iterator["Node"]:
    """Give the bindings and `inherit`s of a set, in the order of the file."""
    for child in without_comments(node):
        yield from without_comments(child)
