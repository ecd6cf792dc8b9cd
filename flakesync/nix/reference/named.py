"""The name of the branch that a reference has, in whichever form it stands, and the reference with another one.

Of a channel's, FlakeHub's and an archive's address it is the part that stands for a branch: `nixos-25.11`, `0.2511.*`.
"""

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote

from flakesync.nix.reference.input_schemes import Attr
from flakesync.nix.reference.source import archived_ref, branch_of
from flakesync.patterns import pattern

_WITH_REF = frozenset({"git", "github", "gitlab", "sourcehut", "indirect"})
_PART = (
    pattern(r"https?://channels\.nixos\.org/([^/?#]+)"),
    pattern(r"https?://(?:www\.)?nixos\.org/channels/([^/?#]+)"),
    pattern(r"https?://(?:api\.)?flakehub\.com/f/[^/?#]+/[^/?#]+/([^/?#]+?)(?:\.tar\.gz)?(?=[?#]|\Z)"),
)
_SAFE = "*+-._~"


def branch_name(attrs: Mapping[str, Attr]) -> str | None:
    """Return the name in a reference's attributes; None: it has none, or is of a kind that has no branches."""
    if attrs.get("type") in _WITH_REF:
        return branch_of(attrs)
    archived = archived_ref(attrs)
    if archived is not None:
        return archived
    part = _part(attrs)
    return unquote(part[1]) if part is not None else None


def with_branch_name(attrs: Mapping[str, Attr], name: str) -> dict[str, Attr] | None:
    """Return attributes that name another branch in place of the one they have; None: they have none.

    A full ref (`refs/heads/x`) stays one.
    """
    old = branch_name(attrs)
    if old is None:
        return None
    if attrs.get("type") in _WITH_REF:
        full = str(attrs["ref"]).startswith("refs/heads/")
        return {**attrs, "ref": f"refs/heads/{name}" if full else name}
    url = str(attrs["url"])
    part = _part(attrs)
    if part is not None:
        return {**attrs, "url": f"{url[: part.start(1)]}{quote(name, safe=_SAFE)}{url[part.end(1) :]}"}
    # GitLab's address of an archive has the name twice.
    before, archive, rest = url.partition("/archive/")
    for written in (old, quote(old, safe=f"{_SAFE}/"), quote(old, safe=_SAFE)):
        if written in rest:
            return {**attrs, "url": f"{before}{archive}{rest.replace(written, quote(name, safe=f'{_SAFE}/'))}"}
    return None


def _part(attrs: Mapping[str, Attr]) -> re.Match[str] | None:
    if attrs.get("type") != "tarball":
        return None
    url = str(attrs.get("url"))
    return next((found for each in _PART if (found := each.match(url)) is not None), None)
