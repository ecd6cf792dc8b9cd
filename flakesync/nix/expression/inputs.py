"""The inputs of a flake.nix, read without evaluating anything (`parseFlakeInput` in `src/libflake/flake.cc` of Nix).

The answer is exact or it is NotStatic. What Nix would have to evaluate, what Nix refuses, and what its versions read
differently are all NotStatic, with the place and the reason: nothing is guessed, and no inputs are returned for a flake
that Nix refuses.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from flakesync.errors import FlakeRefError, plain
from flakesync.nix.expression.literals import (
    Document,
    Entry,
    Group,
    NotLiteralError,
    Opaque,
    read_document,
    string_value,
    text_of,
    unwrap,
    without_comments,
)
from flakesync.nix.expression.static_checks import check_expression, formal_names
from flakesync.nix.program.portability import ambiguous, is_portable
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.terms import InputPath

if TYPE_CHECKING:
    from tree_sitter import Node

_ID = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]*", re.ASCII)
_PATH = re.compile(r"[a-zA-Z0-9._+-]+(?:/[a-zA-Z0-9._+-]+)+")
_TOP = ("description", "inputs", "outputs", "nixConfig")
_SELF_ATTRS = frozenset({"submodules", "lfs"})
_DEEPEST = 64
_MOST_RELATED = 100
"""After so many settings none is looked for among them: for each that is, the file is searched."""
_LITERAL = frozenset({"description", "inputs", "nixConfig"})


class InputSpec(msgspec.Struct, frozen=True):
    """What a flake says about one of its inputs, or, nested in another's `inputs`, about an input of that input.

    ref: the reference in canonical attributes, as every Nix from 2.26 on writes it as `original`; `indirect` for a
    top-level input that names none. None: the input follows another, or it is a nested override that names neither
    (there may be more below it; Nix up to 2.29 takes such a one for `indirect`).
    follows: the input path it follows, relative to this flake, `()` for the flake itself; None: it follows none.
    Never both. flake: False for `flake = false`. inputs: overrides of the inputs of this input, by name.
    relative: `ref` is a path relative to this flake's folder (Nix before 2.26 makes a store path of it).
    portable: every Nix since 2.8 reads and writes `ref` to the letter as it is here; False: older ones may not.
    line, column: where flake.nix speaks of it, counted from 1 (columns in bytes); the formal of `outputs` for an
    input that is named there only.
    """

    ref: FlakeRef | None
    follows: InputPath | None
    flake: bool
    inputs: Mapping[str, "InputSpec"]
    relative: bool
    portable: bool
    line: int
    column: int


class FlakeInputs(msgspec.Struct, frozen=True):
    """The inputs of a flake by name, those that only `outputs` asks for among them (never `self`); in no order.

    self_attrs: how the flake itself wants to be fetched (`inputs.self.submodules`, `inputs.self.lfs`), as Nix reads it
    from 2.27 on; earlier ones refuse a flake that has any.
    """

    inputs: Mapping[str, InputSpec]
    self_attrs: Mapping[str, bool] = msgspec.field(default_factory=dict)


class NotStatic(msgspec.Struct, frozen=True):
    """Why the inputs of a flake.nix cannot be told without Nix. line, column: counted from 1, columns in bytes."""

    line: int
    column: int
    reason: str


# A repo's flake.nix is the same over many commits of it, and an audit reads it again where others have locked these.
@lru_cache(maxsize=1 << 12)
def read_inputs(source: bytes, *, file: str = "flake.nix") -> FlakeInputs | NotStatic:
    """Return the inputs of the flake.nix in `source`; `file` is its name in reasons. Raises nothing."""
    try:
        return parse_inputs(source)[1]
    except RecursionError:
        return NotStatic(1, 1, f"{file}: nested too deeply")
    except NotLiteralError as stop:
        return NotStatic(
            stop.row + 1, stop.column + 1, f"{file}:{stop.row + 1}:{stop.column + 1}: {plain(stop.reason)}"
        )


# Who edits a file has read it, and who has edited it reads it again. Few: a tree is many times as large as its file.
@lru_cache(maxsize=4)
def parse_inputs(source: bytes) -> tuple[Document, FlakeInputs]:
    """Return the syntax tree of a flake.nix with its inputs.

    Raises: NotLiteralError, RecursionError: they cannot be told without Nix.
    """
    document = read_document(source, _LITERAL.__contains__)
    return document, _read(document)


def _read(document: Document) -> FlakeInputs:
    top = document.top.entries
    if document.shadowed:
        raise NotLiteralError((0, 0), "a `rec` set may give `true` and `false` another meaning")
    for name, entry in top.items():
        if name not in _TOP:
            raise NotLiteralError(entry.name, f"a flake has no attribute {name!r}")
    description = top.get("description")
    if description is not None and not isinstance(description.value, str):
        raise NotLiteralError(description.name, "the description is not a string literal")
    if "nixConfig" in top:
        _check_config(top["nixConfig"])
    inputs = _specs(top["inputs"]) if "inputs" in top else {}
    outputs = top.get("outputs")
    if outputs is None:
        raise NotLiteralError((0, 0), "the flake has no outputs")
    if not isinstance(outputs.value, Opaque) or outputs.value.node.type != "function_expression":
        raise NotLiteralError(outputs.name, "the outputs are not a function")
    check_expression(outputs.value.node, top if document.top.recursive else ())
    own = _self_attrs(top["inputs"]) if "inputs" in top else {}
    return FlakeInputs({**_asked_for(outputs.value.node), **inputs}, own)


def _asked_for(function: "Node") -> dict[str, InputSpec]:
    """Return the inputs that a function of outputs takes by name."""
    specs = {}
    for child in function.named_children:
        if child.type == "formals":
            for name, node in formal_names(child).items():
                if not _ID.fullmatch(name):
                    raise NotLiteralError(node, f"{name!r} is no name for an input")
                if name != "self":
                    specs[name] = _indirect(name, node)
    return specs


def _indirect(name: str, node: "Node") -> InputSpec:
    row, column = node.start_point
    return InputSpec(FlakeRef("indirect", {"id": name}), None, True, {}, False, True, row + 1, column + 1)


def _specs(inputs: Entry, depth: int = 0) -> dict[str, InputSpec]:
    """Return the inputs in a set; depth: of how many inputs it is the overrides, 0 for the flake's own inputs."""
    if depth > _DEEPEST:
        raise NotLiteralError(inputs.name, "inputs of inputs are nested too deeply")
    if not isinstance(inputs.value, Group):
        raise NotLiteralError(inputs.name, "the inputs are not a literal set")
    found = {}
    for name, entry in inputs.value.entries.items():
        if name == "self" and depth:
            raise NotLiteralError(entry.name, "Nix versions read an input `self` differently")
        if name != "self":
            found[name] = _spec(name, entry, depth)
    return found


