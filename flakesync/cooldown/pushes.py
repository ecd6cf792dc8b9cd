"""What the forge of a branch has recorded of its moves, as evidence of when its commits came to it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from flakesync.errors import INTERRUPTED, FlakesyncError
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.terms import Rev

if TYPE_CHECKING:
    from flakesync.workspace.hosts import Hosts

_HEADS = "refs/heads/"


class PushEvidence(msgspec.Struct, frozen=True):
    """When a branch came to its commits, by its forge: seconds since the epoch, newest first, none above the tip.

    proven: the tip, and those that are in its history by the forge's own word. note: why the forge could not tell.
    """

    times: Mapping[Rev, int] = {}
    proven: frozenset[Rev] = frozenset()
    note: str | None = None


def read_pushes(reference: FlakeRef, tip: Rev, hosts: "Hosts", *, since: int, now: int) -> PushEvidence:
    """Return what the forge of a branch has recorded back to `since`; nothing, where no forge is known at its host.

    tip: where the branch is; what came after it is for the next run. A forge that refuses, is not there, limits us or
    wants a token is no error: there is other evidence. Times are no later than `now`.

    Raises: FlakesyncError(`interrupted`).
    """
    from flakesync.forge.model import Project
    from flakesync.forge.readers import reader_of
    from flakesync.forge.refusals import reason_of

    identity = reference.identity
    # When a mirror was brought up to date says nothing of when the branch was at a commit.
    if identity is None or not identity.host or hosts.mirrors.has(identity):
        return PushEvidence()
    try:
        forge = reader_of(hosts, identity.host)
        branch = _branch(reference, hosts) if forge is not None else None
        if forge is None or branch is None:
            return PushEvidence()
        pushes = forge.pushes(Project(identity.host, identity.path), branch, since=since)
    except FlakesyncError as error:
        if error.code in INTERRUPTED:
            raise
        return PushEvidence(note=f"{identity.host} does not tell of pushes ({reason_of(error, identity.host)})")
    start = next((place for place, each in enumerate(pushes) if each.rev == tip), None)
    times: dict[Rev, int] = {}
    proven = {tip}
    is_proven = start is not None
    for each in pushes[start or 0 :]:
        times[each.rev] = min(each.time, times.get(each.rev, now))
        if is_proven:
            proven.add(each.rev)
            is_proven = each.is_forward
    return PushEvidence(times, frozenset(proven))


def _branch(reference: FlakeRef, hosts: "Hosts") -> str | None:
    """Return the branch of a reference; None: it names something else. Raises: FlakesyncError."""
    from flakesync.git.remotes.remote import list_refs

    ref = reference.ref
    if ref is None or ref == "HEAD":
        url = reference.git_url()
        if url is None:
            return None
        ref = list_refs(hosts.remote(url), ["HEAD"], symbolic=True).get("HEAD@")
        return ref.removeprefix(_HEADS) if ref is not None and ref.startswith(_HEADS) else None
    if ref.startswith("refs/"):
        return ref.removeprefix(_HEADS) if ref.startswith(_HEADS) else None
    return ref
