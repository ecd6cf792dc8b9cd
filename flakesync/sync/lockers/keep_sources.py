"""New sources go into the static cache of the workspace as soon as they are locked: checks find them there."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock

from flakesync.errors import INTERRUPTED, FlakesyncError, GitError, NixError
from flakesync.git.remotes.commit_files import files_of_commit
from flakesync.git.scratch.archive import archive
from flakesync.git.store.contents import TreeContents
from flakesync.git.store.objects import ObjectReader
from flakesync.net.http import NoAnswerError, Web
from flakesync.nix.lock.file import LockFile
from flakesync.nix.reference.flakeref import Attr, FlakeRef, Identity, identity_of
from flakesync.nix.store.nar import nar_pieces
from flakesync.nix.store.static_cache import StaticCache
from flakesync.nix.store.store_path import STORE_DIR
from flakesync.nix.store.tarball import GREATEST_BYTES, nar_of_tar
from flakesync.sync.lockers import FromClone, Locker, Request
from flakesync.terms import Rev
from flakesync.workspace.archive import TIMEOUT_S
from flakesync.workspace.hosts import Hosts, find_token

_FACTS = frozenset({"narHash", "lastModified", "revCount"})


def store_dir() -> str:
    """Return the store directory of the Nix that this process starts."""
    return os.environ.get("NIX_STORE_DIR") or STORE_DIR


class KeepingLocker:
    """A Locker whose new locks have all their sources in the static cache, as far as these can be had.

    note: is told of those that cannot.
    """

    def __init__(self, locker: Locker, sources: "SourceKeeper", note: Callable[[str], None]) -> None:
        self._locker = locker
        self._sources = sources
        self._note = note

    @property
    def name(self) -> str:
        """Who writes the locks."""
        return self._locker.name

    def lock(self, request: Request) -> LockFile:
        """Return the new lock; see Locker.

        Raises:
            FlakesyncError: it cannot be written, or the cache cannot be written to.
        """
        lock = self._locker.lock(request)
        near = {move.source.rev: move.source.repository for move in request.moves if isinstance(move.source, FromClone)}
        for nar_hash, locked in _new_sources(request.lock, lock).items():
            reason = self._sources.keep(nar_hash, locked, near)
            if reason is not None:
                shown = _reference(locked) or locked.get("type")
                self._note(f"{request.repo}: {shown} is not in the cache of sources: {reason}")
        return lock


class SourceKeeper:
    """Puts sources into a static cache; threads may share it.

    repositories: clones and mirrors of the workspace's repos. cache: flakesync's cache folder. offline: whether no
    server is asked.
    """

    def __init__(
        self, target: StaticCache, repositories: Mapping[Identity, Path], cache: Path, hosts: Hosts, *, offline: bool
    ) -> None:
        self._target = target
        self._repositories = repositories
        self._cache = cache
        self._hosts = hosts
        self._offline = offline
        self._guard = Lock()

    def keep(self, nar_hash: str, locked: Mapping[str, Attr], near: Mapping[Rev, Path]) -> str | None:
        """Put the source of a node into the cache, unless it is there; return why not, None: it is there.

        near: repositories that have commits that nobody has pushed.

        Raises:
            FlakesyncError: `other-store`, or what the machine refuses.
        """
        with self._guard:
            try:
                if self._target.has(nar_hash):
                    return None
                # Another sync may hold it for the moment in which it puts a source there.
                with self._target.writing(wait=True):
                    return self._put(nar_hash, locked, near)
            except ValueError as error:
                return str(error)

    def _put(self, nar_hash: str, locked: Mapping[str, Attr], near: Mapping[Rev, Path]) -> str | None:
        reasons: list[str] = []
        for make in self._ways(locked, near):
            try:
                for pieces in make():
                    with suppress(_OtherTreeError):
                        self._add(nar_hash, pieces)
                        return None
                reasons.append("what is there has another narHash")
            except (FlakesyncError, NoAnswerError) as error:
                if isinstance(error, _NoCacheError) or (
                    isinstance(error, FlakesyncError) and error.code in INTERRUPTED
                ):
                    raise
                reasons.append(error.message if isinstance(error, FlakesyncError) else error.reason)
        return "; ".join(dict.fromkeys(reasons)) or f"sources of type {locked.get('type')} are not fetched for it"

    def _add(self, nar_hash: str, pieces: Iterator[bytes]) -> None:
        try:
            self._target.add_nar(nar_hash, pieces)
        except NixError as error:
            if error.code != "bad-blob":
                raise
            raise _OtherTreeError from error
        except GitError:
            raise
        except FlakesyncError as error:
            # Of the cache itself, such as a full disk: no other way to have the source would help.
            raise _NoCacheError(error.code, error.message, hint=error.hint) from error

    def _ways(
        self, locked: Mapping[str, Attr], near: Mapping[Rev, Path]
    ) -> Iterator[Callable[[], Iterator[Iterator[bytes]]]]:
        """Give the ways to have a source, the cheapest first; each gives its NAR, in one form or two."""
        rev = locked.get("rev")
        identity = identity_of(locked)
        reference = _reference(locked)
        url = reference.git_url() if reference is not None else None
        if isinstance(rev, str) and (url is not None or identity is not None):
            commit = Rev(rev)
            own = self._repositories.get(identity) if identity is not None else None
            local = Path(identity.path) if identity is not None and not identity.host else None
            for place in dict.fromkeys((near.get(commit), own, local)):
                if place is not None and _has(place, commit):
                    yield lambda place=place: _forms(place, commit)  # type: ignore[misc]
            if url is not None and reference is not None and (identity is None or identity.host):
                yield lambda: self._fetched(url, reference.ref, commit)
        if locked.get("type") == "tarball":
            yield lambda: self._downloaded(str(locked.get("url")))

    def _fetched(self, url: str, ref: str | None, rev: Rev) -> Iterator[Iterator[bytes]]:
        with files_of_commit(self._hosts.remote(url), ref, rev, self._cache, offline=self._offline) as path:
            if path is None:
                raise GitError("no-such-commit", f"{url} has no commit {rev}")
            yield from _forms(path, rev)

    def _downloaded(self, url: str) -> Iterator[Iterator[bytes]]:
        asked = self._hosts.mirrors.of_archive(url) or url
        account = self._hosts.declared(asked)
        token = find_token(account.host, os.environ, account) if account is not None else None
        ca_file = account.ca_file if account is not None else None
        with (
            Web(ca_file, connect_s=TIMEOUT_S, read_s=TIMEOUT_S, as_nix=True) as web,
            web.follow(
                "GET", asked, login=f"Bearer {token}" if token is not None else None, limit_bytes=GREATEST_BYTES
            ) as answer,
        ):
            if answer.status != 200:
                raise NixError("unreachable", f"{asked}: HTTP {answer.status}")
            yield nar_of_tar(answer.pieces)


class _NoCacheError(FlakesyncError):
    """The static cache cannot be written to."""


class _OtherTreeError(Exception):
    """What was had is another tree than the one that is locked."""


def _forms(path: Path, rev: Rev) -> Iterator[Iterator[bytes]]:
    """Give the NARs that Nix may have made of a commit: of its files as git has them, then as a forge serves them."""
    reader = ObjectReader.open(path)
    yield nar_pieces(TreeContents(reader), reader.tree_of(rev))
    yield nar_of_tar(archive(path, rev))


def _new_sources(before: LockFile, after: LockFile) -> Mapping[str, Mapping[str, Attr]]:
    """Return narHash → `locked` of what a lock has, and the one before it has not."""
    known = {node.locked.get("narHash") for node in before.nodes.values() if node.locked is not None}
    found: dict[str, Mapping[str, Attr]] = {}
    for node in after.nodes.values():
        nar_hash = node.locked.get("narHash") if node.locked is not None else None
        if isinstance(nar_hash, str) and nar_hash not in known and node.locked is not None:
            found.setdefault(nar_hash, node.locked)
    return found


def _reference(locked: Mapping[str, Attr]) -> FlakeRef | None:
    try:
        return FlakeRef.from_attrs({key: value for key, value in locked.items() if key not in _FACTS})
    except FlakesyncError:
        return None


def _has(repository: Path, rev: Rev) -> bool:
    try:
        return ObjectReader.open(repository).has(rev)
    except GitError:
        return False
