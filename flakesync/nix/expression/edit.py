"""Edits of a flake.nix by byte range: what flake.nix says of an input changes, and every other byte stays.

Nothing is printed anew. Each edit is one splice, and the file with it is read back: what it says then is what it said
before with just that edit, or the edit is refused.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

import msgspec

from flakesync.errors import plain
from flakesync.nix.expression.edit_kinds import Edit, RemoveFollows, SetFollows, SetRef
from flakesync.nix.expression.inputs import FlakeInputs, InputSpec, parse_inputs
from flakesync.nix.expression.layout import Splice, line_start, remove
from flakesync.nix.expression.literals import NotLiteralError
from flakesync.nix.expression.overrides import added_override, removed_override, replaced_override
from flakesync.nix.expression.places import Binding, attr_path, input_bindings, quoted
from flakesync.nix.expression.written_ref import change_reference
from flakesync.terms import InputPath, show_path

__all__ = ["CannotEditError", "Edit", "Edited", "Place", "RemoveFollows", "SetFollows", "SetRef", "edit_inputs"]


class Place(msgspec.Struct, frozen=True):
    """Where an edit was made: line and column, from 1 (columns in bytes), in the file before, and the texts there.

    An addition has no text before it; the text after it has the line end and the indentation that came with it.
    """

    edit: Edit
    line: int
    column: int
    before: str
    after: str


class Edited(msgspec.Struct, frozen=True):
    """A flake.nix with edits made. places: one for each edit that changed something, in the order of the edits."""

    source: bytes
    places: tuple[Place, ...]


class CannotEditError(Exception):
    """An edit cannot be made without evaluating. line, column: counted from 1, columns in bytes. reason: a phrase."""

    def __init__(self, line: int, column: int, reason: str) -> None:
        """Stop at a place of flake.nix."""
        super().__init__(reason)
        self.line, self.column, self.reason = line, column, reason


Inputs = Mapping[str, InputSpec]
_Way = tuple[Splice, Inputs]
"""A splice, and what the flake's inputs are with it."""

_OTHERWISE = "the change would say something else here"
_MOST_WAYS = 5
"""Each is read back, and others write the file: where none of these is legal, no other one will be."""
_NOTHING = InputSpec(None, None, True, {}, False, True, 0, 0)


def edit_inputs(source: bytes, edits: Sequence[Edit]) -> Edited:
    """Return `source` with `edits` made, one after the other.

    The result is read back: its inputs are those of `source` with just these changes, and all bytes outside the edited
    places are the same. An edit that is made already changes nothing.

    Raises: CannotEditError: the inputs are not literal, or the edit cannot be expressed where they stand.
    """
    done: list[Splice] = []
    places: list[Place] = []
    text = source
    try:
        flake = _Flake(source)
        for edit in edits:
            made = _make(flake, edit)
            if made is not None:
                splice, after = made
                before = flake.source[splice.start : splice.end]
                row, column = _place(source, _origin(splice.start, done))
                places.append(Place(edit, row + 1, column + 1, before.decode(), splice.text.decode()))
                done.append(splice)
                flake, text = after, after.source
    except NotLiteralError as stop:
        row, column = _place(source, _origin(_offset(text, stop.row, stop.column), done))
        raise CannotEditError(row + 1, column + 1, plain(stop.reason)) from None
    except RecursionError:
        raise CannotEditError(1, 1, "nested too deeply") from None
    return Edited(text, tuple(places))


class _Flake:
    """A flake.nix that has been read. Raises: NotLiteralError."""

    def __init__(self, source: bytes) -> None:
        self.source = source
        document, self.read = parse_inputs(source)
        self.top = document.node

    def bindings(self) -> list[Binding]:
        """Return the bindings that speak of inputs, in the order of the file."""
        return input_bindings(self.top)

    def spec(self, path: InputPath) -> InputSpec | None:
        """Return what is said of an input; None: nothing."""
        inputs: Inputs = self.read.inputs
        spec = None
        for name in path:
            spec = inputs.get(name)
            if spec is None:
                return None
            inputs = spec.inputs
        return spec


def _make(flake: _Flake, edit: Edit) -> tuple[Splice, _Flake] | None:
    """Return an edit's splice, and the file with it; None: nothing is to be changed."""
    refused: NotLiteralError | None = None
    for splice, wanted in islice(_ways(flake, edit), _MOST_WAYS):
        try:
            after = _Flake(splice.apply(flake.source))
        except NotLiteralError as stop:
            reason = f"with the change Nix could not read it: {stop.reason}"
        else:
            if _meaning(after.read) == (_bare(wanted), flake.read.self_attrs):
                return splice, after
            gone = edit.input[0] not in after.read.inputs
            reason = "nothing else is said of the input, which would be gone" if gone else _OTHERWISE
        refused = refused or NotLiteralError(_place(flake.source, splice.start), reason)
    if refused is not None:
        raise refused
    return None


def _ways(flake: _Flake, edit: Edit) -> Iterator[_Way]:
    """Give the ways to make an edit, the best first; none: it is made already. Raises: NotLiteralError."""
    match edit:
        case SetFollows():
            yield from _set_follows(flake, edit)
        case RemoveFollows():
            yield from _remove_follows(flake, edit)
        case SetRef():
            yield from _set_ref(flake, edit)


