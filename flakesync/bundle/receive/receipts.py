"""The receipt: what is here after an import, for whoever makes the next bundle."""

from pathlib import Path

import msgspec

from flakesync.documents.airgap.imported import ImportedBranch
from flakesync.documents.airgap.manifest import BundleManifest
from flakesync.documents.airgap.receipt import Receipt, ReceiptRepo
from flakesync.nix.store.part_file import PartFile
from flakesync.nix.store.static_cache import StaticCache

NAME = "receipt.json"
"""Beside nix-cache-info; Nix does not look at it."""
_MOST_BYTES = 64 << 20


def read_receipt(file: Path) -> Receipt | None:
    """Return the receipt of the imports before; None: there is none, or it cannot be read, and counts for nothing."""
    try:
        if file.stat().st_size > _MOST_BYTES:
            return None
        return msgspec.json.decode(file.read_bytes(), type=Receipt)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def new_receipt(
    before: Receipt | None,
    manifest: BundleManifest,
    digest: str,
    cache: StaticCache,
    branches: list[ImportedBranch],
) -> Receipt:
    """Return what is here now. before: the receipt of the imports before.

    Sources count that are in the cache still, repos that this bundle has no branch of stay as they were. The bundle is
    listed only when all that it has is here.
    """
    known = {source.nar_hash for source in manifest.sources} | set(before.sources if before is not None else ())
    sources = sorted(nar_hash for nar_hash in known if _has(cache, nar_hash))
    bundles = list(before.bundles if before is not None else ())
    whole = {source.nar_hash for source in manifest.sources} <= set(sources)
    if whole and digest not in bundles and not any(branch.status == "failed" for branch in branches):
        bundles.append(digest)
    tips = {repo.name: repo.tips for repo in (before.repos if before is not None else ())}
    here: dict[str, set[str]] = {}
    for branch in branches:
        tip = branch.from_ if branch.status == "failed" else branch.to
        here.setdefault(branch.name, set()).update([tip] if tip is not None else [])
    tips |= {name: sorted(found) for name, found in here.items() if found}
    return Receipt(
        bundles=bundles, sources=sources, repos=[ReceiptRepo(name=name, tips=tips[name]) for name in sorted(tips)]
    )


def write_receipt(file: Path, receipt: Receipt) -> None:
    """Put a receipt in the place of the one before. Raises: FlakesyncError."""
    # The next import removes what is left of one that was killed.
    with PartFile(file.parent) as part:
        part.write(msgspec.json.format(msgspec.json.encode(receipt), indent=1) + b"\n")
        part.keep(file.name)


def _has(cache: StaticCache, nar_hash: str) -> bool:
    try:
        return cache.has(nar_hash)
    except ValueError:  # somebody's edit
        return False
