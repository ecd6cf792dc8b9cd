"""The part of a reference's text that names a branch, so that another one can take its place to the letter.

Of an archive's address that is what its forge, the channels or FlakeHub make of it; Nix itself sees no branch there.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from flakesync.errors import FlakeRefError
from flakesync.nix.expression.layout import Splice
from flakesync.nix.expression.literals import NotLiteralError, string_value, text_of
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.nix.reference.input_schemes import FORGES
from flakesync.nix.reference.url import decode, parse_url

if TYPE_CHECKING:
    from tree_sitter import Node

_HEADS = "refs/heads/"
_ARCHIVES = frozenset({"tarball", "file"})
_SAFE = "@*+:,=~"
_PARTS = re.compile(r"[^/]+")
_ENDING = re.compile(r"\.(?:tar(?:\.(?:gz|xz|bz2|zst))?|tgz|zip)\Z")
_BEFORE_REF = frozenset({"archive", "tarball", "zipball", "get", "tar.gz", "zip", "legacy.tar.gz", "legacy.zip"})
"""The part of an address after which forges name a branch, after owner and repository."""
_FLAKEHUB = re.compile(r"(?:api\.)?flakehub\.com", re.IGNORECASE)
_CHANNEL_FILE = re.compile(r"nixexprs\.tar\.\w+")
_ESCAPE = re.compile(r"\\?.", re.DOTALL)


class Span(msgspec.Struct, frozen=True):
    """A part of a text. value: what it stands for, without percent escapes."""

    start: int
    end: int
    value: str


def change_reference(
    literal: "Node", ref: FlakeRef, old: str, new: str, *, is_ref: bool
) -> tuple[Splice, FlakeRef] | None:
    """Return the splice that makes a reference name the branch `new` and not `old`, and the reference with it.

    literal: where it is written; is_ref: that is the branch alone (`ref = "main"`), not all of it in URL form. None:
    it names `new` already.

    Raises: NotLiteralError: it names another branch, or none, or is fixed to a commit.
    """
    if ref.rev is not None:
        raise NotLiteralError(literal, "the reference is fixed to a commit")
    text = string_value(literal) or ""
    spans = [Span(0, len(text), text)] if is_ref else list(find_ref(text, ref.type))
    if not spans:
        raise NotLiteralError(literal, "the reference names no branch")
    named = spans[0].value
    # A full name stays a full one.
    head = _HEADS if named.startswith(_HEADS) and not old.startswith(_HEADS) else ""
    if named == head + new:
        return None
    if named != head + old:
        raise NotLiteralError(literal, f"the reference names {named!r}, not {old!r}")
    places = literal_places(literal)
    whole = _with_ref(text, spans, head + new, is_ref=is_ref)
    begin, end = spans[0].start, spans[-1].end
    if not places:
        raise NotLiteralError(literal, "the reference is a text of several lines")
    # Needs no escapes: a branch with what has to be escaped is none that Nix takes, and then the file is not read back.
    inside = whole[begin : len(whole) - (len(text) - end)]
    return _splice(literal, places[begin], places[end], inside), _expected(ref, head + new)


def _with_ref(text: str, spans: "list[Span]", new: str, *, is_ref: bool) -> str:
    """Return a text with another branch; in the second place, a file's name, its slashes are hyphens."""
    if is_ref:
        return new
    for span, name in list(zip(spans, (new, new.replace("/", "-")), strict=False))[::-1]:
        text = text[: span.start] + encoded(name, text[span.start : span.end]) + text[span.end :]
    return text


def _splice(node: "Node", start: int, end: int, text: str) -> Splice:
    """Return the splice for characters of a node."""
    written = text_of(node)
    begin = node.start_byte + len(written[:start].encode())
    return Splice(begin, begin + len(written[start:end].encode()), text.encode())


