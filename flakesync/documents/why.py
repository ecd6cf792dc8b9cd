"""The answer of `flakesync why`: for each input of a repo, what becomes of it and the chain that leads there."""

from typing import Literal

import msgspec

Fate = Literal["moves", "waits", "held", "inert", "in-step"]
"""moves: to a commit that is known. waits: it takes the update that its upstream gets in the same run. held: it should
move and does not. inert: its upstream moved, but nothing of that reaches it. in-step: it is where it should be."""


class ReasonDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Why one input does what it does.

    to_rev: null where it stays, or the commit is the upstream's update. pin, upstream: what governs it, or the repo of
    the workspace that it is. moved: for `inert`, what its upstream moved. reaches: those of the upstream's inputs that
    are why it moves. because: for `waits`, why these move, down to pins, commits of upstreams and external sources.
    """

    repo: str
    flake: str
    input: str
    fate: Fate
    reason: str
    locked_rev: str | None
    to_rev: str | None
    pin: str | None
    upstream: str | None
    moved: list[str]
    reaches: list[str]
    because: list["ReasonDocument"]


class WhyDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `flakesync why`, reasons by flake and input. problems: why flakes of the repo cannot be planned."""

    schema: Literal["flakesync/why/1"] = "flakesync/why/1"
    repo: str
    reasons: list[ReasonDocument]
    problems: list[str]


DOCUMENT = WhyDocument
