"""Local copies of repositories that are only known by address: bare, below the user's cache folder.

A mirror's refs/remotes/origin/* and refs/tags/* follow the remote. Its refs/heads/* hold nothing but update branches
that we have made and perhaps not pushed yet; no fetch touches them. `flakesync-complete` in its folder says that the
first fetch has ended, and `flakesync-redirect` the address that the server sent git to instead.
"""

import contextlib
import re
import shutil
import time
from pathlib import Path

from flakesync.cache.keep import make_folder
from flakesync.cache.layout import mirror_folder
from flakesync.cache.lock import cache_error, exclusive
from flakesync.errors import GitError
from flakesync.git import process
from flakesync.git.remotes.remote import Address, Remote, list_server, parse_remote, run
from flakesync.git.store.objects import ObjectReader
from flakesync.git.store.refs import refs_below
from flakesync.terms import Rev

_COMPLETE = "flakesync-complete"
_REDIRECT = "flakesync-redirect"
_STALE_S = 60.0
_FETCH = (
    "-c",
    "gc.autoDetach=false",
    "-c",
    "maintenance.autoDetach=false",
    # A server that says nothing for a minute has gone.
    "-c",
    "http.lowSpeedLimit=1",
    "-c",
    "http.lowSpeedTime=60",
    "fetch",
    "--quiet",
    "--prune",
    "--force",
    "--no-tags",
    "--no-write-fetch-head",
    "--no-recurse-submodules",
)


def mirror(url: Address, cache: Path, *, offline: bool, timeout_s: float | None = None) -> Path:
    """Return the folder of the bare mirror of `url` below `cache`, made or brought up to date.

    offline: the remote is not contacted; what is there is used. timeout_s: how long the fetch may take; None: no limit.
    While another process works on the same mirror, this waits. A remote that has not changed is asked once and
    nothing is fetched.

    Raises: GitError(`cache` | `offline` | `unreachable` | `access-denied` | `bad-url` | `git`).
    """
    remote = parse_remote(url)
    path = mirror_path(url, cache)
    with exclusive(path.with_name(path.name + ".lock"), wait=True):
        try:
            if offline:
                if not (path / _COMPLETE).exists():
                    shown = process.hide_secrets(remote.url)
                    raise GitError("offline", f"{shown} has not been fetched yet", hint="run once without --offline")
                ObjectReader.open(path)
                return path
            _update(path, remote, timeout_s)
        except OSError as error:
            raise cache_error(path, error) from None
    return path


def fetched_at(path: Path) -> int | None:
    """Return when a mirror was last brought up to date (seconds since the epoch); None: nobody knows."""
    try:
        return int((path / _COMPLETE).stat().st_mtime)
    except OSError:
        return None


def redirect_of(path: Path) -> str | None:
    """Return the address that the server of a mirror sent git to instead of its own; None: to no other."""
    try:
        return (path / _REDIRECT).read_text("utf-8", "surrogateescape") or None
    except OSError:
        return None


def mirror_path(url: Address, cache: Path) -> Path:
    """Return where `url` is mirrored: a readable name and a hash, both without the address's password."""
    address = parse_remote(url).url
    words = re.sub(r"^(?:[a-z+]+://)?(?:[^@/]*@)?|\.git/?$", "", process.hide_secrets(address))
    return mirror_folder(cache, address, words)


def _update(path: Path, remote: Remote, timeout_s: float | None) -> None:
    wanted, redirect = list_server(remote, ["HEAD", "refs/heads/*", "refs/tags/*"], symbolic=True)
    if not (path / _COMPLETE).exists():
        # A first fetch that was interrupted: nothing of ours can be in it.
        if path.exists():
            shutil.rmtree(path)
        _initialise(path, remote)
    there = {
        name: rev
        for name, rev in wanted.items()
        if name.startswith(("refs/heads/", "refs/tags/")) and not name.endswith("^{}")
    }
    if there != _fetched(path):
        _remove_stale_locks(path)
        refspecs = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
        run([*_FETCH, remote.name, *refspecs], remote, cwd=path, timeout_s=timeout_s)
    default = wanted.get(Rev("HEAD@"), "")
    if default.startswith("refs/heads/"):
        _set_head(path, "HEAD", default)
        _set_head(path, "refs/remotes/origin/HEAD", default.replace("refs/heads/", "refs/remotes/origin/", 1))
    (path / _COMPLETE).touch()
    if redirect is not None:
        (path / _REDIRECT).write_text(redirect, "utf-8", "surrogateescape")
    else:
        (path / _REDIRECT).unlink(missing_ok=True)


def _initialise(path: Path, remote: Remote) -> None:
    make_folder(path)  # what git makes in it, by the user's umask, is out of others' reach
    process.git(["init", "--quiet", "--bare", "--template=", "--", str(path)])
    process.git(["config", "remote.origin.url", remote.url], cwd=path)
    (path / "info").mkdir(exist_ok=True)


def _remove_stale_locks(path: Path) -> None:
    """Delete the lock files of a fetch that was cut off with its machine: a living git holds one for milliseconds."""
    for lock in (path / "HEAD.lock", path / "packed-refs.lock", *(path / "refs/remotes").rglob("*.lock")):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - lock.stat().st_mtime > _STALE_S:
                lock.unlink()


def _fetched(path: Path) -> dict[str, Rev]:
    """Return the remote's branches and tags as they were last fetched."""
    folders = ("refs/remotes/origin", "refs/tags")
    found = refs_below(ObjectReader.open(path), *folders)
    if found is None:
        lines = process.git(["for-each-ref", "--format=%(objectname) %(refname)", *folders], cwd=path).lines
        found = {name: Rev(rev) for rev, _, name in (line.partition(" ") for line in lines)}
    return {
        name.replace("refs/remotes/origin/", "refs/heads/", 1): rev
        for name, rev in found.items()
        if name != "refs/remotes/origin/HEAD"
    }


def _set_head(path: Path, name: str, target: str) -> None:
    reader = ObjectReader.open(path)
    with contextlib.suppress(GitError):
        if reader.symbolic_ref(name) == target:
            return
    process.git(["symbolic-ref", name, target], cwd=path)
