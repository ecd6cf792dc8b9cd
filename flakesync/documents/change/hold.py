"""The answer of `flakesync hold`: which inputs stay where they are, and until when."""

from typing import Literal

import msgspec

HoldKind = Literal["until", "for-ever", "checks"]
"""Who holds: a `[[hold]]` of the manifest, the key `hold` of a repo, or sync, as checks fail."""


class HoldDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One hold. flake: null: of every flake of the repo. input: a path, or a glob on paths.

    until: the last day on which it holds, in UTC; null: there is none. days_left: from today to that day, 0 on it and
    below 0 after it. reason: null for what is held for ever.
    """

    kind: HoldKind
    repo: str
    flake: str | None
    input: str
    until: str | None
    days_left: int | None
    reason: str | None


class HoldsDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `flakesync hold`, in the order of the repos in the manifest.

    written: what the command did to the manifest; null: it was not asked to do anything. changed: the holds that this
    is about, as they are now, or were when they were released.
    """

    schema: Literal["flakesync/hold/1"] = "flakesync/hold/1"
    written: Literal["added", "changed", "released", "unchanged"] | None = None
    changed: list[HoldDocument] = []
    holds: list[HoldDocument]


DOCUMENT = HoldsDocument
