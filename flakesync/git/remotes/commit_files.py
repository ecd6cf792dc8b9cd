"""Commits of somebody else's repository with their files and without their history, each fetched by its id.

For each address a bare repository is kept, so that the next commit of the same one costs only what differs.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from flakesync.cache.expiry import mark_used
from flakesync.cache.layout import contents_folder
from flakesync.cache.lock import cache_error, exclusive
from flakesync.errors import GitError
from flakesync.git.remotes.commit_cache import fetch_commit
from flakesync.git.remotes.own import clear_own, is_made, make_own
from flakesync.git.remotes.remote import Address, Remote, parse_remote, run
from flakesync.git.remotes.transfer import FETCH_FLAGS
from flakesync.git.store.objects import ObjectReader
from flakesync.git.store.trees import is_sound
from flakesync.terms import Rev

_SHA256_DIGITS = 64
_MOST_AT_ONCE = 100
"""How many commits one fetch asks for: far below what a command line may hold."""
_NOT_THERE = "not our ref"
_ONLY_BY_NAME = ("unadvertised object", "shallow capabilities", "not support shallow")


def fetch_files(url: Address, revs: Iterable[Rev], cache: Path) -> frozenset[Rev]:
    """Fetch commits with their files, many at once, for `files_of_commit`; return those that the server does not have.

    A server that gives nothing by an id is left to `files_of_commit`. Where a fetch fails otherwise, those before it
    are there all the same.

    Raises: GitError(`cache` | `unreachable` | `access-denied` | `no-such-ref` | `bad-url` | `git`).
    """
    remote = parse_remote(url)
    wanted: dict[bool, list[Rev]] = {}
    for rev in sorted(frozenset(revs)):
        wanted.setdefault(_is_sha256(rev), []).append(rev)
    lacking: set[Rev] = set()
    for sha256, named in wanted.items():
        path = contents_folder(cache, remote.place, sha256=sha256)
        with _opened(path, sha256=sha256):
            reader = ObjectReader.open(path)
            rest = [rev for rev in named if reader.ref(_kept_as(rev)) is None]
            for start in range(0, len(rest), _MOST_AT_ONCE):
                try:
                    lacking |= _fetch_all(remote, path, rest[start : start + _MOST_AT_ONCE])
                except GitError as error:
                    if not _is_by_name_alone(error):
                        raise
                    break
    return frozenset(lacking)


@contextmanager
def files_of_commit(
    url: Address, ref: str | None, rev: Rev, cache: Path, *, offline: bool = False
) -> Iterator[Path | None]:
    """Hold a bare repository below `cache` that has a commit and all its files; None: the server has no such commit.

    ref: the branch, or a full ref, that is fetched with its history where the server gives nothing by an id; None: the
    server's HEAD. offline: what the cache has is all there is. Another run that wants the same repository waits.

    Raises: GitError(`cache` | `unreachable` | `access-denied` | `no-such-ref` | `bad-url` | `git`).
    """
    remote = parse_remote(url)
    sha256 = _is_sha256(rev)
    path = contents_folder(cache, remote.place, sha256=sha256)
    with _opened(path, sha256=sha256):
        with _as_cache_error(path):
            if not offline and not is_sound(ObjectReader.open(path), rev):
                make_own(path, sha256=sha256)  # a power cut has damaged it
        # git moves the ref when all the files are there, and not before.
        if ObjectReader.open(path).ref(_kept_as(rev)) is not None:
            mark_used(path / _kept_as(rev))
            yield path
            return
        if not offline:
            try:
                lacking = _fetch_all(remote, path, [rev])
            except GitError as error:
                if not _is_by_name_alone(error):
                    raise
            else:
                yield path if not lacking else None
                return
    yield fetch_commit(remote, ref, rev, cache, offline=offline)


def _is_by_name_alone(error: GitError) -> bool:
    """Tell whether a server gives branches and tags, and nothing by an id."""
    return error.code == "no-such-ref" or any(words in error.message for words in _ONLY_BY_NAME)


def _fetch_all(remote: Remote, path: Path, revs: Sequence[Rev]) -> set[Rev]:
    """Fetch commits by their ids in one go; return those that the server does not have. Raises: GitError."""
    lacking: set[Rev] = set()
    while rest := [rev for rev in revs if rev not in lacking]:
        refspecs = (f"+{rev}:{_kept_as(rev)}" for rev in rest)
        try:
            run(["fetch", *FETCH_FLAGS, "--depth=1", "--", remote.name, *refspecs], remote, cwd=path)
        except GitError as error:
            # A server sends nothing at all if it lacks one of them, and names that one.
            if _NOT_THERE not in error.message:
                raise
            named = {rev for rev in rest if rev in error.message}
            if not named and len(rest) > 1:
                raise
            lacking |= named or {*rest}
        else:
            break
    return lacking


@contextmanager
def _opened(path: Path, *, sha256: bool) -> Iterator[None]:
    """Hold the lock of the repository at `path`, which is made if there is none. Raises: GitError(`cache`)."""
    with exclusive(path.with_name(path.name + ".lock"), wait=True):
        with _as_cache_error(path):
            if not is_made(path):
                make_own(path, sha256=sha256)
            clear_own(path)
        yield


@contextmanager
def _as_cache_error(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise cache_error(path, error) from None


def _kept_as(rev: Rev) -> str:
    return f"refs/flakesync/{rev}"


def _is_sha256(rev: Rev) -> bool:
    return len(rev) == _SHA256_DIGITS
