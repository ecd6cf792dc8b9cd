"""The answer of `flakesync plan`: what moves, wave by wave, and what does not."""

from typing import Literal

import msgspec


class ChangeDocument(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """One input that moves; `to` is `{"rev": …}` or `{"update_of": repo}`."""

    flake: str
    input: str
    from_: str | None
    to: dict[Literal["rev", "update_of"], str]
    reason: str


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


class ProblemDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A repo that cannot be planned, and why."""

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


DOCUMENT = PlanDocument