def _set_follows(flake: _Flake, edit: SetFollows) -> Iterator[_Way]:
    current = flake.spec(edit.input)
    if current is not None and current.follows == edit.follows:
        return
    owner = _require(flake, edit.input[:1])
    if len(edit.input) < 2:
        raise NotLiteralError(_of(owner), "only an input of an input can be made to follow")
    for depth in range(1, len(edit.input)):
        above = flake.spec(edit.input[:depth])
        if above is not None and above.follows is not None:
            shown = show_path(edit.input[:depth])
            raise NotLiteralError(_of(above), f"{shown!r} follows another input: nothing below it can be overridden")
    if edit.follows:
        _require(flake, edit.follows[:1])
    bindings = flake.bindings()
    if not any(binding.path[:2] == attr_path(edit.input[:1]) for binding in bindings):
        raise NotLiteralError(_of(owner), f"only the outputs name {edit.input[0]!r}: it has no place of its own")
    text = quoted(show_path(edit.follows))
    if current is None:
        wanted = _changed(flake.read.inputs, edit.input, lambda _: _following(_NOTHING, edit.follows))
        for splice in added_override(flake.source, flake.top, bindings, (*attr_path(edit.input), "follows"), text):
            yield splice, wanted
    else:
        kept = current if current.follows is not None else _NOTHING
        wanted = _changed(flake.read.inputs, edit.input, lambda _: _following(kept, edit.follows))
        yield replaced_override(bindings, attr_path(edit.input), text), wanted


def _following(spec: InputSpec, follows: InputPath) -> InputSpec:
    return msgspec.structs.replace(spec, follows=follows)


def _remove_follows(flake: _Flake, edit: RemoveFollows) -> Iterator[_Way]:
    current = flake.spec(edit.input)
    if current is None or current.follows is None:
        return
    if len(edit.input) < 2:
        raise NotLiteralError(_of(current), f"what {edit.input[0]!r} follows is all that it is")
    node = removed_override(flake.bindings(), attr_path(edit.input))
    splice = remove(flake.source, node.start_byte, node.end_byte)
    yield splice, _changed(flake.read.inputs, edit.input, lambda _: None)


def _set_ref(flake: _Flake, edit: SetRef) -> Iterator[_Way]:
    spec = _require(flake, edit.input)
    if spec.ref is None:
        raise NotLiteralError(_of(spec), f"{show_path(edit.input)!r} has no reference of its own")
    prefix = attr_path(edit.input)
    own = {each.path[-1]: each.value for each in flake.bindings() if each.path[:-1] == prefix}
    literal = own.get("ref", own.get("url"))
    if literal is None:
        raise NotLiteralError(_of(spec), f"{show_path(edit.input)!r} names no branch")
    changed = change_reference(literal, spec.ref, edit.old, edit.new, is_ref="ref" in own)
    if changed is not None:
        splice, ref = changed
        yield splice, _changed(flake.read.inputs, edit.input, lambda _: msgspec.structs.replace(spec, ref=ref))


def _require(flake: _Flake, path: InputPath) -> InputSpec:
    spec = flake.spec(path)
    if spec is None:
        place = next((each.node for each in flake.bindings()), (0, 0))
        raise NotLiteralError(place, f"the flake has no input {show_path(path)!r}")
    return spec


def _of(spec: InputSpec) -> tuple[int, int]:
    return spec.line - 1, spec.column - 1


def _changed(inputs: Inputs, path: InputPath, change: Callable[[InputSpec], InputSpec | None]) -> Inputs:
    """Return inputs with what is said of one of them changed; None: nothing is said of it any more."""
    name, below = path[0], path[1:]
    old = inputs.get(name, _NOTHING)
    new = msgspec.structs.replace(old, inputs=_changed(old.inputs, below, change)) if below else change(old)
    others = {key: spec for key, spec in inputs.items() if key != name}
    return others if new is None else {**others, name: new}


def _meaning(read: FlakeInputs) -> tuple[Inputs, Mapping[str, bool]]:
    return _bare(read.inputs), read.self_attrs


def _bare(inputs: Inputs) -> Inputs:
    """Return inputs without where they stand and what follows from the rest, and without overrides that say nothing."""
    bare = {
        name: msgspec.structs.replace(spec, inputs=_bare(spec.inputs), line=0, column=0, relative=False, portable=True)
        for name, spec in inputs.items()
    }
    return {name: spec for name, spec in bare.items() if spec != _NOTHING}


def _origin(offset: int, done: Sequence[Splice]) -> int:
    """Return where a place was before splices were made; what is in one of them was where it begins."""
    for splice in reversed(done):
        if offset >= splice.start + len(splice.text):
            offset += splice.end - splice.start - len(splice.text)
        elif offset > splice.start:
            offset = splice.start
    return offset


def _offset(source: bytes, row: int, column: int) -> int:
    start = 0
    for _ in range(row):
        start = source.index(b"\n", start) + 1
    return start + column


def _place(source: bytes, offset: int) -> tuple[int, int]:
    return source.count(b"\n", 0, offset), offset - line_start(source, offset)
