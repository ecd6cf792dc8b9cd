"""Sources for people: as a flake reference, without what is true of one commit alone."""

from collections.abc import Mapping

from flakesync.errors import FlakeRefError, plain
from flakesync.nix.reference.flakeref import Attr, FlakeRef
from flakesync.secrets import hide_secrets

_OF_ONE_COMMIT = frozenset(
    {"rev", "ref", "dir", "narHash", "lastModified", "revCount", "dirtyRev", "dirtyShortRev", "treeHash"}
)


def shown_source(attrs: Mapping[str, Attr]) -> str:
    """Return a source as a flake reference, `github:NixOS/nixpkgs`; what is no reference, by its attributes.

    Without commit, branch and folder, and without logins and control characters: both come from a lock.
    """
    kept = {key: value for key, value in attrs.items() if key not in _OF_ONE_COMMIT}
    try:
        text = FlakeRef.from_attrs(kept).to_url()
    except FlakeRefError:
        text = ", ".join(f"{key}={value}" for key, value in sorted(kept.items()))
    return clean(text)


def clean(text: str) -> str:
    """Return what comes from a lock as it may be shown: without logins and control characters."""
    return hide_secrets(plain(text))
