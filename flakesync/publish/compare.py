"""The page of a forge that shows what lies between the old and the new commit of an input."""

from collections.abc import Mapping

from flakesync.errors import FlakesyncError
from flakesync.forge.hosts import Servers
from flakesync.nix.reference.flakeref import Attr, FlakeRef
from flakesync.publish.body import Link
from flakesync.terms import RepoName
from flakesync.update.content import Move, locked_of
from flakesync.workspace.model import Repo


def compare_link(move: Move, servers: Servers) -> Link | None:
    """Return the link for an input; None: it has no two commits of one repository, or lies on no known forge."""
    old, new = move.old, move.new
    if old is None or new is None or old == new:
        return None
    try:
        before, after = (FlakeRef.from_attrs(_place(locked_of(entry))) for entry in (move.before, move.after))
        if before.identity != after.identity:
            return None
        there = servers.for_repo(Repo(name=RepoName(""), url=after))
    except FlakesyncError:
        return None
    return Link("compare", there.forge.compare_url(there.project, old, new)) if there is not None else None


def _place(locked: Mapping[str, Attr]) -> dict[str, Attr]:
    """Return the attributes that say where an input is, without those that say which commit."""
    return {key: locked[key] for key in ("type", "owner", "repo", "host", "url") if key in locked}
