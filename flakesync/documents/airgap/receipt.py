"""The receipt of an import: what the receiver has, for the `--base` of the next bundle."""

from typing import Literal

import msgspec


class ReceiptRepo(msgspec.Struct, frozen=True, kw_only=True):
    """One repo on the receiver's side, and the commits that its branches are at."""

    name: str
    tips: list[str]


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What the receiver has. bundles: digests of the manifests that were imported. sources: narHashes (SRI), sorted."""

    schema: Literal["flakesync/receipt/1"] = "flakesync/receipt/1"
    bundles: list[str]
    sources: list[str]
    repos: list[ReceiptRepo]


DOCUMENT = Receipt
