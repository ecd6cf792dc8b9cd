"""Globs on sources, as `[audit] allow` and `require-signed` have them: `github:acme/*`, `git+ssh://git@host/group/*`.

The one matcher of both. A glob is a flake reference with stars and means repositories, whatever their spelling: ssh or
https, an archive or git, with `.git` or without, in any case.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from flakesync import globs as expressions
from flakesync.nix.lock.node import LockNode
from flakesync.nix.reference.flakeref import identity_of_glob
from flakesync.nix.reference.identity import Identity
from flakesync.workspace.audit import AuditSettings

EVERYTHING = "*"


def covers(globs: Iterable[str], identity: Identity | None) -> bool:
    """Tell whether one of the globs means a repository; None, which names none, is meant by `*` alone.

    `/*` at the end means all that lies below, subgroups too; elsewhere a star is within a part of a path or in a host.
    """
    return any(_covers(glob, identity) for glob in globs)


def must_be_signed(settings: AuditSettings, node: LockNode) -> bool:
    """Tell whether `require-signed` covers a node: what it is locked to, or what flake.nix asked for.

    Not a folder of the flake that takes it, which is signed with that; unless it is locked to something else.
    """
    globs, origin = settings.require_signed, node.origin
    if not globs or (node.is_folder and origin.found is None):
        return False
    return covers(globs, origin.found) or covers(globs, origin.repository)


_wanted = lru_cache(maxsize=1 << 10)(identity_of_glob)


@lru_cache(maxsize=1 << 14)
def _covers(glob: str, identity: Identity | None) -> bool:
    if glob == EVERYTHING:
        return True
    wanted = _wanted(glob)
    # A client walks up `..` itself: `acme/../evil/x` is not acme's.
    if wanted is None or identity is None or not {".", ".."}.isdisjoint(identity.path.split("/")):
        return False
    return bool(_pattern(wanted.host).fullmatch(identity.host) and _pattern(wanted.path).fullmatch(identity.path))


@lru_cache(maxsize=1 << 10)
def _pattern(text: str) -> "re.Pattern[str]":
    """Return the expression of a host or path. Whatever its case: a lock with another must not get past, nor fail."""
    parts = [[expressions.STAR if each == "*" else re.escape(each) for each in part] for part in text.split("/")]
    groups = [[expressions.part(part) for part in parts]]
    if parts[-1] == [expressions.STAR]:
        groups = [groups[0][:-1], []]
    return re.compile(f"(?is:{expressions.path(groups)})")
