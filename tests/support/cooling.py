"""Workspaces whose nixpkgs is cooled: when its tips were first seen is written into the record."""

import time
from collections.abc import Mapping
from pathlib import Path

from flakesync.cache.layout import cache_dir, seen_file
from flakesync.cooldown.model import DAY_S
from flakesync.cooldown.seen import SeenRecord, keep_seen, source_name
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.terms import Rev
from tests.support.nixspace import Space, chain, flake_nix

WEEK = {"cooldown": "7d"}


def note_seen(reference: str, days_ago: Mapping[Rev, int], place: Path | None = None) -> None:
    """Write into the record that tips of a branch were first seen so many UTC days ago.

    place: the record; None: the one in the cache directory.
    """
    parsed, now = FlakeRef.parse(reference), int(time.time())
    times = {rev: (now // DAY_S - days) * DAY_S + 60 for rev, days in days_ago.items()}
    record = SeenRecord().with_tips(source_name(parsed), parsed.ref, times)
    assert keep_seen(place or seen_file(cache_dir()), record) is None


def cooled_chain(root: Path, **conditions: object) -> Space:
    """Return a chain of two repos whose pin is cooled for a week: the manifest is written."""
    space = chain(root, 2)
    write_cooled(space, **conditions)
    return space


def write_cooled(space: Space, **conditions: object) -> Path:
    """Write the manifest of a space with a pin on nixpkgs that is cooled for a week, or as `conditions` say."""
    pin = {"source": source_of(space), **(conditions or WEEK)}
    return space.manifest(pins={"nixpkgs": pin})


def source_of(space: Space) -> str:
    """Return the source of the pin on the space's nixpkgs."""
    return f"git+{space.url('nixpkgs')}?ref=main"


def push(space: Space, note: str) -> Rev:
    """Give the space's nixpkgs a new tip."""
    return space.commit("nixpkgs", {"flake.nix": flake_nix("", note=note)})


def today() -> int:
    """Return the number of the UTC day."""
    return int(time.time()) // DAY_S