def _expected(ref: FlakeRef, new: str) -> FlakeRef:
    attrs = ref.to_attrs()
    if ref.type in _ARCHIVES:
        url = str(attrs["url"])
        changed = _with_ref(url, list(find_ref(url, ref.type)), new, is_ref=False)
        attrs["url"] = str(parse_url(changed))
    else:
        attrs["ref"] = new
    try:
        return FlakeRef.from_attrs(attrs)
    except FlakeRefError:
        return ref  # not what is read back, which refuses the branch as well


def find_ref(text: str, type_: str) -> Iterator[Span]:
    """Give the parts of a reference of some type, in URL form, that name its branch; most have one of them.

    A GitLab archive names it a second time as part of a file's name, where its slashes are hyphens.
    """
    path, question, query = text.partition("#")[0].partition("?")
    if type_ in _ARCHIVES:
        yield from _of_archive(path)
        return
    at = len(path) + len(question)
    for pair in query.split("&"):
        key, equals, value = pair.partition("=")
        if decode(key) == "ref" and equals:
            yield Span(at + len(pair) - len(value), at + len(pair), decode(value))
            return
        at += len(pair) + 1
    if type_ == "indirect":
        yield from _parts(path.removeprefix("flake:"), len(path) - len(path.removeprefix("flake:")))[1:2]
    elif type_ in FORGES and (parts := _parts(path.partition(":")[2], len(path.partition(":")[0]) + 1)[2:]):
        yield _joined(parts)


def _parts(path: str, start: int) -> list[Span]:
    """Return what is between the slashes of a path that begins at `start`."""
    return [Span(start + part.start(), start + part.end(), decode(part[0])) for part in _PARTS.finditer(path)]


def _joined(parts: list[Span]) -> Span:
    return Span(parts[0].start, parts[-1].end, "/".join(part.value for part in parts))


def _without_ending(part: Span) -> Span:
    found = _ENDING.search(part.value)
    # What stands for an ending is never escaped by anybody; if it is, the lengths differ and the place is not found.
    return part if found is None else Span(part.start, part.end - len(found[0]), part.value[: found.start()])


def _of_archive(path: str) -> Iterator[Span]:
    scheme, _, rest = path.partition("://")
    host, *parts = _parts(rest, len(scheme) + 3) or [Span(0, 0, "")]
    values = [part.value for part in parts]
    if _FLAKEHUB.fullmatch(host.value):
        if len(parts) == 4 and values[0] == "f":
            yield _without_ending(parts[3])
        return
    if len(parts) > 1 and _CHANNEL_FILE.fullmatch(values[-1]):
        yield parts[-2]
        return
    marks = [at for at, value in enumerate(values) if value in _BEFORE_REF and at > 1]
    if not marks or not (named := parts[marks[0] + 1 :]):
        return
    if values[marks[0] - 1] == "-" and len(named) > 1:
        *named, file = named
        yield _joined(named)
        tail = "-" + _joined(named).value.replace("/", "-")
        name = _without_ending(file)
        if name.value.endswith(tail) and name.end - name.start == len(name.value):
            yield Span(name.end - len(tail) + 1, name.end, tail[1:])
        return
    yield _joined([*named[:-1], _without_ending(named[-1])])


def encoded(ref: str, before: str) -> str:
    """Return a branch as part of a URL; before: what stood there, whose way to write a slash is kept."""
    return quote(ref, safe=_SAFE if "%2f" in before.lower() else _SAFE + "/")


def literal_places(node: "Node") -> list[int]:
    """Return for each character of a string literal's value, and for its end, the place in the text of `node`.

    Empty: they do not follow each other there, as in a text of several lines.
    """
    value, text = string_value(node) or "", text_of(node)
    if node.type == "string_expression":
        # A backslash and what it stands before are one character.
        return [1 + found.start() for found in _ESCAPE.finditer(text[1:-1])] + [len(text) - 1]
    start = text.find(value)
    return list(range(start, start + len(value) + 1)) if start >= 0 and value else []
