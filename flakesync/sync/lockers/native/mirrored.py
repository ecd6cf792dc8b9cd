"""Commits of github and gitlab inputs from a mirror that git can fetch from: what the forge's archive would say.

Run on 2.8, 2.26 and 2.34: a forge's archive holds the files of the commit, and Nix notes the committer's date of it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flakesync.errors import FlakesyncError, SyncError
from flakesync.git.remotes.commit_files import files_of_commit
from flakesync.git.repository import Repository
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.sync.lockers.native.commits import open_commit, read_flake_files, read_served
from flakesync.sync.lockers.native.values import Archive, NotNativeError
from flakesync.terms import Rev

if TYPE_CHECKING:
    from flakesync.git.remotes.remote import Remote

_LIKE_GIT = ("github", "gitlab")
"""The forges whose archives are told by the commit alone."""


class NotMirroredError(SyncError):
    """A source that cannot be had from a mirror; Nix could not ask the mirror for it either."""

    def __init__(self, message: str, hint: str) -> None:
        """Refuse."""
        super().__init__("not-mirrored", message, hint=hint)


def archive_of_mirror(ref: FlakeRef, files: Sequence[str], remote: "Remote", cache: Path, *, offline: bool) -> Archive:
    """Return what the archive of a reference with a rev holds, by the commit that its mirror has.

    files: flake.nix and flake.lock. offline: what the cache has is all there is.

    Raises:
        NotMirroredError: the mirror lacks the commit, cannot be reached, or the commit does not tell all.
    """
    rev = Rev(str(ref.rev))
    if ref.type not in _LIKE_GIT:
        hint = "write the input as `git+https://…`: git is asked for that, at the mirror"
        raise NotMirroredError(f"{ref}: what Nix notes of a {ref.type} archive, no mirror tells", hint)
    try:
        # By its id: a reference to a forge names no branch beside a commit, and the history of nixpkgs is gigabytes.
        with files_of_commit(remote, ref.ref, rev, cache, offline=offline) as path:
            if path is None:
                raise NotMirroredError(
                    f"{ref}: its mirror {remote.url} does not have the commit", "bring the mirror up to date"
                )
            return _read(path, rev, files)
    except NotNativeError as error:
        raise NotMirroredError(f"{ref}: {error.reason}", "no mirror can tell what the forge makes of it") from error
    except NotMirroredError:
        raise
    except FlakesyncError as error:
        hint = error.hint or f"it is asked in place of {remote.place}, as [mirrors] says"
        raise NotMirroredError(f"{ref}: {error.message}", hint) from error


def _read(path: Path, rev: Rev, files: Sequence[str]) -> Archive:
    """Raises: NotNativeError, GitError, NixError."""
    commit = open_commit(path, rev)
    with Repository.open(path) as repository:
        time = repository.commit(rev).committer.time
        # With attributes that leave out or put in something, only git's own archive tells what a forge serves.
        if not commit.hazards:
            found = read_flake_files(repository.reader, rev, *files)
            return Archive(nar_hash=commit.tree_hash(), last_modified=time, files=found)
    served = read_served(commit, files)
    return Archive(nar_hash=served.nar_hash, last_modified=time, files=dict(served.files))
