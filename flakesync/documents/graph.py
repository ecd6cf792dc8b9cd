"""The answer of `flakesync graph`: repos, edges, waves."""

from typing import Literal

import msgspec

from flakesync.terms import EdgeKind


class RepoDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One repo as it was read. url null: it is given by path only; base and rev null: a plain folder, or unreadable.

    neighbour: it was not asked for, but takes or is taken by a repo that was.
    """

    name: str
    url: str | None
    base: str | None
    rev: str | None
    flakes: list[str]
    neighbour: bool = False


class EdgeDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One input of `dependent` that is the repo `upstream`."""

    upstream: str
    dependent: str
    flake: str
    input: str
    locked_rev: str | None
    kind: EdgeKind


class GraphDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `flakesync graph`."""

    schema: Literal["flakesync/graph/1"] = "flakesync/graph/1"
    repos: list[RepoDocument]
    edges: list[EdgeDocument]
    waves: list[list[str]]
    cycles: list[list[str]]


DOCUMENT = GraphDocument
