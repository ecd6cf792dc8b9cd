"""Sources: what moves to one commit together, read off the attributes of a lock node.

Like Identity this is flakesync's own notion; Nix compares attributes.
"""

from collections.abc import Mapping
from urllib.parse import unquote

import msgspec

from flakesync.nix.reference.identity import Identity, identity_of
from flakesync.nix.reference.input_schemes import Attr
from flakesync.terms import Rev

Source = tuple[Identity, str | None]
"""What moves to one commit together: a repository and a ref (None: its default branch).

The "ref" of an archive is the version that its URL names; that of an indirect reference without a ref is
`flake:ID`, as its registry alone knows the branch.
"""

ARCHIVES = ("tarball", "file")
_PLACE = frozenset({"type", "host", "owner", "repo", "url"})

_WEB = ("https://", "http://")
_ENDINGS = (".tar.gz", ".tar.xz", ".tar.bz2", ".tar.zst", ".tgz", ".zip")


class Origin(msgspec.Struct, frozen=True):
    """Where a lock node is from, read off its attributes.

    original: as flake.nix has it (where the lock has none: its locked). rev: the locked commit; None where the lock
    has none (a path, a dirty tree, an archive). source: None for what has no identity. fixed: see `is_fixed`.
    found: the repository that `locked` is of, None where that has no identity. repository: the one that `original`
    names, else `found`.
    """

    original: Mapping[str, Attr]
    locked: Mapping[str, Attr]
    rev: Rev | None
    source: Source | None
    fixed: bool
    found: Identity | None
    repository: Identity | None


def origin_of(original: Mapping[str, Attr] | None, locked: Mapping[str, Attr] | None) -> Origin:
    """Return where a node with these attributes is from; that of the root, which has neither, is empty."""
    locked = locked if locked is not None else {}
    original = original if original is not None else locked
    found = identity_of(locked)
    source = source_of(original, locked)
    # A registry's name is of no repository itself: its source is what it stands for.
    repository = source[0] if source is not None and original.get("type") != "indirect" else found
    return Origin(original, locked, rev_of(locked), source, is_fixed(original), found, repository)


def rev_of(attrs: Mapping[str, Attr]) -> Rev | None:
    """Return the commit that a `locked` or `original` of a LockFile names (it takes no other text), or None."""
    rev = attrs.get("rev")
    return Rev(rev) if isinstance(rev, str) else None


def is_fixed(original: Mapping[str, Attr]) -> bool:
    """Tell whether an `original` names one commit, by `rev` or by a full tag reference."""
    ref = original.get("ref")
    return "rev" in original or (isinstance(ref, str) and ref.startswith("refs/tags/"))


def is_relative(original: Mapping[str, Attr]) -> bool:
    """Tell whether an `original` is a folder of the flake itself (`path:./sub`)."""
    return original.get("type") == "path" and not str(original.get("path", "/")).startswith("/")


def branch_of(original: Mapping[str, Attr]) -> str | None:
    """Return the branch, or the tag, that an `original` tracks; None for the default branch, which HEAD names too."""
    ref = original.get("ref")
    return str(ref).removeprefix("refs/heads/") if ref is not None and ref != "HEAD" else None


def archived_ref(original: Mapping[str, Attr]) -> str | None:
    """Return the branch, tag or commit that an archive is of, as its forge's address says; None for all else."""
    if original.get("type") != "tarball":
        return None
    url = unquote(str(original.get("url")).partition("?")[0])
    ending = next((each for each in _ENDINGS if url.endswith(each)), None)
    if ending is None or not url.startswith(_WEB):
        return None
    host, _, path = url.removesuffix(ending).partition("://")[2].partition("/")
    before, archive, ref = f"/{path}".partition("/archive/")
    if not host or not archive:
        return None
    # GitLab: `/-/archive/REF/NAME-REF.tar.gz`.
    if before.endswith("/-") and all((parts := ref.rpartition("/"))[::2]):
        ref = parts[0]
    return ref.removeprefix("refs/heads/") or None


def resolved(original: Mapping[str, Attr], locked: Mapping[str, Attr]) -> Mapping[str, Attr]:
    """Return a registry's name with a ref (`nixpkgs/nixos-25.11`) as the reference that it stands for by its `locked`.

    All else is returned as it is: without a ref, the registry alone knows the branch; archives have none.
    """
    if original.get("type") != "indirect" or "ref" not in original or locked.get("type", "") in ("", *ARCHIVES):
        return original
    own = {key: original[key] for key in ("ref", "rev", "dir") if key in original}
    return {key: value for key, value in locked.items() if key in _PLACE} | own


def source_of(original: Mapping[str, Attr], locked: Mapping[str, Attr] | None = None) -> Source | None:
    """Return the source of an `original`; an indirect one (a registry name) is identified by its `locked`."""
    original = resolved(original, locked or {})
    identity = identity_of(original)
    if identity is None:
        if locked is None or original.get("type") != "indirect":
            return None
        identity = identity_of(locked)
        return (identity, f"flake:{original.get('id')}") if identity is not None else None
    branch = branch_of(original)
    if branch is not None:
        return identity, branch
    return identity, _version(identity, original) if original.get("type") in ARCHIVES else None


def _version(identity: Identity, original: Mapping[str, Attr]) -> str | None:
    """Return what tells the archives of one repository apart; None where the identity is of the archive itself."""
    place = str(original.get("url")).partition("?")[0].partition("://")[2]
    path = unquote(place.partition("/")[2]).strip("/")
    if identity.host == "channels.nixos.org" or identity.path.startswith(path):
        return None
    return path.removesuffix(".tar.gz")
