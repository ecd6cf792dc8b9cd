"""Evidence: what is known of a locked commit and of its repository, and why something is not."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from flakesync.errors import FlakeRefError
from flakesync.nix.lock.node import LockNode
from flakesync.nix.reference.flakeref import FORGE_HOSTS, Attr, FlakeRef
from flakesync.nix.reference.identity import Identity
from flakesync.nix.reference.source import branch_of, resolved
from flakesync.terms import Rev

Standing = Literal["on-branch", "on-other", "nowhere"]
"""Where a commit is: on the branch (or at the tag) that flake.nix names, on another branch or tag only, on none."""


class Unknown(msgspec.Struct, frozen=True):
    """Why something could not be found out, as a phrase for people."""

    reason: str


class CommitKey(msgspec.Struct, frozen=True):
    """A locked commit, as far as a server can say something of it.

    url: that git fetches it from. ref: the branch or tag that flake.nix names; None: the default branch. any_ref: it
    names none that is known (a commit, a name of the registry), so that every branch is as good. served: whether Nix
    takes it as a forge's archive, else by git. submodules: whether Nix takes them too.
    """

    url: str
    ref: str | None
    any_ref: bool
    rev: Rev
    served: bool
    submodules: bool


class Signature(msgspec.Struct, frozen=True):
    """What `git verify-commit` says. good: by an allowed signer. detail: who signed it, or why it does not hold."""

    good: bool
    detail: str


class CommitEvidence(msgspec.Struct, frozen=True):
    """What a server's history says of a commit; Unknown where it could not be found out.

    standing, branches: where it is, and, for `on-other`, a few of the refs that have it. last_modified: seconds since
    the epoch. rev_count: commits up to it; None: not asked (a forge's archive has none). nar_hashes: of the tree as git
    has it, and as `git archive` gives it where that is another one: either is right. signature: None: not asked.
    """

    standing: Standing | Unknown
    branches: tuple[str, ...] = ()
    last_modified: int | Unknown = Unknown("not asked")
    rev_count: int | Unknown | None = None
    nar_hashes: tuple[str, ...] | Unknown = Unknown("not asked")
    signature: Signature | Unknown | None = None


class RepositoryEvidence(msgspec.Struct, frozen=True):
    """What a forge says of a repository. moved_to: the identity that it has now; None: it has not moved."""

    moved_to: Identity | None
    archived: bool


Commits = Mapping[CommitKey, CommitEvidence | Unknown]
Repositories = Mapping[Identity, RepositoryEvidence | Unknown]


def commit_key(node: LockNode) -> CommitKey | None:
    """Return what to ask a server about a node; None: it has no commit, or git cannot fetch it (path, tarball, hg)."""
    origin = node.origin
    if origin.rev is None:
        return None
    locked: dict[str, Attr] = dict(origin.locked)
    try:
        url = FlakeRef.from_attrs({k: v for k, v in locked.items() if k not in ("lastModified", "revCount")}).git_url()
    except FlakeRefError:
        return None
    if url is None:
        return None
    original = resolved(origin.original, origin.locked)
    any_ref = original.get("type") == "indirect" or "rev" in original
    return CommitKey(
        url,
        branch_of(original),
        any_ref,
        origin.rev,
        str(locked.get("type")) in FORGE_HOSTS,
        locked.get("submodules") is True,
    )
