"""Globs on sources, as `[audit] allow` and `[external-policy]` have them: `github:acme/*`, `git+ssh://git@host/group/*`.

The one matcher of all of them. A glob is a flake reference with stars and means repositories, whatever their spelling:
ssh or https, an archive or git, with `.git` or without, in any case.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from flakesync import globs as expressions
from flakesync.nix.reference.flakeref import identity_of_glob
from flakesync.nix.reference.identity import Identity

EVERYTHING = "*"
"""The glob that means every source."""


def covers(globs: Iterable[str], identity: Identity | None) -> bool:
    """Tell whether one of the globs means a repository; None, which names none, is meant by `*` alone.

    `/*` at the end means all that lies below, subgroups too; elsewhere a star is within a part of a path or in a host.
    """
    return any(_covers(glob, identity) for glob in globs)


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
