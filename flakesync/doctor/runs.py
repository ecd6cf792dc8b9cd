"""Who works on the workspace right now, and what dead gits have locked in its clones."""

import contextlib
import os
import re
from pathlib import Path

from flakesync.cache.layout import cache_dir, run_file
from flakesync.doctor.place import DoctorPlace
from flakesync.doctor.rows import DoctorRows, Rows, together
from flakesync.errors import FlakesyncError
from flakesync.git.store.objects import ObjectReader

_ROW = DoctorRows("runs")
_LOCKS = Path("/proc/locks")
_HELD = re.compile(r"^\d+: FLOCK +ADVISORY +WRITE (?P<process>-?\d+) (?P<device>[0-9a-f]+:[0-9a-f]+):(?P<inode>\d+) ")
_GIT_LOCKS = ("packed-refs.lock", "HEAD.lock", "config.lock", "shallow.lock")
_OLD_S = 600.0


def run_rows(place: DoctorPlace) -> Rows:
    """Give the rows about another run of this manifest, and about locks of git in the clones."""
    if place.workspace is None:
        return
    try:
        file = run_file(place.workspace.file, cache_dir(), "lock")
    except FlakesyncError:
        return  # the cache has a row of its own
    yield from _other_run(file)
    branch = place.workspace.branch
    found = [
        (
            repo.name,
            _ROW.warning(
                "locks of git",
                f"{lock} is older than {_OLD_S / 60:.0f} minutes",
                hint=f"if no git is running there, delete {lock}",
            ),
        )
        for repo, path in place.clones
        for lock in _git_locks(path, branch, place.now)
    ]
    yield from together(found, place.folders)
    if place.clones and not found:
        yield _ROW.ok("locks of git", "none is left in the clones")


def _other_run(file: Path) -> Rows:
    """Give the row about who holds a lock file, by the system's list: to try it would hold it, if for a moment."""
    try:
        held = _LOCKS.read_text("ascii", "replace")
    except OSError:
        yield _ROW.unseen("another run", "this system does not tell who holds a lock")
        return
    try:
        found = file.stat()
    except OSError:
        yield _ROW.ok("another run", "none has ever worked on this manifest here")
        return
    for line in held.splitlines():
        match = _HELD.match(line)
        if match is None or int(match["inode"]) != found.st_ino:
            continue
        process = int(match["process"])
        if not (_device(match["device"]) == found.st_dev or _has_open(process, found)):
            continue
        who = f"process {process}" if process > 0 else "a process outside of this container"
        hint = "a run that begins before it has ended stops with `busy`"
        yield _ROW.warning("another run", f"{who} holds this workspace", hint=hint)
        return
    yield _ROW.ok("another run", "none is going on")


def _device(text: str) -> int:
    major, _, minor = text.partition(":")
    return os.makedev(int(major, 16), int(minor, 16))


def _has_open(process: int, file: os.stat_result) -> bool:
    """Whether a process has a file open: overlays and btrfs list locks with another device than `stat` names."""
    try:
        handles = [*Path(f"/proc/{process}/fd").iterdir()]
    except OSError:
        return False
    for handle in handles:
        with contextlib.suppress(OSError):
            if os.path.samestat(handle.stat(), file):
                return True
    return False


def _git_locks(path: Path, branch: str, now: float) -> list[Path]:
    """Return the lock files that stop a run in a clone, and that are too old for a git at work."""
    try:
        common = Path(ObjectReader.open(path).common_dir)
    except FlakesyncError:
        return []  # the clones have rows of their own
    found = []
    for name in (*_GIT_LOCKS, f"refs/heads/{branch}.lock"):
        try:
            age_s = now - os.lstat(common / name).st_mtime
        except OSError:
            continue
        if age_s > _OLD_S:
            found.append(common / name)
    return found
