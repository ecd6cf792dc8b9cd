"""Fetch the newest commits of a branch, without files, as deep as somebody needs, and never more than so much.

By depth and not by date: a commit with a wrong date would else hide the one before it. For each address a bare
repository is kept, apart from the one for histories by date: a fetch by depth cuts off what is deeper.
"""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import msgspec

from flakesync.cache.keep import keep
from flakesync.cache.layout import window_folder
from flakesync.cache.lock import exclusive
from flakesync.errors import GitError
from flakesync.git import process
from flakesync.git.remotes.branch_history import NO_SHALLOW, fetch_commits, open_commits, remove
from flakesync.git.remotes.own import full_name, is_made, kept_as
from flakesync.git.remotes.remote import Address, Remote, parse_remote
from flakesync.git.remotes.window.commits import Window, WindowCommit
from flakesync.git.store.objects import ObjectReader, read_file
from flakesync.secrets import hide_secrets
from flakesync.terms import Rev

MOST_BYTES = 50 << 20
"""How much one fetch may bring. Without files that is a hundred thousand commits; with them it may be a single one."""
MOST_COMMITS = 50_000
DEPTHS = (32, 256, 2048, 16384)
_MOST_PACKS = 50
_NOT_AGAIN_S = 7 * 86_400
_MB = 1 << 20
_LOCAL = {"GIT_NO_LAZY_FETCH": "1"}

IsEnough = Callable[[Window], bool]
"""Tells whether a window goes far enough."""


def read_window(
    url: Address, ref: str | None, tip: Rev, cache: Path, is_enough: IsEnough, *, offline: bool = False
) -> Window | None:
    """Return the newest commits below `tip`, of a branch of the repository at `url` (None: its HEAD).

    It goes as deep as is enough, or as the history goes, or to a bound, which its note then names. What an earlier run
    has fetched is not fetched again. None: `offline`, and no earlier run has fetched that commit.

    Raises: GitError(`cache` | `unreachable` | `access-denied` | `no-such-ref` | `bad-url` | `git`), and GitError(
    `too-large`): it would be more than MOST_BYTES, GitError(`no-such-commit`): the branch does not have `tip` any more,
    GitError(`no-history`): the server has all of a history or nothing.
    """
    remote = parse_remote(url)
    path = window_folder(cache, remote.place)
    with exclusive(path.with_name(path.name + ".lock"), wait=True):
        known = _read(path, tip) if is_made(path) else None
        if offline or (known is not None and (known.is_whole or is_enough(known))):
            return known
        if known is not None and _is_at_bound(known, len(known.first_parents)):
            return _bounded(known, None)
        _require_small(remote, path)
        return _deepen(remote, path, ref, tip, is_enough, _start(path, ref) if known is None else _next(known))


def known_window(url: Address, ref: str | None, cache: Path) -> Window | None:
    """Return what earlier runs have fetched of a branch (None: the HEAD); None: nothing. No server is asked.

    Raises: GitError(`cache` | `bad-url` | `bad-ref` | `git`).
    """
    path = window_folder(cache, parse_remote(url).place)
    if not is_made(path):
        return None
    with exclusive(path.with_name(path.name + ".lock"), wait=True):
        top = ObjectReader.open(path).ref(kept_as(full_name(ref)))
        return _read(path, top) if top is not None else None


def _deepen(remote: Remote, path: Path, ref: str | None, tip: Rev, is_enough: IsEnough, start: int) -> Window:
    """Fetch more and more, from a depth on. Raises: GitError, as `read_window`."""
    _tidy(path)
    open_commits(path, [tip])
    note: str | None = None
    depths = [each for each in DEPTHS if each >= start]
    while True:
        depth, *depths = depths
        note = _fetch(remote, path, ref, depth) or note
        found = _read(path, tip)
        if found is None:
            shown = hide_secrets(remote.url)
            raise GitError("no-such-commit", f"{shown}: {ref or 'HEAD'} does not have {tip} any more")
        if found.is_whole or is_enough(found):
            return msgspec.structs.replace(found, note=note)
        if _is_at_bound(found, depth):
            return _bounded(found, note)


def _start(path: Path, ref: str | None) -> int:
    """Return the depth to begin with for a new tip: what was needed for the last one is soon brought up to date."""
    last = ObjectReader.open(path).ref(kept_as(full_name(ref))) if is_made(path) else None
    known = _read(path, last) if last is not None else None
    line = len(known.first_parents) if known is not None else 0
    return max((each for each in DEPTHS if each <= line), default=DEPTHS[0])


