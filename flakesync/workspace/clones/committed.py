"""What Nix makes of the files of a commit that a clone or mirror has: as git gives them, or as a forge serves them."""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from flakesync.git.scratch.archive import archive
from flakesync.git.store.attributes import find_hazards
from flakesync.git.store.contents import TreeContents
from flakesync.git.store.objects import ObjectReader
from flakesync.git.values import Hazard
from flakesync.nix.store.narhash import nar_hash_of_tree
from flakesync.nix.store.tarball import TarTree, read_tar
from flakesync.terms import Rev

_OF_ARCHIVES = ("export-ignore", "export-subst")


class CommitFiles:
    """The files of one commit; what is asked for is read then. reader: of a repository that has all of them."""

    def __init__(self, reader: ObjectReader, rev: Rev) -> None:
        self._reader = reader
        self._rev = rev
        self._contents = _Noting(reader)

    @cached_property
    def hazards(self) -> tuple[Hazard, ...]:
        """Attributes with which an archive is not the tree; none of the clone's or the user's. Raises: GitError."""
        return find_hazards(self._reader, self._rev)

    @property
    def beyond_archives(self) -> Hazard | None:
        """The first attribute that does more than leave out files or put in text, which is up to who fetches it."""
        return next((each for each in self.hazards if not each.attribute.startswith(_OF_ARCHIVES)), None)

    @property
    def names_its_commit(self) -> bool:
        """Whether an archive may hold what is the commit's alone, so that the same files give another one elsewhere."""
        return any(each.attribute.startswith("export-subst") for each in self.hazards)

    @property
    def has_empty_folder(self) -> bool:
        """Whether a folder without anything in it was met by `tree_hash`: git makes none, and archives have none."""
        return self._contents.has_empty

    def tree_hash(self) -> str:
        """Return the narHash (SRI) of the files as git has them.

        Raises:
            GitError: they are not all there. NixError: `no-nar`, `large-tree`.
        """
        return nar_hash_of_tree(self._contents, self._reader.tree_of(self._rev))

    def archive(self, files: Iterable[str] = ()) -> TarTree:
        """Return git's archive of the commit, which forges serve, with the content of `files`.

        Raises:
            GitError, NixError: it is not the same everywhere (`unstable-archive`), or cannot be read.
        """
        return read_tar(archive(Path(self._reader.path), self._rev), files=files)


class _Noting(TreeContents):
    """Trees that are read, and whether an empty one was among them."""

    def __init__(self, reader: ObjectReader) -> None:
        super().__init__(reader)
        self.has_empty = False

    def tree(self, oid: str) -> dict[bytes, tuple[int, str]]:
        entries = super().tree(oid)
        self.has_empty = self.has_empty or not entries
        return entries
