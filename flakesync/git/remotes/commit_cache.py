"""The commit cache: commits of repositories without a clone, one branch each, in a bare repository of its own."""

from pathlib import Path

from flakesync.cache.expiry import mark_used
from flakesync.cache.in_use import use_repositories
from flakesync.cache.layout import commits_folder
from flakesync.cache.lock import cache_error, exclusive
from flakesync.git.remotes.own import clear_own, full_name, is_made, kept_as, make_own
from flakesync.git.remotes.remote import Address, parse_remote, run
from flakesync.git.remotes.transfer import FETCH_FLAGS, fetch
from flakesync.git.store.objects import ObjectReader
from flakesync.git.store.trees import is_sound
from flakesync.terms import Rev


def fetch_commit(url: Address, ref: str | None, rev: Rev, cache: Path, *, offline: bool = False) -> Path | None:
    """Return a bare repository below `cache` that has the commit `rev`; None: it is not on that branch.

    ref: the branch, or a full ref, that has it; None: the remote's HEAD. Only that is fetched, with its history.
    offline: what the cache has is all there is.

    Raises: GitError(`cache` | `unreachable` | `access-denied` | `no-such-ref` | `bad-url` | `git`).
    """
    remote = parse_remote(url)
    path = commits_folder(cache, remote.place)
    name = full_name(ref)
    use_repositories(cache)
    with exclusive(path.with_name(path.name + ".lock"), wait=True):
        try:
            if not is_made(path):
                make_own(path)
            clear_own(path)
            if not offline and not is_sound(ObjectReader.open(path), rev):
                make_own(path)  # a power cut has damaged it
        except OSError as error:
            raise cache_error(path, error) from None
        if not ObjectReader.open(path).has(rev) and not offline:
            fetch(path, remote, [f"+{name}:{kept_as(name)}"])
        return path if ObjectReader.open(path).has(rev) else None


def fetch_one_commit(url: Address, rev: Rev, cache: Path) -> Path:
    """Return a bare repository below `cache` that has the commit `rev` with its files, and nothing of its history.

    For a large repository that is a small part of what its branches are. It is not the one of `fetch_commit`, which has
    whole histories.

    Raises: as `fetch_commit`, and GitError(`git`) where the server gives no commit by its name.
    """
    remote = parse_remote(url)
    path = commits_folder(cache, f"{remote.place}#one")
    use_repositories(cache)
    with exclusive(path.with_name(path.name + ".lock"), wait=True):
        try:
            if not is_made(path):
                make_own(path, sha256=len(rev) == 64)
            clear_own(path)
            if not is_sound(ObjectReader.open(path), rev):
                make_own(path, sha256=len(rev) == 64)  # a power cut has damaged it
        except OSError as error:
            raise cache_error(path, error) from None
        ref = f"refs/flakesync/commit-{rev}"
        if not ObjectReader.open(path).has(rev):
            spec = f"+{rev}:{ref}"
            run(["fetch", *FETCH_FLAGS, "--depth=1", "--", remote.name, spec], remote, cwd=path)
        else:
            mark_used(path / ref)
    return path
