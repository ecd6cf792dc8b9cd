"""The answer of `flakesync import`."""

from typing import Literal

import msgspec


class ImportedCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many sources are new in the cache, were there, and were made of commits (these are among the new ones).

    unproven: with --verify-only, those whose commits need ones that an earlier bundle had, and that are not here.
    """

    new: int
    there: int
    rebuilt: int
    unproven: int = 0


class ImportedBranch(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """One branch. from: its commit before, null: it is new."""

    name: str
    branch: str
    from_: str | None
    to: str
    status: Literal["new", "moved", "unchanged", "failed"]


class NotImported(msgspec.Struct, frozen=True, kw_only=True):
    """What could not be taken in, and why. what: a source's narHash, or `repo NAME`, with the inputs that need it."""

    what: str
    inputs: list[str]
    code: str
    message: str
    hint: str | None = None


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What was taken in, or with --verify-only (then verified is true), what could be.

    digest: of the bundle's manifest, null: a cache was verified. settings: lines that this machine's Nix needs; those
    that begin with `#` say where the others may stand. receipt: the file for the `--base` of the next bundle, null:
    none was written.
    """

    schema: Literal["flakesync/imported/1"] = "flakesync/imported/1"
    digest: str | None
    verified: bool = False
    sources: ImportedCounts
    repos: list[ImportedBranch]
    settings: list[str]
    receipt: str | None = None
    failed: list[NotImported]


DOCUMENT = Imported
