"""The answer of `flakesync inputs`: every locked copy of a source."""

from typing import Literal

import msgspec


class CopyDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One node of one lock.

    input: the path that leads to it. ref: what it tracks, null: the default branch. rev null: the lock names no commit.
    last_modified: seconds since the epoch. followed_by: the other input paths of this lock that lead to the same node.
    """

    repo: str
    flake: str
    input: str
    ref: str | None
    rev: str | None
    last_modified: int | None
    followed_by: list[str]


class SourceDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One repository, as host and path, with every copy of it by repo, flake and input."""

    source: str
    copies: list[CopyDocument]


class InputsDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `flakesync inputs`, sources in the order of their names."""

    schema: Literal["flakesync/inputs/1"] = "flakesync/inputs/1"
    sources: list[SourceDocument]


DOCUMENT = InputsDocument
