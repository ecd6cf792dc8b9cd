"""What is said of the follows of one flake."""

from typing import Literal

import msgspec

from flakesync.nix.expression.edit import RemoveFollows, SetFollows
from flakesync.terms import FlakeDir, InputPath, PinName, RepoName

WhyLeft = Literal[
    "other-ref", "kept", "held", "depth", "flake-flag", "rev", "dangling", "cycle", "not-static", "lock-behind"
]


class WantedFollows(msgspec.Struct, frozen=True):
    """An edit that a flake.nix should get.

    pin: whose input is to be followed; None for an override that goes. saved: by how many nodes the lock gets smaller,
    once the edits before it are made. overrides: flake.nix leads the input elsewhere so far. reason: a phrase.
    """

    edit: SetFollows | RemoveFollows
    pin: PinName | None
    saved: int
    overrides: bool
    reason: str


class LeftFollows(msgspec.Struct, frozen=True):
    """An input that nothing is done about.

    pin: whose input it could follow; None: it is not about that. edit: what a person could do; None: nothing is to be
    done. detail: a phrase.
    """

    input: InputPath
    why: WhyLeft
    detail: str
    pin: PinName | None = None
    edit: SetFollows | RemoveFollows | None = None


class FlakeFollows(msgspec.Struct, frozen=True):
    """The follows of one flake. before, after: the nodes of its lock, the root among them, without and with edits."""

    repo: RepoName
    flake: FlakeDir
    before: int
    after: int
    wanted: tuple[WantedFollows, ...]
    left: tuple[LeftFollows, ...]