def _self_attrs(inputs: Entry) -> dict[str, bool]:
    """Return what the flake asks of whoever fetches it (`applySelfAttrs` in `src/libflake/flake.cc`)."""
    assert isinstance(inputs.value, Group)
    own = inputs.value.entries.get("self")
    if own is None:
        return {}
    if not isinstance(own.value, Group):
        raise NotLiteralError(own.name, "the input `self` is not a literal set")
    found = {}
    for key, attr in own.value.entries.items():
        if key not in _SELF_ATTRS or not isinstance(attr.value, bool):
            raise NotLiteralError(attr.name, f"Nix versions read `inputs.self.{key}` differently")
        found[key] = attr.value
    return found


def _spec(name: str, entry: Entry, depth: int) -> InputSpec:
    if not isinstance(entry.value, Group):
        raise NotLiteralError(entry.name, f"the input {name!r} is not a literal set")
    attrs: dict[str, str | int | bool] = {}
    inputs: Mapping[str, InputSpec] = {}
    follows: InputPath | None = None
    flake = True
    for key, attr in entry.value.entries.items():
        value = attr.value
        if key == "inputs":
            inputs = _specs(attr, depth + 1)
        elif key == "url" and isinstance(value, Opaque) and (place := _beside(value.node)) is not None:
            attrs[key] = f"path:{place}"
        elif isinstance(value, Opaque | Group):
            raise NotLiteralError(attr.name, f"{key!r} has to be evaluated")
        elif key == "flake":
            if not isinstance(value, bool):
                raise NotLiteralError(attr.name, "`flake` is neither true nor false")
            flake = value
        elif key == "follows":
            follows = _follows(value, attr)
        else:
            attrs[key] = value
    row, column = entry.name.start_point
    if follows is not None and attrs:
        raise NotLiteralError(entry.name, f"{name!r} has both `follows` and a reference")
    if follows is not None or (depth and not attrs):
        return InputSpec(None, follows, flake, inputs, False, True, row + 1, column + 1)
    ref, portable = _reference(attrs or {"type": "indirect", "id": name}, entry, flake=flake)
    relative = ref.type == "path" and not str(ref.attrs["path"]).startswith("/")
    return InputSpec(ref, None, flake, inputs, relative, portable and not relative, row + 1, column + 1)


