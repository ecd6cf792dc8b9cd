"""The newest part of somebody else's branch, without its files: whether a commit is on it."""

import time
from pathlib import Path

from flakesync.cache.keep import keep
from flakesync.cache.layout import branches_folder
from flakesync.cache.lock import cache_error, exclusive
from flakesync.errors import GitError
from flakesync.git import process
from flakesync.git.remotes.own import clear_own, full_name, is_made, kept_as, make_own
from flakesync.git.remotes.remote import Address, Remote, list_refs, parse_remote, run
from flakesync.git.remotes.transfer import FETCH_FLAGS
from flakesync.secrets import hide_secrets
from flakesync.terms import Rev

_SLACK_S = 86_400
_MOST_PROOFS = 1000
_NOTHING_NEWER = "no commits selected for shallow requests"


def is_on_branch(
    url: Address, ref: str | None, rev: Rev, date: int, cache: Path, *, offline: bool = False
) -> bool | None:
    """Tell whether the server at `url` has a commit on a branch, or a tag at it; `ref` None: on its HEAD.

    None: it has not been found before, and `offline` no server is asked.

    date: when the commit was made (seconds since the epoch), as somebody claims. Only what the branch has had since
    the day before is fetched, and of that commits alone, no files: of nixpkgs a megabyte for two months. So a commit
    with a wrong date is not found, and neither is one behind a commit that is dated before it. What has been found is
    not asked for again.

    Raises: GitError(`cache` | `unreachable` | `access-denied` | `no-such-ref` | `bad-url` | `git`).
    """
    remote = parse_remote(url)
    path = branches_folder(cache, remote.url)
    branch = full_name(ref)
    names = [branch] if ref is None else [branch, f"refs/tags/{ref}", f"refs/tags/{ref}^{{}}"]
    proven = path.with_name(path.name + ".proven")
    proof = f"{branch} {rev}"
    if proof in _lines(proven):  # no git is started for what is known
        return True
    if offline:
        return None
    with exclusive(path.with_name(path.name + ".lock"), wait=True):
        _make(path)
        refs = list_refs(remote, names)
        if branch not in refs and not refs:
            raise GitError("no-such-ref", f"{hide_secrets(remote.url)} has no branch or tag {ref!r}")
        on = rev in refs.values() or (branch in refs and _is_since(remote, path, branch, rev, date))
        if on:
            keep(proven, "\n".join([*_lines(proven)[-_MOST_PROOFS:], proof]).encode("utf-8", "surrogateescape"))
        return on


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text("utf-8", "surrogateescape").split("\n")
    except OSError:
        return []


def _is_since(remote: Remote, path: Path, branch: str, rev: Rev, date: int) -> bool:
    """Tell whether a branch of the server has had a commit since the day before `date`."""
    kept = kept_as(branch)
    if rev in _commits(path, kept):
        return True
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(max(date - _SLACK_S, 0)))
    options = ("--filter=tree:0", f"--shallow-since={since}")
    try:
        run(["fetch", *FETCH_FLAGS, *options, "--", remote.name, f"+{branch}:{kept}"], remote, cwd=path)
    except GitError as error:
        if _NOTHING_NEWER in error.message:
            return False
        raise
    return rev in _commits(path, kept)


def _make(path: Path) -> None:
    try:
        if not is_made(path):
            make_own(path)
        clear_own(path)
    except OSError as error:
        raise cache_error(path, error) from None


def _commits(path: Path, ref: str) -> frozenset[Rev]:
    """Return the commits that are here of a branch; the history ends where it was cut off."""
    answer = process.git(["rev-list", "--ignore-missing", ref, "--"], cwd=path, check=False)
    return frozenset(map(Rev, answer.lines)) if answer.status == 0 else frozenset()
