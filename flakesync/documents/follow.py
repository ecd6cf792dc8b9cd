"""The answer of `flakesync follow`: what flake.nix files should follow, and what they should not and why."""

from typing import Literal

import msgspec

FollowOp = Literal["add", "replace", "remove"]

FollowLeft = Literal[
    "other-ref", "kept", "held", "depth", "flake-flag", "rev", "dangling", "cycle", "not-static", "lock-behind"
]
"""Why an input stays as it is."""


class NodeCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many nodes a lock has, its root among them, before all edits and after them."""

    before: int
    after: int


class FollowEdit(msgspec.Struct, frozen=True, kw_only=True):
    """One edit of a flake.nix.

    follows: the input path that the input is to follow; null for `remove`. line, column: in the file as it is, from 1,
    columns in bytes. nodes_saved: by the time that the edits before it are made. pin: whose input is followed; null for
    `remove`. by_sync: whether the manifest lets sync write it.
    """

    op: FollowOp
    input: str
    follows: str | None
    line: int
    column: int
    nodes_saved: int
    reason: str
    pin: str | None
    by_sync: bool


class LeftInput(msgspec.Struct, frozen=True, kw_only=True):
    """An input that no edit is for.

    pin: whose input it could follow. write: the line that only a person can write, or take out of the file; line,
    column: the place of flake.nix that is in the way. Each null where there is none.
    """

    input: str
    why: FollowLeft
    detail: str
    pin: str | None
    write: str | None
    line: int | None
    column: int | None


class FlakeFollowsDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be said of one flake. file: its flake.nix."""

    repo: str
    flake: str
    file: str
    nodes: NodeCounts
    edits: list[FollowEdit]
    left: list[LeftInput]


class FollowDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `flakesync follow`: the flakes of which there is anything to say, by repo."""

    schema: Literal["flakesync/follow/1"] = "flakesync/follow/1"
    repos: list[FlakeFollowsDocument]


DOCUMENT = FollowDocument
