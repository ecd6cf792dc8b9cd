"""The answer of `flakesync seen`: the record of when branches were first seen at their commits."""

from typing import Literal

import msgspec


class SeenTipDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A commit that a branch was at. first_seen: seconds since the epoch."""

    rev: str
    first_seen: int


class SeenBranchDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One branch with its tips, the latest first.

    source: its URL without ref, rev and query. ref: null for the default branch. pins: those of the manifest that are
    at this source and ref; empty for external sources, and for what is of other workspaces.
    """

    source: str
    ref: str | None
    pins: list[str]
    tips: list[SeenTipDocument]


class SeenDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `flakesync seen`, branches by source and ref.

    file: where the record lies. imported: how many tips `--import` has added to it, or has made older.
    """

    schema: Literal["flakesync/seen/1"] = "flakesync/seen/1"
    file: str
    imported: int = 0
    branches: list[SeenBranchDocument]


DOCUMENT = SeenDocument
