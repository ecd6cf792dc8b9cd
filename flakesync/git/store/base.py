"""The files of a repo at its base branch, or at its update branch: what a snapshot is made of."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from flakesync.cache.files import KeptFiles
from flakesync.errors import GitError
from flakesync.git.store.objects import ObjectReader
from flakesync.git.values import check_ref_name
from flakesync.terms import Rev

LOCAL_REFS = ("refs/heads/", "refs/remotes/origin/")
"""How the refs of branches begin in a repository that is its own, and in a mirror: the first that is there counts."""


class BranchTip(NamedTuple):
    """A branch by its name, and its commit."""

    name: str
    rev: Rev


class BaseFiles(NamedTuple):
    """What was read of a repo.

    branch: the base branch, base_rev: its tip. rev: the commit that the files are from (the update branch's tip where
    that was asked for and exists, else base_rev). files: path → content, None for what is not in the tree.
    """

    branch: str
    rev: Rev
    base_rev: Rev
    files: Mapping[str, bytes | memoryview | None]


def branch_ref(reader: ObjectReader, name: str, refs: Sequence[str] = LOCAL_REFS) -> str | None:
    """Return the full ref of a branch; None: there is none. refs: how it may begin, the first that is there counts."""
    return next((prefix + name for prefix in refs if reader.ref(prefix + name) is not None), None)


def branch_tip(reader: ObjectReader, name: str, refs: Sequence[str] = LOCAL_REFS) -> Rev | None:
    """Return the tip of a branch; None: there is none. refs: as of `branch_ref`."""
    return next((tip for prefix in refs if (tip := reader.ref(prefix + name)) is not None), None)


def default_branch(reader: ObjectReader, refs: Sequence[str] = LOCAL_REFS) -> str | None:
    """Return the default branch among the refs that begin with `refs`: what their HEAD names, else the usual names."""
    if refs == LOCAL_REFS:
        return reader.default_branch()
    for prefix in refs:
        named = reader.symbolic_ref(prefix + "HEAD")
        if named is not None and named.startswith(prefix):
            return named.removeprefix(prefix)
    head = (reader.symbolic_ref("HEAD") or "").removeprefix("refs/heads/")
    return next((name for name in ("main", "master", head) if name and branch_tip(reader, name, refs)), None)


def read_base(
    reader: ObjectReader,
    branch: str | BranchTip | None,
    files: Sequence[str],
    *,
    update: str | None = None,
    kept: KeptFiles | None = None,
    refs: Sequence[str] = LOCAL_REFS,
) -> BaseFiles:
    """Return the tip of `branch` (None: the repo's own default branch) in a repository, and its `files`.

    branch: with its commit where that was looked up already. update: a branch whose files are read instead, if there is
    one of that name. kept: asked before the objects are. refs: how the refs of the base branch begin.

    Raises: GitError(`no-such-branch` | `no-commits` | `bad-ref` | `corrupt` | …).
    """
    if isinstance(branch, BranchTip):
        name: str | None = branch.name
        base_rev: Rev | None = branch.rev
    else:
        name = branch if branch is not None else default_branch(reader, refs)
        base_rev = branch_tip(reader, name, refs) if name is not None else None
    if name is None or base_rev is None:
        raise _no_branch(reader, name)
    updates = ("refs/heads/", *refs) if update is not None else ()
    rev = next((tip for prefix in updates if (tip := reader.sound_ref(f"{prefix}{update}")) is not None), base_rev)
    # What a commit holds never changes, so what is kept of it cannot be out of date. It saves three files a repo, 35 of
    # 186 ms in a drift over 1,000 repos (docs/benchmarks.md).
    known: Mapping[str, bytes | memoryview | None] | None = kept.views(rev, files) if kept is not None else None
    if known is None:
        known = read = {file: reader.read(rev, file) for file in files}
        if kept is not None:
            kept.add(rev, read)
    return BaseFiles(name, rev, base_rev, known)


def _no_branch(reader: ObjectReader, name: str | None) -> GitError:
    """Return the error of a repository that lacks a branch. name: None where it has no default branch either.

    Raises: GitError(`bad-ref`): no branch can be called so.
    """
    from flakesync.git.store.refs import refs_below

    if name is not None:
        check_ref_name(name)
    if refs_below(reader, "refs") == {}:
        what = "make the first, or take the repo out of the manifest"
        return GitError("no-commits", f"{reader.path} has no commit yet: {what}")
    which = f"branch {name!r}" if name is not None else "default branch"
    return GitError("no-such-branch", f"{reader.path}: there is no {which}", hint="set `base` in the manifest")
