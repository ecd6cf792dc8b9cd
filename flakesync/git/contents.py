"""Trees and blobs for a narHash: nothing is kept, large blobs come in pieces."""

from collections.abc import Iterable

from flakesync.git.objects import ObjectReader


class TreeContents:
    """The trees and blobs of one repository, as `flakesync.nix.narhash.TreeReader` asks for them."""

    def __init__(self, reader: ObjectReader) -> None:
        """Read through `reader`, without its memory of trees."""
        self._reader = reader

    def tree(self, oid: str) -> dict[bytes, tuple[int, str]]:
        """Return a tree's entries: name → (mode, object id). Raises: GitError(`missing-object` | `corrupt`)."""
        raise NotImplementedError

    def blob(self, oid: str) -> tuple[int, Iterable[bytes]]:
        """Return a blob's size in bytes and its content in pieces. Raises: GitError(`missing-object` | `corrupt`)."""
        raise NotImplementedError
