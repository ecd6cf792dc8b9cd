"""Local copies of repositories that are only known by address: bare, below the user's cache folder.

A mirror's refs/remotes/origin/* and refs/tags/* follow the remote. Its refs/heads/* hold nothing but update branches
that we have made and perhaps not pushed yet; no fetch touches them. `flakesync-complete` in its folder says that the
first fetch has ended, and `flakesync-redirect` the address that the server sent git to instead.
"""

import contextlib
import re
import shutil
from pathlib import Path

from flakesync.cache.in_use import use_repositories
from flakesync.cache.layout import mirror_folder
from flakesync.cache.lock import cache_error, exclusive
from flakesync.errors import GitError
from flakesync.git import process
from flakesync.git.remotes.own import clear_own, make_own
from flakesync.git.remotes.remote import Address, Remote, list_server, parse_remote, run
from flakesync.git.repository import MIRROR_MARK
from flakesync.git.store.objects import ObjectReader
from flakesync.git.store.refs import refs_below
from flakesync.secrets import hide_secrets
from flakesync.terms import Rev

_REDIRECT = "flakesync-redirect"
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
    "--no-write-commit-graph",
)


def mirror(url: Address, cache: Path, *, offline: bool, timeout_s: float | None = None, anew: bool = False) -> Path:
    """Return the folder of the bare mirror of `url` below `cache`, made or brought up to date.

    offline: the remote is not contacted; what is there is used. timeout_s: how long the fetch may take; None: no limit.
    anew: all is fetched again, as what is there is damaged; update branches of ours that are sound stay.
    While another process works on the same mirror, this waits. A remote that has not changed is asked once and
    nothing is fetched. From now on nothing is taken out of any mirror of this cache until this process ends.

    Raises: GitError(`cache` | `offline` | `unreachable` | `access-denied` | `bad-url` | `git`).
    """
    remote = parse_remote(url)
    path = mirror_path(url, cache)
    use_repositories(cache)
    with exclusive(path.with_name(path.name + ".lock"), wait=True):
        try:
            if offline:
                if not (path / MIRROR_MARK).exists():
                    shown = hide_secrets(remote.url)
                    raise GitError(
                        "offline",
                        f"{shown} has not been fetched yet",
                        hint="any command that asks servers fetches it, such as `flakesync graph`",
                    )
                ObjectReader.open(path)
                clear_own(path)
                return path
            _update(path, remote, timeout_s, anew=anew)
        except OSError as error:
            raise cache_error(path, error) from None
    return path


def fetched_at(path: Path) -> int | None:
    """Return when a mirror was last brought up to date (seconds since the epoch); None: nobody knows."""
    try:
        return int((path / MIRROR_MARK).stat().st_mtime)
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
    address = parse_remote(url).place
    words = re.sub(r"^(?:[a-z+]+://)?(?:[^@/]*@)?|\.git/?$", "", hide_secrets(address))
    return mirror_folder(cache, address, words)


def _update(path: Path, remote: Remote, timeout_s: float | None, *, anew: bool) -> None:
    wanted, redirect = list_server(remote, ["HEAD", "refs/heads/*", "refs/tags/*"], symbolic=True)
    there = {
        name: rev
        for name, rev in wanted.items()
        if name.startswith(("refs/heads/", "refs/tags/")) and not name.endswith("^{}")
    }
    if not (path / MIRROR_MARK).exists():
        # A first fetch that was interrupted: nothing of ours can be in it.
        _make(path, remote, timeout_s)
    elif anew:
        _make_anew(path, remote, timeout_s)
    else:
        clear_own(path)
        if there != _fetched(path):
            try:
                _fetch(path, remote, timeout_s)
            except GitError:
                # The server has just answered. Whether it is the mirror that is damaged, git knows.
                if process.git(["fsck", "--connectivity-only", "--no-dangling"], cwd=path, check=False).status == 0:
                    raise
                _make_anew(path, remote, timeout_s)
    default = wanted.get(Rev("HEAD@"), "")
    if default.startswith("refs/heads/"):
        _set_head(path, "HEAD", default)
        _set_head(path, "refs/remotes/origin/HEAD", default.replace("refs/heads/", "refs/remotes/origin/", 1))
    (path / MIRROR_MARK).touch()
    if redirect is not None:
        (path / _REDIRECT).write_text(redirect, "utf-8", "surrogateescape")
    else:
        (path / _REDIRECT).unlink(missing_ok=True)


def _make(path: Path, remote: Remote, timeout_s: float | None) -> None:
    make_own(path)
    process.git(["config", "remote.origin.url", remote.place], cwd=path)
    (path / "info").mkdir(exist_ok=True)
    _fetch(path, remote, timeout_s)


def _make_anew(path: Path, remote: Remote, timeout_s: float | None) -> None:
    """Fetch all again, beside what is there, and take over those update branches that are sound."""
    whole = path.with_name(f"{path.name}.whole")
    _make(whole, remote, timeout_s)
    for ref, rev in (refs_below(ObjectReader.open(path), "refs/heads") or {}).items():
        # Not fetched: a git that serves a damaged repository stops at the first ref that is.
        commit = process.git(
            ["pack-objects", "--quiet", "--revs", "--stdout"], cwd=path, data=f"{rev}\n^{rev}^\n".encode(), check=False
        )
        if commit.status == 0:
            process.git(["unpack-objects", "-q"], cwd=whole, data=commit.out, check=False)
        if process.git(["rev-list", "--objects", "--quiet", rev, "--"], cwd=whole, check=False).status == 0:
            process.git(["update-ref", ref, rev], cwd=whole)
    # Killed in between, this is a mirror whose first fetch was interrupted.
    (path / MIRROR_MARK).unlink(missing_ok=True)
    shutil.rmtree(path)
    whole.rename(path)


def _fetch(path: Path, remote: Remote, timeout_s: float | None) -> None:
    refspecs = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
    run([*_FETCH, remote.name, *refspecs], remote, cwd=path, timeout_s=timeout_s)


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
