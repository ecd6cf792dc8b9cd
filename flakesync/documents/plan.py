"""The answer of `flakesync plan`: what moves, wave by wave, and what does not."""

from typing import Literal

import msgspec

InertRule = Literal["content", "cycle", "self"]
"""Why an input stays though its upstream has moved: nothing that reaches it changed; or, on an edge that runs backwards
in a cycle, and on an input that is the repo itself, only locks changed."""


class ChangeDocument(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """One input that moves; `to` is `{"rev": …}`, `{"update_of": repo}`, or of a stale lock `{"flake_nix": words}`.

    reaches: inputs of the upstream whose move is the reason; empty where there is another one.
    """

    flake: str
    input: str
    from_: str | None
    to: dict[Literal["rev", "update_of", "flake_nix"], str]
    reason: str
    reaches: list[str] = []


class RepoPlanDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The changes of one repo."""

    repo: str
    changes: list[ChangeDocument]


class StaysDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One input that does not move, and why."""

    repo: str
    flake: str
    input: str
    locked_rev: str | None
    reason: str


class InertDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One input that stays, as nothing that its upstream moved reaches it. moved: those inputs of the upstream.

    behind: commits between locked_rev and tip_rev; 0: it is the upstream's update of this run that does not reach it.
    """

    repo: str
    flake: str
    input: str
    upstream: str
    locked_rev: str
    tip_rev: str
    behind: int
    moved: list[str]
    rule: InertRule


class ProblemDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A repo that cannot be planned, or one flake of it whose others can, and why."""

    repo: str
    detail: str


class PlanDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `flakesync plan`."""

    schema: Literal["flakesync/plan/1"] = "flakesync/plan/1"
    waves: list[list[RepoPlanDocument]]
    unchanged: list[str]
    held: list[StaysDocument]
    deferred: list[StaysDocument]
    problems: list[ProblemDocument]
    inert: list[InertDocument] = []


DOCUMENT = PlanDocument
