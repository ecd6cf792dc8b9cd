"""What Nix notes of a commit that a local repository has: as git gives it, or as a forge serves it."""

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from flakesync.cache.expiry import read_used
from flakesync.cache.keep import keep
from flakesync.errors import GitError, NixError
from flakesync.git.repository import Repository
from flakesync.sync.lockers.native.values import NotNativeError
from flakesync.terms import Rev

if TYPE_CHECKING:
    from flakesync.git.store.objects import ObjectReader
    from flakesync.nix.store.tarball import TarTree
    from flakesync.workspace.clones.committed import CommitFiles


class Facts(msgspec.Struct, frozen=True):
    """What Nix notes of a commit. rev_count: None where it is not known (a forge's archive does not tell)."""

    nar_hash: str
    last_modified: int
    rev_count: int | None


def find_facts(path: Path, rev: Rev, kept: Path | None, *, served: bool) -> Facts:
    """Return the facts of a commit; kept: the file that they are kept in between runs; None: nowhere.

    served: whether Nix fetches it from a forge, which serves git's archive.

    Raises:
        NotNativeError: it is not known exactly.
    """
    import msgspec

    with contextlib.suppress(OSError, msgspec.DecodeError):
        if kept is not None:
            return msgspec.json.decode(read_used(kept), type=Facts)
    found = _facts(path, rev, served=served)
    if kept is not None:
        keep(kept, msgspec.json.encode(found))
    return found


def _facts(path: Path, rev: Rev, *, served: bool) -> Facts:
    try:
        files = open_commit(path, rev)
        if files.hazards and not served:
            first = files.hazards[0]
            raise NotNativeError(f"{first.file} line {first.line} has {first.attribute}, where Nix versions differ")
        with Repository.open(path) as repository:
            # It lacks commits that Nix would count.
            if (repository.common_dir / "shallow").exists():
                raise NotNativeError(f"{path} is a shallow clone")
            time = repository.commit(rev).committer.time
            count = repository.history.count(rev)
        hash = read_served(files, ()).nar_hash if files.hazards else files.tree_hash()
        return Facts(hash, time, count)
    except (GitError, NixError) as error:
        raise NotNativeError(error.message) from error


def open_commit(path: Path, rev: Rev) -> "CommitFiles":
    """Return the files of a commit that the repository at `path` has. Raises: GitError."""
    from flakesync.git.store.objects import ObjectReader
    from flakesync.workspace.clones.committed import CommitFiles

    return CommitFiles(ObjectReader.open(path), rev)


def read_served(commit: "CommitFiles", files: Iterable[str]) -> "TarTree":
    """Return a commit as a forge serves it, and `files` of it.

    Raises:
        NotNativeError: there are attributes that do more than leave out files or put in text.
        GitError, NixError: git's archive is not the same everywhere, or cannot be read.
    """
    hazard = commit.beyond_archives
    if hazard is not None:
        raise NotNativeError(f"{hazard.file} line {hazard.line} has {hazard.attribute}, which is up to the forge")
    return commit.archive(files)


def read_flake_files(reader: "ObjectReader", rev: Rev, flake_nix: str, flake_lock: str) -> dict[str, bytes | None]:
    """Return the two files of a flake in a commit, None for what is not there. Raises: NotNativeError, GitError."""
    from flakesync.git.store.links import link_target, read_through

    if link_target(reader, rev, flake_lock) is not None:
        raise NotNativeError(f"{flake_lock} is a symlink in {rev}, which Nix versions read differently")
    return {flake_nix: read_through(reader, rev, flake_nix), flake_lock: reader.read(rev, flake_lock)}
