"""The answer of `flakesync plan`: what moves, wave by wave, and what does not."""

from typing import Literal

import msgspec

from flakesync.documents.cooldown.choice import PinChoice

InertRule = Literal["content", "cycle", "self"]
"""Why an input stays though its upstream has moved: nothing that reaches it changed; or, on an edge that runs backwards
in a cycle, and on an input that is the repo itself, only locks changed."""


class EditDocument(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """What is written into a flake.nix with a change. file: in the repo. line: of the file before, from 1.

    from, to: the texts there, or of a reference the names of its branches.
    """

    file: str
    line: int
    from_: str
    to: str


class ChangeDocument(msgspec.Struct, frozen=True, kw_only=True, gc=False, rename={"from_": "from"}):
    """One input that moves; `to` is `{"rev": …}`, `{"update_of": repo}`, or of a stale lock `{"flake_nix": words}`.

    reaches: inputs of the upstream whose move is the reason; empty where there is another one. edit: what is written
    into flake.nix with it; null: flake.nix stays.
    """

    flake: str
    input: str
    from_: str | None
    to: dict[Literal["rev", "update_of", "flake_nix"], str]
    reason: str
    reaches: list[str] = []
    edit: EditDocument | None = None


class RepoPlanDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The changes of one repo."""

    repo: str
    changes: list[ChangeDocument]


class StaysDocument(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One input that does not move, and why."""

    repo: str
    flake: str
    input: str
    locked_rev: str | None
    reason: str


class InertDocument(msgspec.Struct, frozen=True, kw_only=True, gc=False):
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
    """The answer of `flakesync plan`. pins: those, and external sources, whose newest commit has to be proven first."""

    schema: Literal["flakesync/plan/1"] = "flakesync/plan/1"
    waves: list[list[RepoPlanDocument]]
    unchanged: list[str]
    held: list[StaysDocument]
    deferred: list[StaysDocument]
    problems: list[ProblemDocument]
    inert: list[InertDocument] = []
    pins: list[PinChoice] = []


DOCUMENT = PlanDocument
