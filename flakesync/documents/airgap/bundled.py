"""The answer of `flakesync bundle`."""

from typing import Literal

import msgspec


class BundledCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many sources were sent, are in a base, and are made from commits of the bundle's repos."""

    new: int
    in_base: int
    from_repos: int


class UnbundledSource(msgspec.Struct, frozen=True, kw_only=True):
    """A source or a repo that could not be had.

    inputs: `repo:flake#a/b`, or the repo. code: `source-missing`, `source-differs`, `unlocked`, or that of the repo.
    """

    nar_hash: str | None
    inputs: list[str]
    code: str
    message: str
    hint: str | None = None


class Bundled(msgspec.Struct, frozen=True, kw_only=True):
    """What was sent.

    digest: of the manifest; null: the bundle is not finished, or it was a dry run. bytes: of all blobs; in a dry
    run of those that are at its place already.
    """

    schema: Literal["flakesync/bundled/1"] = "flakesync/bundled/1"
    digest: str | None
    path: str
    sources: BundledCounts
    repos: int
    bytes: int
    failed: list[UnbundledSource]


DOCUMENT = Bundled