def _next(known: Window) -> int:
    line = len(known.first_parents)
    return next(each for each in DEPTHS if each > line)


def _is_at_bound(window: Window, depth: int) -> bool:
    return depth >= DEPTHS[-1] or len(window.commits) > MOST_COMMITS


def _bounded(window: Window, note: str | None) -> Window:
    bound = f"no more than the {len(window.commits):,} newest commits of its history were looked at"
    return msgspec.structs.replace(window, note=f"{note}; {bound}" if note else bound)


def _fetch(remote: Remote, path: Path, ref: str | None, depth: int) -> str | None:
    """Fetch a branch to some depth; return what is to be said of the server. Raises: GitError."""
    branch = full_name(ref)
    packs = path / "objects" / "pack"
    before = _bytes(packs.glob("*.pack"))
    # All that comes is then written to one file, be it little, and that file can be watched.
    watched = replace(remote, settings=(*remote.settings, ("fetch.unpackLimit", "1")))
    try:
        filters = fetch_commits(
            watched,
            path,
            [f"+{branch}:{kept_as(branch)}"],
            [f"--depth={depth}"],
            give_up=lambda: _bytes(packs.glob("tmp_pack_*")) > MOST_BYTES,
        )
    except GitError as error:
        if any(words in error.message for words in NO_SHALLOW):
            shown = hide_secrets(remote.url)
            raise GitError("no-history", f"{shown} does not give a part of its history alone") from None
        if error.code != "too-large":
            raise
        raise _refuse(remote, path) from None
    if filters:
        return None
    size = _bytes(packs.glob("*.pack")) - before
    if size > MOST_BYTES:  # it came faster than it was looked at
        raise _refuse(remote, path)
    if size < _MB:
        return None  # nobody would notice
    return f"{hide_secrets(remote.url)} sends whole trees: {depth} commits are {size / _MB:.1f} MB"


def _refuse(remote: Remote, path: Path) -> GitError:
    """Take away what has come of a history that is too large, and note that it is; return the error."""
    remove(path)
    keep(_too_large(path), str(time.time()).encode())
    return _refused(remote)


def _require_small(remote: Remote, path: Path) -> None:
    """Raise GitError(`too-large`) where that was found not long ago: nobody wants to find it out each night."""
    with suppress(OSError):
        if abs(time.time() - _too_large(path).stat().st_mtime) < _NOT_AGAIN_S:
            raise _refused(remote)


def _refused(remote: Remote) -> GitError:
    shown = hide_secrets(remote.url)
    hint = "let its server know filters: git config uploadpack.allowFilter true"
    words = f"its history is too big without filter: over {MOST_BYTES // _MB} MB"
    return GitError("too-large", f"{shown}: {words}", hint=hint)


def _too_large(path: Path) -> Path:
    return path.with_name(f"{path.name}.too-large")


def _tidy(path: Path) -> None:
    """Begin anew where many small packs have come together: what is needed is soon fetched."""
    if sum(1 for _ in (path / "objects" / "pack").glob("*.pack")) > _MOST_PACKS:
        remove(path)


def _bytes(files: Iterable[Path]) -> int:
    total = 0
    for file in files:
        with suppress(OSError):  # it has just got its name
            total += file.stat().st_size
    return total


def _read(path: Path, tip: Rev) -> Window | None:
    """Return what is here below a commit; None: it is not here, or not what leads to it. Raises: GitError."""
    if not ObjectReader.open(path).has(tip):
        return None
    try:
        return _parsed(path, tip, read_file(f"{path}/shallow") or b"")
    except GitError as error:
        if error.code != "git":
            raise
        return None  # a fetch that was cut off, or a power cut, has left a part of it


@lru_cache(maxsize=4)
def _parsed(path: Path, tip: Rev, shallow: bytes) -> Window:
    """Return what is here below a commit. shallow: where it was cut off; the two say all. Raises: GitError(`git`)."""
    argv = ["rev-list", "--topo-order", "--timestamp", "--parents", tip, "--"]
    commits: dict[Rev, WindowCommit] = {}
    for line in process.git(argv, cwd=path, env=_LOCAL).lines:
        date, rev, *parents = line.split(" ")
        commits[Rev(rev)] = WindowCommit(int(date), tuple(map(Rev, parents)))
    cut = shallow.decode("ascii", "replace").split()
    return Window(tip, commits, frozenset(Rev(rev) for rev in cut if rev in commits))
