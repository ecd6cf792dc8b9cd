"""The cache kept small: which repositories are packed, when, and for how long a run may do so."""

import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from flakesync.cache.expiry import UNUSED_S, remove_unused
from flakesync.cache.in_use import alone
from flakesync.cache.layout import repositories_in
from flakesync.cache.lock import cache_error, exclusive
from flakesync.errors import FlakesyncError, GitError
from flakesync.git.upkeep.pack import Files, count_files, pack

BUDGET_S = 60.0
"""How long one run goes on packing: some five hundred small repositories. The others are the next run's."""
TIMEOUT_S = 600.0
"""How long one git command may take for one repository: one of a gigabyte takes a minute."""
_WITH_REFS = frozenset({"mirrors", "branches"})
"""Rooms whose refs are those of a server. In the others each ref's own file tells when it was last used."""
_OF_A_COMMIT = re.compile(r"(?:commit-)?(?:[0-9a-f]{40}|[0-9a-f]{64})")


@dataclass
class Tidied:
    """What was done. packed: repositories. left: those that wait for the next run. removed: files and refs.

    failed: why a repository could not be packed, by its path.
    """

    packed: int = 0
    left: int = 0
    removed: int = 0
    failed: dict[Path, FlakesyncError] = field(default_factory=dict)


def tidy(cache: Path, *, budget_s: float = BUDGET_S) -> Tidied:
    """Pack the repositories of the cache that consist of many files, those of the most first; return what was done.

    Whoever works in one of them, in any other process, is not disturbed: then, and when the time is up, the rest is
    left. So this is for a process that does not work there any more. budget_s: wall-clock seconds, looked at before
    each repository.

    Raises: GitError(`cache` | `disk-full` | `git-interrupted` | `no-git`).
    """
    done, until = Tidied(), time.monotonic() + budget_s
    try:
        if (removed := remove_unused(cache)) is not None:
            done.removed = removed + _drop_unused_refs(cache)
        due = sorted(_due(cache), key=lambda each: each[1].need, reverse=True)
        for number, (path, files) in enumerate(due):
            with alone(cache) as mine:
                if not mine or time.monotonic() > until:
                    done.left = len(due) - number
                    break
                _pack(path, files, done)
    except OSError as error:
        raise cache_error(cache, error) from None
    return done


def _due(cache: Path) -> Iterator[tuple[Path, Files]]:
    for path in repositories_in(cache):
        files = count_files(path)
        if files.need >= 1:
            yield path, files


def _pack(path: Path, files: Files, done: Tidied) -> None:
    """Raises: OSError, GitError(`git-interrupted` | `no-git`)."""
    try:
        with exclusive(path.with_name(f"{path.name}.lock"), wait=False):
            pack(path, whole=files.is_whole_due, refs=path.parent.name in _WITH_REFS, timeout_s=TIMEOUT_S)
        done.packed += 1
    except GitError as error:
        if error.code in ("git-interrupted", "no-git", "git-settings"):
            raise
        if error.code != "busy":
            done.failed[path] = error


def _drop_unused_refs(cache: Path) -> int:
    """Drop the refs of single commits that nobody has used for 90 days; their objects go when they are packed."""
    gone, now = 0, time.time()
    for path in repositories_in(cache):
        folder = path / "refs/flakesync"
        if path.parent.name in _WITH_REFS or not folder.is_dir():
            continue
        with suppress(GitError), exclusive(path.with_name(f"{path.name}.lock"), wait=False):
            for file in folder.iterdir():
                if _OF_A_COMMIT.fullmatch(file.name) and now - file.stat().st_mtime > UNUSED_S:
                    file.unlink()
                    gone += 1
    return gone
