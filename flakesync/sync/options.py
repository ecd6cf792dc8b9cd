"""What a person wishes of a run: one record for sync and land."""

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from flakesync.sync.lockers.auto import LockerChoice

TIMEOUT_S = 3600.0
"""How long `land --wait` waits by default."""


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How a landing waits. wait: whether at all. timeout_s: how long in all. sleep, clock: seconds."""

    wait: bool = False
    timeout_s: float = TIMEOUT_S
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What a person wishes of a run; how many repos at once is part of the workspace.

    cache: where mirrors are, and the lock file that keeps two runs of one workspace apart. locker: who writes the
    locks. dialect: the versions of Nix that the native locker writes like (`nix-2.8`, `lix`); None: what each
    lock shows. verify: whether Nix looks over what the native locker writes.

    Of sync alone: dry_run: commits go to throw-away repositories that borrow the objects of the real ones; nothing is
    left of them. offline: whether no server is asked, by Nix neither. Of land alone: merge: False: branches are made
    anew on what has landed, but nothing is merged. patience: how it waits.
    """

    cache: Path
    locker: LockerChoice = "auto"
    dialect: str | None = None
    verify: bool = False
    dry_run: bool = False
    offline: bool = False
    merge: bool = True
    patience: Patience = Patience()
