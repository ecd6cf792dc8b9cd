"""`end-of-life`: a nixpkgs of a release that gets no more fixes."""

import re
from calendar import monthrange
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple
from urllib.parse import unquote

from flakesync.audit.rule import Answer, Context, NodeRule, Said
from flakesync.nix.lock.node import LockNode
from flakesync.nix.reference.flakeref import Attr
from flakesync.nix.reference.identity import Identity, identity_of
from flakesync.nix.reference.source import Origin, branch_of, resolved
from flakesync.survey.pins import is_archive

_REPOSITORIES = ("nixpkgs", "nixpkgs-channels")
_CHANNELS = ("channels.nixos.org", "releases.nixos.org", "nixos.org")
_FLAKEHUB = "flakehub.com"
# nixos-25.11, nixos-25.11-small, nixpkgs-25.11-darwin, release-25.11, staging-next-25.11, the tag 25.11
_BRANCH = re.compile(
    r"(?:refs/(?:heads|tags)/)?((?:nixos-|nixpkgs-|release-|staging-(?:next-)?)?"
    r"(\d\d)\.(\d\d)(?:-small|-darwin|-aarch64)?)(?:\.(?:tar\.\w+|tgz|zip))?",
    re.ASCII,
)
# 0.2511.906129+rev-…, 0.2511.*, 0.2511, ~0.2511.0
_VERSION = re.compile(r"[=~^]?(0\.(\d\d)(\d\d))(?:\..*)?", re.ASCII | re.DOTALL)
_MONTHS_OF_SUPPORT = 7


class _Release(NamedTuple):
    """A release of nixpkgs, and how the input names it."""

    name: str
    year: int
    month: int

    @property
    def number(self) -> str:
        return f"{self.year % 100:02}.{self.month:02}"


def applies(origin: Origin) -> bool:
    """Tell whether it is nixpkgs."""
    # They are one object wherever both are spelled alike.
    found, asked = origin.found, origin.repository
    return _is_nixpkgs(found) or (asked is not found and _is_nixpkgs(asked))


def find(context: Context, node: LockNode) -> Iterator[Answer]:
    """Yield the finding; none for what names no release (`nixos-unstable`, a commit)."""
    origin = node.origin
    release = _release(resolved(origin.original, origin.locked)) or _release(origin.locked)
    if release is None:
        return
    last = context.settings.end_of_life.get(release.number) or _last_day(release)
    days = (context.today - last).days
    if days > 0:
        yield Said(f"{release.name} ended {last} ({days} day{'' if days == 1 else 's'} ago)")


def _last_day(release: _Release) -> date:
    """Return the last day of the seventh month after a release: 25.05 ends 2025-12-31, and so did those before."""
    year, month = divmod(release.year * 12 + release.month - 1 + _MONTHS_OF_SUPPORT, 12)
    return date(year, month + 1, monthrange(year, month + 1)[1])


def _release(attrs: Mapping[str, Attr]) -> _Release | None:
    """Return the release that a reference names; None: none, or it is not nixpkgs."""
    identity = identity_of(attrs)
    if identity is None or not _is_nixpkgs(identity):
        return None
    pattern = _VERSION if identity.host == _FLAKEHUB else _BRANCH
    for name in _names(attrs, identity):
        if (found := pattern.fullmatch(name)) and 1 <= int(found[3]) <= 12:
            shown = found[1] if found[1][0].isalpha() else f"nixpkgs {found[1]}"
            return _Release(shown, 2000 + int(found[2]), int(found[3]))
    return None


def _is_nixpkgs(identity: Identity | None) -> bool:
    if identity is None:
        return False
    return identity.host in _CHANNELS or identity.path.rpartition("/")[2].lower() in _REPOSITORIES


def _names(attrs: Mapping[str, Attr], identity: Identity) -> Sequence[str]:
    """Return what may name a release: a channel, a branch, or any part of an archive's address."""
    if is_archive(attrs):
        return [identity.path, *unquote(str(attrs.get("url")).partition("?")[0]).split("/")]
    return [branch_of(attrs) or ""]


RULE = NodeRule(
    id="end-of-life",
    severity="medium",
    title="a nixpkgs release past its end",
    help=(
        "The release gets no more security fixes. YY.05 is supported to the end of December, YY.11 to the end of June "
        "after; `[audit.end-of-life]` in the manifest says otherwise of single releases. Move the input to the next "
        "release; of one deeper in the lock, let it follow yours, or ask its upstream."
    ),
    applies=applies,
    find=find,
)
