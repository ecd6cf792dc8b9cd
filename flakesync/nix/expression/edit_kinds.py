"""The edits of a flake.nix that there are. Apart from what makes them, as every command knows them and few make any."""

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
