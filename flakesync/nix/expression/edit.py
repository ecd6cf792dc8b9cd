"""Edits of a flake.nix by byte range: what flake.nix says of an input changes, and every other byte stays."""

from collections.abc import Sequence

import msgspec

from flakesync.terms import InputPath


class SetFollows(msgspec.Struct, frozen=True, tag="follows"):
    """An input of an input (`lib/nixpkgs`, two names or more) is to follow another input of the flake."""

    input: InputPath
    follows: InputPath


class RemoveFollows(msgspec.Struct, frozen=True, tag="remove"):
    """What the flake says an input of an input follows is to go."""

    input: InputPath


class SetRef(msgspec.Struct, frozen=True, tag="ref"):
    """The reference of an input of the flake's own is to name another branch, in whichever form it stands.

    old, new: names of branches; of a channel's or FlakeHub's address the part of it that stands for one.
    """

    input: InputPath
    old: str
    new: str


Edit = SetFollows | RemoveFollows | SetRef


class Place(msgspec.Struct, frozen=True):
    """Where an edit was made: line and column, from 1 (columns in bytes), in the file before, and the texts there."""

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


def edit_inputs(source: bytes, edits: Sequence[Edit]) -> Edited:
    """Return `source` with `edits` made, one after the other.

    The result is read back: its inputs are those of `source` with just these changes, and all bytes outside the edited
    places are the same. An edit that is made already changes nothing.

    Raises: CannotEditError: the inputs are not literal, or the edit cannot be expressed where they stand.
    """
    raise NotImplementedError
