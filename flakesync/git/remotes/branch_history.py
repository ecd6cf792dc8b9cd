"""The newest part of somebody else's branch, without its files: whether a commit is on it."""

import hashlib
import time
from pathlib import Path

from flakesync.cache.layout import branches_folder
from flakesync.cache.lock import cache_error, exclusive
from flakesync.errors import GitError
from flakesync.git import process
from flakesync.git.remotes.own import clear_own, is_made, make_own
from flakesync.git.remotes.remote import Address, list_refs, parse_remote, run
from flakesync.git.remotes.transfer import FETCH_FLAGS
from flakesync.git.values import check_ref_name
from flakesync.secrets import hide_secrets
from flakesync.terms import Rev

_SLACK_S = 86_400
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
    branch = "HEAD" if ref is None else ref if ref.startswith("refs/") else f"refs/heads/{ref}"
    names = [branch] if branch == "HEAD" else [check_ref_name(branch), f"refs/tags/{ref}", f"refs/tags/{ref}^{{}}"]
    kept = f"refs/flakesync/{hashlib.sha256(branch.encode()).hexdigest()[:16]}"
    with exclusive(path.with_name(path.name + ".lock"), wait=True):
        if not offline:
            _make(path)
        if rev in _commits(path, kept):
            return True
        if offline:
            return None
        refs = list_refs(remote, names)
        if rev in refs.values():
            return True
        if branch not in refs:
            if refs:
                return False  # a tag, and it names another commit
            raise GitError("no-such-ref", f"{hide_secrets(remote.url)} has no branch or tag {ref!r}")
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
    if not (path / "HEAD").exists():
        return frozenset()
    answer = process.git(["rev-list", "--ignore-missing", ref, "--"], cwd=path, check=False)
    return frozenset(map(Rev, answer.lines)) if answer.status == 0 else frozenset()