def _beside(node: "Node") -> str | None:
    """Return the path of a flake that a path literal leads to, as Nix writes it from 2.26 on; earlier ones refuse it.

    None: it is no such path, or one that goes up and down again, which Nix may shorten by the name of its own folder.
    """
    text = text_of(node) if node.type == "path_expression" else ""
    parts = [part for part in text.split("/") if part != "."]
    up = parts.count("..")
    return (
        "/".join(parts) if parts and up in (0, len(parts)) and text.startswith(".") and _PATH.fullmatch(text) else None
    )


def _follows(value: str | int | bool, attr: Entry) -> InputPath:
    """Return the input path that a text is; as in Nix, empty parts of it are nothing ("/a" is "a")."""
    path = tuple(filter(None, value.split("/"))) if isinstance(value, str) else None
    if path is None or not all(map(_ID.fullmatch, path)):
        raise NotLiteralError(attr.name, "`follows` is no input path")
    return path


def _reference(attrs: Mapping[str, str | int | bool], entry: Entry, *, flake: bool) -> tuple[FlakeRef, bool]:
    """Return the reference of an input, and whether it is portable."""
    try:
        if "type" in attrs:
            ref = FlakeRef.from_attrs(attrs)
            portable, key = is_portable(attrs), ambiguous(attrs, ref)
        else:
            unknown = sorted(attrs.keys() - {"url"})
            url = attrs.get("url")
            if unknown or not isinstance(url, str):
                raise NotLiteralError(entry.name, f"{unknown[0] if unknown else 'url'!r} is not as it should be")
            ref, portable, key = _read_url(url, flake)
    except FlakeRefError as error:
        raise NotLiteralError(entry.name, error.message) from None
    if key is not None:
        raise NotLiteralError(entry.name, f"Nix versions read this {key} differently")
    return ref, portable


@lru_cache(maxsize=4096)
def _read_url(url: str, flake: bool) -> tuple[FlakeRef, bool, str | None]:
    """Return what a URL means, whether it is portable, and what is ambiguous in it; many flakes name the same."""
    ref = FlakeRef.parse(url, flake=flake)
    return ref, is_portable({"url": url}), ambiguous({"url": url}, ref)


def _check_config(config: Entry) -> None:
    """Check nixConfig, which Nix reads with the inputs: strings, numbers, truths, lists of strings."""
    if not isinstance(config.value, Group):
        raise NotLiteralError(config.name, "nixConfig is not a literal set")
    entries = config.value.entries
    known = entries if config.value.recursive else {}
    seen: set[str] = set()
    # In the order of the file: a setting can only be one that stands before it.
    for name in sorted(entries, key=lambda name: entries[name].name.start_byte):
        value = entries[name].value
        if isinstance(value, Group) or (
            isinstance(value, Opaque)
            and not _is_list_of_strings(value.node, known)
            and not (known and len(seen) < _MOST_RELATED and _is_earlier(value.node, entries[name].name, seen))
        ):
            raise NotLiteralError(entries[name].name, f"the setting {name!r} has to be evaluated")
        seen.add(name)


def _is_list_of_strings(node: "Node", known: Mapping[str, Entry]) -> bool:
    """Say whether a setting is a list of string literals, or of settings of a `rec` set that are such."""
    if node.type != "list_expression":
        return False
    for element in map(unwrap, without_comments(node)):
        setting = known.get(text_of(element)) if element.type == "variable_expression" else None
        if string_value(element) is None and (setting is None or not isinstance(setting.value, str)):
            return False
    return True


def _is_earlier(node: "Node", name: "Node", seen: set[str]) -> bool:
    """Say whether a setting of a `rec` set is another one that Nix has already when it comes to this one.

    Nix takes the attributes of a set in the order in which it first met their names, in this file or within itself (its
    own names have no hyphens). A setting that comes too early is a thunk, which it refuses.
    """
    own = text_of(name).encode()
    if node.type != "variable_expression" or text_of(node) not in seen or b"-" not in own:
        return False
    root = name
    while root.parent is not None:
        root = root.parent
    return root.start_byte + (root.text or b"").find(own) == name.start_byte
