"""What the locked commits hold: their narHash, computed from git's objects.

What has been computed is kept for good, by commit and by tree: an object id says what the files are.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from flakesync.audit.evidence.model import CommitKey, ContentEvidence, Unknown
from flakesync.cache.keep import keep
from flakesync.cache.layout import branches_folder, contents_file
from flakesync.cache.single_flight import SingleFlight
from flakesync.errors import GitError, NixError, as_error, plain
from flakesync.git.remotes.commit_files import files_of_commit
from flakesync.git.remotes.remote import parse_remote
from flakesync.git.scratch.archive import archive
from flakesync.git.store.attributes import find_hazards
from flakesync.git.store.contents import TreeContents
from flakesync.git.store.objects import ObjectReader
from flakesync.nix.reference.identity import Identity
from flakesync.nix.store.narhash import nar_hash_of_tree
from flakesync.nix.store.tarball import read_tar
from flakesync.terms import Rev

if TYPE_CHECKING:
    from flakesync.git.values import Hazard
    from flakesync.workspace.hosts import Hosts

Answer = ContentEvidence | Unknown

_OF_THE_COMMIT = frozenset({"unstable-archive", "attributes", "bad-archive", "no-nar", "large-tree"})
"""Errors that the same files give again, whoever reads them."""
_OF_THE_SERVER = frozenset({"access-denied", "unreachable", "bad-url", "no-transport"})
"""Errors that the next commit of the same address would have, too."""
_NOT_ALL_HERE = frozenset({"missing-object", "corrupt"})


class _Kept(msgspec.Struct, frozen=True):
    """What is kept of a tree or a commit. of_commit: for a tree: its hashes are not the same for each commit."""

    nar_hashes: tuple[str, ...]
    unsure: str | None = None
    of_commit: bool = False


def find_contents(
    keys: Iterable[CommitKey],
    clones: Mapping[Identity, Path],
    hosts: "Hosts | None",
    cache: Path,
    *,
    jobs: int,
    offline: bool,
) -> Mapping[CommitKey, Answer]:
    """Return the narHash of these commits, from a clone that has them, else from their servers.

    clones: repositories that are here; a partial clone is passed over: git would fetch what it lacks without a word.
    hosts: how to log in; None: as git does. jobs: how many repositories are looked at once. offline: clones and what
    earlier runs have fetched are all there is.

    Raises: FlakesyncError(`interrupted`).
    """
    from concurrent.futures import ThreadPoolExecutor

    groups: dict[Identity, list[CommitKey]] = {}
    for key in dict.fromkeys(keys):
        groups.setdefault(key.identity, []).append(key)
    found: dict[CommitKey, Answer] = {}
    contents = _Contents(clones, hosts, cache, offline=offline)
    with ThreadPoolExecutor(max_workers=max(1, min(jobs, len(groups)))) as pool:
        for answers in pool.map(contents.of_repository, groups.values()):
            found |= answers
    return found


class _Contents:
    """What is known of commits, and how to find out more."""

    def __init__(self, clones: Mapping[Identity, Path], hosts: "Hosts | None", cache: Path, *, offline: bool) -> None:
        self._clones = clones
        self._hosts = hosts
        self._cache = cache
        self._offline = offline
        self._trees = SingleFlight()
        self._kept: dict[str, _Kept] = {}
        self._refused: dict[str, Unknown] = {}

    def of_repository(self, keys: Sequence[CommitKey]) -> Mapping[CommitKey, Answer]:
        """Return the answers for commits of one repository. Raises: FlakesyncError(`interrupted`)."""
        return {key: self._answer(key) for key in keys}

    def _answer(self, key: CommitKey) -> Answer:
        """Raises: FlakesyncError(`interrupted`)."""
        known = self._earlier(key.rev) or self._known_tree(key)
        try:
            found = known or self._kept.get(key.rev) or self._look(key)
        except Exception as exception:  # noqa: BLE001 - whatever it is, what is known of the others stands
            error = as_error(exception)
            if error.code in ("interrupted", "git-interrupted"):
                raise error from None
            return Unknown(error.message)
        if isinstance(found, Unknown):
            return found
        # A hash that is right all the same proves it: then there are no submodules.
        unsure = "it takes in other repositories (`submodules`)" if key.submodules else found.unsure
        return ContentEvidence(found.nar_hashes, unsure, known=known is not None)

    def _earlier(self, oid: str) -> _Kept | None:
        """Return what an earlier run has kept of a commit or a tree."""
        if oid in self._kept:
            return None
        try:
            return msgspec.json.decode(contents_file(self._cache, oid).read_bytes(), type=_Kept)
        except (OSError, ValueError):
            return None

    def _known_tree(self, key: CommitKey) -> _Kept | None:
        """Return what an earlier run has kept of the tree of a commit that is here, be it without files."""
        try:
            places = (self._clones.get(key.identity), branches_folder(self._cache, parse_remote(key.url).url))
            for place in places:
                reader = ObjectReader.open(place) if place is not None and place.exists() else None
                # To look for a name of SHA-256 is git's, which would fetch it.
                if reader is None or (len(key.rev) == _SHA256_DIGITS and reader.is_partial()):
                    continue
                if reader.has(key.rev):
                    found = self._earlier(reader.tree_of(key.rev))
                    return None if found is None or found.of_commit else found
        except GitError:
            pass  # `_look` reads it again, and reports the error
        return None

    def _look(self, key: CommitKey) -> _Kept | Unknown:
        """Raises: FlakesyncError."""
        clone = self._clones.get(key.identity)
        if clone is not None:
            try:
                reader = ObjectReader.open(clone)
                if not reader.is_partial() and reader.has(key.rev):
                    return self._compute(clone, key.rev)
            except GitError as error:
                if error.code not in _NOT_ALL_HERE:
                    raise
        if key.url in self._refused:
            return self._refused[key.url]
        try:
            remote = self._hosts.remote(key.url) if self._hosts is not None else key.url
            with files_of_commit(remote, key.ref, key.rev, self._cache, offline=self._offline) as path:
                if path is not None:
                    return self._compute(path, key.rev)
        except GitError as error:
            if error.code in _OF_THE_SERVER:
                self._refused[key.url] = Unknown(error.message)
            raise
        lacks = "its files are not here (`--offline`)" if self._offline else "its server does not have the commit"
        return Unknown(plain(f"{key.identity} {key.rev[:7]}: {lacks}"))

    def _compute(self, path: Path, rev: Rev) -> _Kept:
        """Raises: GitError, NixError."""
        tree = ObjectReader.open(path).tree_of(rev)
        found = self._trees.get((path, tree), lambda: self._of_tree(path, rev, tree))
        if found.of_commit and rev not in self._kept:
            found = _read(path, rev, tree)
        self._keep(rev, found)
        return found

    def _of_tree(self, path: Path, rev: Rev, tree: str) -> _Kept:
        """Raises: GitError, NixError."""
        found = self._kept.get(tree) or self._earlier(tree) or _read(path, rev, tree)
        if not found.of_commit:
            self._keep(tree, found)
        else:
            self._keep(rev, found)
        return found

    def _keep(self, oid: str, found: _Kept) -> None:
        if oid not in self._kept:
            self._kept[oid] = found
            keep(contents_file(self._cache, oid), msgspec.json.encode(found))


class _Noting(TreeContents):
    """A tree that is read, and whether it has empty folders, which git only has by other programs than git."""

    def __init__(self, reader: ObjectReader) -> None:
        super().__init__(reader)
        self.has_empty = False

    def tree(self, oid: str) -> dict[bytes, tuple[int, str]]:
        entries = super().tree(oid)
        self.has_empty = self.has_empty or not entries
        return entries


def _read(path: Path, rev: Rev, tree: str) -> _Kept:
    """Return what a commit has, in a repository that has its files.

    Raises:
        GitError: they are not all there. NixError: `no-nar`, `large-tree`.
    """
    reader = ObjectReader.open(path)
    contents = _Noting(reader)
    # First: it refuses a tree that is too large, before attributes and archive are read.
    raw = nar_hash_of_tree(contents, tree)
    hashes = [raw]
    unsure: str | None = None
    of_commit = False
    try:
        hazards = find_hazards(reader, rev)
        of_commit = any(hazard.attribute.startswith("export-subst") for hazard in hazards)
        others = [hazard for hazard in hazards if not hazard.attribute.startswith(("export-ignore", "export-subst"))]
        unsure = _why(others[0]) if others else None
        # git archive leaves empty folders out, be there attributes or not.
        if hazards or contents.has_empty:
            hashes.append(read_tar(archive(path, rev)).nar_hash)
    except (GitError, NixError) as error:
        if error.code not in _OF_THE_COMMIT:
            raise
        unsure = unsure or error.message
    return _Kept(tuple(dict.fromkeys(hashes)), unsure, of_commit)


def _why(hazard: "Hazard") -> str:
    where = plain(f"{hazard.file} line {hazard.line}")
    if hazard.attribute == "filter=lfs":
        return f"uses git-lfs ({where})"
    return f"{where} has {plain(hazard.attribute)}, which not all that fetch it take into account"


_SHA256_DIGITS = 64
