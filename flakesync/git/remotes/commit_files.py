"""Commits of somebody else's repository with their files and without their history, each fetched by its id.

For each address a bare repository is kept, so that the next commit of the same one costs only what differs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flakesync.cache.layout import contents_folder
from flakesync.cache.lock import cache_error, exclusive
from flakesync.errors import GitError
from flakesync.git.remotes.commit_cache import fetch_commit
from flakesync.git.remotes.own import clear_own, is_made, make_own
from flakesync.git.remotes.remote import Address, parse_remote, run
from flakesync.git.remotes.transfer import FETCH_FLAGS
from flakesync.git.store.objects import ObjectReader
from flakesync.git.store.trees import is_sound
from flakesync.terms import Rev

_SHA256_DIGITS = 64
_NOT_THERE = "not our ref"
_ONLY_BY_NAME = ("unadvertised object", "shallow capabilities", "not support shallow")


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
    sha256 = len(rev) == _SHA256_DIGITS
    path = contents_folder(cache, remote.url, sha256=sha256)
    kept = f"refs/flakesync/{rev}"
    with exclusive(path.with_name(path.name + ".lock"), wait=True):
        try:
            if not is_made(path):
                make_own(path, sha256=sha256)
            clear_own(path)
            if not offline and not is_sound(ObjectReader.open(path), rev):
                make_own(path, sha256=sha256)  # a power cut has damaged it
        except OSError as error:
            raise cache_error(path, error) from None
        # git moves the ref when all the files are there, and not before.
        if ObjectReader.open(path).ref(kept) is not None:
            yield path
            return
        if not offline:
            try:
                run(["fetch", *FETCH_FLAGS, "--depth=1", "--", remote.name, f"+{rev}:{kept}"], remote, cwd=path)
            except GitError as error:
                if _NOT_THERE in error.message:
                    yield None
                    return
                if error.code != "no-such-ref" and not any(words in error.message for words in _ONLY_BY_NAME):
                    raise
            else:
                yield path
                return
    yield fetch_commit(remote, ref, rev, cache, offline=offline)
