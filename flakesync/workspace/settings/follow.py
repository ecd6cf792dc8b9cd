"""What the manifest says of follows: what may follow a pin's input, and which Nix has to be able to read it."""

import re
from typing import Literal, cast, get_args

import msgspec

from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.workspace import references, values
from flakesync.workspace.table import Table
from flakesync.workspace.values import bad

Follow = Literal["report", "write", "off"]
"""What becomes of a follows that is missing: `follow` tells of it, sync writes it, or nobody speaks of it."""

FollowMatch = Literal["same-ref", "same-repository"]
"""Which copies of a pin's repository may follow: those of the same ref, or of any."""

NixVersion = tuple[int, ...]

OLDEST_NIX: NixVersion = (2, 8)
"""The oldest Nix that flakesync knows the behaviour of; what is written is for it where the manifest names no other."""

NIX_VERSION = re.compile(r"2\.[0-9]{1,3}(?:\.[0-9]{1,3})?")
_LIX: NixVersion = (2, 90)
"""Lix counts on from 2.90, and has branched off 2.18."""

_FOLLOWS: tuple[str, ...] = get_args(Follow)
_MATCHES: tuple[str, ...] = get_args(FollowMatch)


class FollowRules(msgspec.Struct, frozen=True, kw_only=True):
    """What may follow an input that a pin governs.

    keep: globs on input paths that have a copy of their own on purpose. stand_ins: other sources that may follow it
    too; one without a ref stands for all of its refs.
    """

    mode: Follow = "report"
    match: FollowMatch = "same-ref"
    keep: tuple[str, ...] = ()
    stand_ins: tuple[FlakeRef, ...] = ()


def read_rules(table: Table) -> FollowRules:
    """Return the rules in the table of a pin; what is wrong is noted in it."""
    return FollowRules(
        mode=cast("Follow", table.take("follow", follow, "report")),
        match=cast("FollowMatch", table.take("follow-match", _match, "same-ref")),
        keep=table.take_list("keep", values.glob, ()),
        stand_ins=table.take_list("stand-ins", references.stand_in, ()),
    )


def follow(value: object) -> str:
    """Return a Follow."""
    return values.choice(value, _FOLLOWS)


def nix_min(value: object) -> NixVersion:
    """Return a version of Nix from OLDEST_NIX on: `2.26`, `2.30.1`, or `2.91` for Lix."""
    if isinstance(value, float):
        raise bad("must be a string, not a float", "with quotes: as a number 2.30 is 2.3")
    word = values.text(value)
    if NIX_VERSION.fullmatch(word) is None:
        raise bad(f"`{word}` is no version of Nix", 'such as `nix-min = "2.26"`')
    version = tuple(map(int, word.split(".")))
    if version < OLDEST_NIX:
        raise bad(f"`{word}` is older than {show_version(OLDEST_NIX)}, the oldest that flakesync knows")
    return version


def reads_deep_overrides(nix: NixVersion) -> bool:
    """Tell whether a Nix, and all after it, read what a flake says of the inputs of an input of its input.

    Up to 2.29 it takes the input in between for a name of the registry (`parseFlakeInput` in `src/libflake/flake.cc`).
    """
    return nix >= (2, 30)


def finds_through_follows(nix: NixVersion) -> bool:
    """Tell whether a Nix, and all after it, find what a follows leads to where another follows is on the way.

    Up to 2.18 it looks among the paths of the nodes alone (`LockFile::check` and `getAllInputs`), as Lix does.
    """
    return (2, 19) <= nix < _LIX


def show_version(nix: NixVersion) -> str:
    """Return a version as it is written."""
    return ".".join(map(str, nix))


def _match(value: object) -> str:
    return values.choice(value, _MATCHES)
