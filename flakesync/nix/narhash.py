"""narHash: the SHA-256 of a tree in Nix's archive format, without making the archive (`dumpPath` of Nix).

A NAR holds names, contents, executable bits and symlinks; no owners, times or other modes. Memory does not grow with
the tree: contents pass through in pieces, and only the folders on the way down are held.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class TreeReader(Protocol):
    """Where a git tree's folders and contents come from (`flakesync.git.contents.TreeContents`)."""

    def tree(self, oid: str) -> Mapping[bytes, tuple[int, str]]:
        """Return the entries of a tree object: name → (mode, object id)."""
        ...

    def blob(self, oid: str) -> tuple[int, Iterable[bytes]]:
        """Return the size in bytes of a blob, and its content in pieces."""
        ...


@dataclass(frozen=True, slots=True)
class TarTree:
    """What a forge's archive holds below its one top folder.

    nar_hash: SRI. last_modified: the time of the archive's entries in seconds; None: they differ (or there are none).
    rev: the commit that `git archive` noted in it, None if it did not.
    files: contents of the files asked for, by path; None for what is no regular file there.
    """

    nar_hash: str
    last_modified: int | None
    rev: str | None
    files: Mapping[str, bytes | None]


def nar_hash_of_tree(reader: TreeReader, tree: str) -> str:
    """Return the narHash (`sha256-…`, SRI) of a git tree as it is stored; a submodule is an empty folder."""
    raise NotImplementedError


def nar_hash_of_tar(pieces: Iterable[bytes], *, files: Iterable[str] = (), spool: Path | None = None) -> TarTree:
    """Return what is below the single top folder of a tar archive (plain, gzip, bzip2 or xz), read as a stream.

    files: paths below the top folder whose contents are wanted. spool: the folder for a temporary file; None: the
    system's own.

    Raises:
        NarError(`bad-archive`): it is cut off, has no single top folder, or holds what no forge sends.
    """
    raise NotImplementedError
