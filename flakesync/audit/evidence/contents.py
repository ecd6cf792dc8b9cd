"""What the locked commits hold: their narHash, computed from git's objects.

What has been computed is kept for good, by commit and by tree: an object id says what the files are.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from flakesync.audit.evidence.model import CommitKey, ContentEvidence, Unknown
from flakesync.audit.shown import clean
from flakesync.cache.expiry import read_used
from flakesync.cache.keep import keep
from flakesync.cache.layout import branches_folder, contents_file
from flakesync.cache.single_flight import SingleFlight
from flakesync.errors import INTERRUPTED, GitError, NixError, as_error
from flakesync.git.remotes.commit_files import fetch_files, files_of_commit
from flakesync.git.remotes.remote import Address, parse_remote
from flakesync.git.store.objects import ObjectReader
from flakesync.nix.reference.identity import Identity
from flakesync.terms import Rev
from flakesync.workspace.clones.committed import CommitFiles

if TYPE_CHECKING:
    from flakesync.git.values import Hazard
    from flakesync.workspace.hosts import Hosts

Answer = ContentEvidence | Unknown

_OF_THE_COMMIT = frozenset({"unstable-archive", "attributes", "bad-archive", "no-nar", "large-tree"})
"""Errors that the same files give again, whoever reads them."""
_OF_THE_SERVER = frozenset({"access-denied", "unreachable", "bad-url", "no-transport"})
"""Errors that the next commit of the same address would have, too."""
_NOT_ALL_HERE = frozenset({"missing-object", "corrupt"})
_SHA256_DIGITS = 64


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

    def of_repository(self, keys: Sequence[CommitKey]) -> Mapping[CommitKey, Answer]:
        """Return the answers for commits of one repository. Raises: FlakesyncError(`interrupted`)."""
        found: dict[CommitKey, Answer] = {}
        rest: dict[str, list[CommitKey]] = {}
        for key in keys:
            answer = self._answer(key, self._here)
            if answer is not None:
                found[key] = answer
            else:
                rest.setdefault(key.url, []).append(key)
        for url, asked in rest.items():
            server = _Server(url, self._hosts, self._cache, offline=self._offline)
            server.fetch(key.rev for key in asked)
            for key in asked:
                answer = self._answer(key, partial(self._at, server))
                found[key] = answer if answer is not None else self._lacking(key)
        return found

    def _answer(self, key: CommitKey, look: Callable[[CommitKey], "tuple[_Kept, bool] | None"]) -> Answer | None:
        """Return what `look` finds, and whether an earlier run had; None: nothing.

        Raises: FlakesyncError(`interrupted`).
        """
        try:
            found = look(key)
        except Exception as exception:  # noqa: BLE001 - whatever it is, what is known of the others stands
            error = as_error(exception)
            if error.code in INTERRUPTED:
                raise error from None
            return Unknown(error.message)
        if found is None:
            return None
        kept, known = found
        # A hash that is right all the same proves it: then there are no submodules.
        unsure = "it takes in other repositories (`submodules`)" if key.submodules else kept.unsure
        return ContentEvidence(kept.nar_hashes, unsure, known=known)

    def _lacking(self, key: CommitKey) -> Unknown:
        lacks = "its files are not here (`--offline`)" if self._offline else "its server does not have the commit"
        return Unknown(clean(f"{key.identity} {key.rev[:7]}: {lacks}"))

    def _here(self, key: CommitKey) -> "tuple[_Kept, bool] | None":
        """Return what is known without asking a server. Raises: FlakesyncError."""
        if (known := self._earlier(key.rev) or self._known_tree(key)) is not None:
            return known, True
        found = self._kept.get(key.rev) or self._in_clone(key)
        return (found, False) if found is not None else None

    def _at(self, server: "_Server", key: CommitKey) -> "tuple[_Kept, bool] | None":
        """Return what a server has. Raises: FlakesyncError."""
        if (found := self._kept.get(key.rev)) is not None:
            return found, False
        with server.files(key.ref, key.rev) as path:
            return (self._compute(path, key.rev), False) if path is not None else None

    def _earlier(self, oid: str) -> _Kept | None:
        """Return what an earlier run has kept of a commit or a tree."""
        if oid in self._kept:
            return None
        try:
            return msgspec.json.decode(read_used(contents_file(self._cache, oid)), type=_Kept)
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
            pass  # who looks into it next reports the error
        return None

    def _in_clone(self, key: CommitKey) -> _Kept | None:
        """Raises: FlakesyncError."""
        clone = self._clones.get(key.identity)
        if clone is None:
            return None
        try:
            reader = ObjectReader.open(clone)
            if not reader.is_partial() and reader.has(key.rev):
                return self._compute(clone, key.rev)
        except GitError as error:
            if error.code not in _NOT_ALL_HERE:
                raise
        return None

    def _compute(self, path: Path, rev: Rev) -> _Kept:
        """Raises: GitError, NixError."""
        tree = ObjectReader.open(path).tree_of(rev)
        found = self._trees.get((path, tree), lambda: self._of_tree(path, rev, tree))
        if found.of_commit and rev not in self._kept:
            found = _read(path, rev)
        self._keep(rev, found)
        return found

    def _of_tree(self, path: Path, rev: Rev, tree: str) -> _Kept:
        """Raises: GitError, NixError."""
        found = self._kept.get(tree) or self._earlier(tree) or _read(path, rev)
        if not found.of_commit:
            self._keep(tree, found)
        else:
            self._keep(rev, found)
        return found

    def _keep(self, oid: str, found: _Kept) -> None:
        if oid not in self._kept:
            self._kept[oid] = found
            keep(contents_file(self._cache, oid), msgspec.json.encode(found))


class _Server:
    """A repository on a server; what it refuses is asked for once."""

    def __init__(self, url: str, hosts: "Hosts | None", cache: Path, *, offline: bool) -> None:
        self._url = url
        self._hosts = hosts
        self._cache = cache
        self._offline = offline
        self._lacks: frozenset[Rev] = frozenset()
        self._error: GitError | None = None

    def fetch(self, revs: Iterable[Rev]) -> None:
        """Fetch several commits at once, where that can be; `files` asks for what is missing then, one by one.

        Raises: FlakesyncError(`interrupted`).
        """
        wanted = frozenset(revs)
        if self._offline or len(wanted) == 1:
            return
        try:
            self._lacks = fetch_files(self._address(), wanted, self._cache)
        except Exception as exception:  # noqa: BLE001 - whatever it is, one commit alone may be had, or says why not
            error = as_error(exception)
            if error.code in INTERRUPTED:
                raise error from None

    @contextmanager
    def files(self, ref: str | None, rev: Rev) -> Iterator[Path | None]:
        """Hold a repository that has a commit and its files; None: the server has no such commit.

        Raises: FlakesyncError.
        """
        if self._error is not None:
            raise self._error
        if rev in self._lacks:
            yield None
            return
        try:
            with files_of_commit(self._address(), ref, rev, self._cache, offline=self._offline) as path:
                yield path
        except GitError as error:
            if error.code in _OF_THE_SERVER:
                self._error = error
            raise

    def _address(self) -> Address:
        return self._hosts.remote(self._url) if self._hosts is not None else self._url


def _read(path: Path, rev: Rev) -> _Kept:
    """Return what a commit has, in a repository that has its files.

    Raises:
        GitError: they are not all there. NixError: `no-nar`, `large-tree`.
    """
    commit = CommitFiles(ObjectReader.open(path), rev)
    # First: it refuses a tree that is too large, before attributes and archive are read.
    hashes = [commit.tree_hash()]
    unsure: str | None = None
    of_commit = False
    try:
        of_commit = commit.names_its_commit
        unsure = _why(commit.beyond_archives) if commit.beyond_archives is not None else None
        # git archive leaves empty folders out, be there attributes or not.
        if commit.hazards or commit.has_empty_folder:
            hashes.append(commit.archive().nar_hash)
    except (GitError, NixError) as error:
        if error.code not in _OF_THE_COMMIT:
            raise
        unsure = unsure or error.message
    return _Kept(tuple(dict.fromkeys(hashes)), unsure, of_commit)


def _why(hazard: "Hazard") -> str:
    where = clean(f"{hazard.file} line {hazard.line}")
    if hazard.attribute == "filter=lfs":
        return f"uses git-lfs ({where})"
    return f"{where} has {clean(hazard.attribute)}, which not all that fetch it take into account"
