"""What a person wishes of an import."""

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from flakesync.nix.program.command import Nix


class ImportOptions(msgspec.Struct, frozen=True):
    """Where a bundle goes.

    repos: the folder of bare repositories; None: none. nix: copies the sources into its store too; roots: links that
    keep them there. store_dir: of the stores that take from the cache. names: of the repos that may come; None: all.
    """

    cache: Path
    repos: Path | None = None
    nix: "Nix | None" = None
    roots: Path | None = None
    store_dir: str = "/nix/store"
    names: frozenset[str] | None = None
