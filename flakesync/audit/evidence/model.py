"""Evidence: what is known of a locked commit and of its repository, and why something is not."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import msgspec

from flakesync.errors import FlakeRefError
from flakesync.nix.expression.nested import Declared
from flakesync.nix.lock.node import LockNode
from flakesync.nix.reference.flakeref import FORGE_HOSTS, FlakeRef
from flakesync.nix.reference.identity import Identity
from flakesync.nix.reference.source import branch_of, resolved
from flakesync.terms import Rev

if TYPE_CHECKING:
    from flakesync.nix.expression.inputs import InputSpec

Standing = Literal["on-branch", "on-other", "nowhere"]
"""Where a commit is: on the branch (or at the tag) that flake.nix names, on another branch or tag only, on none."""


class Unknown(msgspec.Struct, frozen=True):
    """Why something could not be found out, as a phrase for people."""

    reason: str


class CommitKey(msgspec.Struct, frozen=True):
    """A locked commit, as far as git can say something of it.

    identity: its repository. url: that git fetches it from. ref: the branch or tag that flake.nix names; None: the
    default branch. any_ref: it names none that is known (a commit, a name of the registry), so that every branch is as
    good. counted: the lock says how many commits lead to it. served: Nix takes it as a forge's archive, else by git.
    submodules: Nix takes them too.
    """

    identity: Identity
    url: str
    ref: str | None
    any_ref: bool
    rev: Rev
    counted: bool
    served: bool
    submodules: bool


FlakeKey = tuple[CommitKey, str]
"""A flake of a locked commit: the folder that `dir` names, empty for none."""


class HistoryEvidence(msgspec.Struct, frozen=True):
    """What the history of a repository says of a commit.

    branches: for `on-other`, a few of the branches and tags that have it, short names. last_modified: the commit's
    time, seconds since the epoch; None where it is nowhere and could not be had. rev_count: how many commits lead to
    it, itself counted; None: not asked, or it could not be counted. ref_gone: the repository has no such branch or tag
    (any more), so that nobody can tell whether the commit was on it.
    """

    standing: Standing
    branches: tuple[str, ...] = ()
    last_modified: int | None = None
    rev_count: int | None = None
    ref_gone: bool = False


class ContentEvidence(msgspec.Struct, frozen=True):
    """What a commit holds. nar_hashes: SRI, of its tree, and of `git archive` where that differs: either is right.

    unsure: why the hash may rightly be another one, as a phrase; None: it may not. known: an earlier run had computed
    them.
    """

    nar_hashes: tuple[str, ...]
    unsure: str | None = None
    known: bool = False


class Signature(msgspec.Struct, frozen=True):
    """What `git verify-commit` says. good: by an allowed signer. detail: who signed it, or why it does not hold."""

    good: bool
    detail: str


class RepositoryEvidence(msgspec.Struct, frozen=True):
    """What a forge says of a repository.

    moved_to: the identity that it has now; None: it has not moved. archived: None: the forge does not say, as GitLab to
    those without a token.
    """

    moved_to: Identity | None
    archived: bool | None


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """All that servers were asked; what is not in a mapping was not asked.

    inputs: what the flake.nix of a locked flake says of its inputs, by repository.
    """

    histories: Mapping[CommitKey, HistoryEvidence | Unknown] = {}
    contents: Mapping[CommitKey, ContentEvidence | Unknown] = {}
    signatures: Mapping[CommitKey, Signature | Unknown] = {}
    repositories: Mapping[Identity, RepositoryEvidence | Unknown] = {}
    inputs: Mapping[Identity, Mapping[FlakeKey, "Mapping[str, InputSpec] | Unknown"]] = {}

    def declared(self, node: LockNode) -> Declared | None:
        """Return what the flake.nix of a locked flake says of its inputs; None: it was not asked."""
        known = self.inputs.get(node.origin.found) if node.origin.found is not None else None
        # Nearly every node goes no further than this line.
        key = flake_key(node) if known is not None else None
        found = known.get(key) if known is not None and key is not None else None
        return found.reason if isinstance(found, Unknown) else found

    def below(self, node: LockNode) -> "Mapping[str, InputSpec]":
        """Return what the flake.nix of a locked flake says of its inputs, as far as that is known."""
        declared = self.declared(node)
        return declared if declared is not None and not isinstance(declared, str) else {}


def flake_key(node: LockNode) -> FlakeKey | None:
    """Return the flake that a node is, where git can be asked about it.

    Whichever branch flake.nix names, the flake is the same.
    """
    key = commit_key(node) if node.flake and not node.is_folder else None
    if key is None:
        return None
    return msgspec.structs.replace(key, ref=None, any_ref=True), str(node.origin.locked.get("dir", ""))


def commit_key(node: LockNode) -> CommitKey | None:
    """Return what git can be asked about a node; None: it has no commit, or git cannot fetch it (path, tarball, hg)."""
    origin = node.origin
    if origin.rev is None or origin.found is None:
        return None
    locked = {key: value for key, value in origin.locked.items() if key not in ("lastModified", "revCount")}
    try:
        url = FlakeRef.from_attrs(locked).git_url()
    except FlakeRefError:
        return None
    if url is None:
        return None
    original = resolved(origin.original, origin.locked)
    return CommitKey(
        identity=origin.found,
        url=url,
        ref=branch_of(original),
        any_ref=original.get("type") == "indirect" or "rev" in original,
        rev=origin.rev,
        counted="revCount" in origin.locked,
        served=str(locked.get("type")) in FORGE_HOSTS,
        submodules=locked.get("submodules") is True,
    )
