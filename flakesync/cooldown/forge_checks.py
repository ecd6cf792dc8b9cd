"""What forges say of the checks of a commit; what will not change any more is kept, and not asked for again."""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from flakesync.cache.expiry import read_used
from flakesync.cache.keep import keep
from flakesync.cache.layout import checks_file
from flakesync.cooldown.model import DAY_S, ChecksOf, CommitChecks
from flakesync.errors import FlakesyncError, plain
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.terms import Rev

if TYPE_CHECKING:
    from flakesync.forge.model import Check
    from flakesync.nix.reference.identity import Identity
    from flakesync.workspace.hosts import Hosts

_WORST_FIRST: tuple[ChecksOf, ...] = ("failed", "pending", "unknown", "passed", "none")
_LONGEST_NAME = 200


class _Kept(msgspec.Struct, frozen=True):
    """asked: when, seconds since the epoch."""

    asked: int
    by_name: Mapping[str, ChecksOf]

    def is_final(self, now: int) -> bool:
        """Whether the forge need not be asked again: all have ended, and none failed, or failed today.

        A check that failed can be run once more. The rest of the day it is believed, so that a rerun decides the same.
        """
        states = set(self.by_name.values())
        if not states or "pending" in states:
            return False
        return "failed" not in states or self.asked // DAY_S == now // DAY_S


def checks_of(reference: FlakeRef, rev: Rev, hosts: "Hosts | None", cache: Path) -> CommitChecks:
    """Return the checks of a commit of a source. hosts: how its forge is asked; None: what was kept is all there is.

    Raises: FlakesyncError(`interrupted`).
    """
    identity = reference.identity
    if identity is None or not identity.host:
        return CommitChecks({}, f"{plain(reference.to_url())} is on no forge, where checks could be asked for")
    place = checks_file(cache, identity.host, identity.path, rev)
    kept, now = _read(place), int(time.time())
    if kept is not None and kept.is_final(now):
        return CommitChecks(kept.by_name)
    if hosts is None:
        return CommitChecks({}, f"{identity.host} is not asked for checks (`--offline`)")
    if hosts.mirrors.has(identity):
        return CommitChecks({}, f"{identity} has a mirror ([mirrors]), which does not tell of checks")
    try:
        found = _ask(identity, rev, hosts)
    except FlakesyncError as error:
        if error.code == "interrupted":
            raise
        from flakesync.forge.refusals import reason_of

        return CommitChecks({}, f"{identity.host}: {reason_of(error, identity.host)}")
    if found is None:
        words = "is no forge that flakesync knows of (`[forges]` in the manifest says what it is)"
        return CommitChecks({}, f"{identity.host} {words}")
    kept = _Kept(now, _by_name(found))
    if kept.is_final(now):
        keep(place, msgspec.json.encode(kept))
    return CommitChecks(kept.by_name)


def _ask(identity: "Identity", rev: Rev, hosts: "Hosts") -> "Iterable[Check] | None":
    """Raises: FlakesyncError."""
    from flakesync.forge.model import Project
    from flakesync.forge.readers import reader_of

    forge = reader_of(hosts, identity.host)
    return forge.commit_checks(Project(identity.host, identity.path), rev) if forge is not None else None


def _by_name(found: "Iterable[Check]") -> dict[str, ChecksOf]:
    """Return each name's state: of several checks with one name the worst."""
    by_name: dict[str, ChecksOf] = {}
    for each in found:
        name = " ".join(plain(each.name).split())[:_LONGEST_NAME]
        state: ChecksOf = each.state if each.decides else "none"
        by_name[name] = min(by_name.get(name, state), state, key=_WORST_FIRST.index)
    return dict(sorted(by_name.items()))


def _read(place: Path) -> _Kept | None:
    try:
        return msgspec.json.decode(read_used(place), type=_Kept)
    except (OSError, ValueError):
        return None
