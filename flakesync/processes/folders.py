"""Temporary folders: they go with their block, on every way out, and with the next run where a run was killed.

Each holds a lock file that its process keeps locked; one whose lock is free belongs to nobody any more.

    TMPDIR/flakesync-PURPOSE-NAME/lock     held by the process; in it, the path of what goes with the folder
    TMPDIR/flakesync-PURPOSE-NAME/NAME/    what is worked in
"""

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from flakesync.processes import stop

Purpose = Literal[
    "archive",
    "bisect",
    "build",
    "bundle",
    "checkout",
    "dry-run",
    "import",
    "index",
    "lock",
    "offline",
    "relock",
    "task",
]
"""What they are for. The folder of `flakesync demo` is none of them: it is the user's."""

_PREFIXES = tuple(f"flakesync-{purpose}-" for purpose in get_args(Purpose))
_LOCK = "lock"
_NO_LOCK_FOR_S = 3600.0


class _Folder(NamedTuple):
    """One of this process. along: a folder elsewhere that goes with it. lock: the handle of its lock file."""

    top: Path
    along: Path | None
    lock: int

    @property
    def inside(self) -> Path:
        return self.top / self.top.name.rpartition("-")[2]


@contextmanager
def temporary_folder(purpose: Purpose, *, along: Callable[[str], Path] | None = None) -> Iterator[Path]:
    """Give an empty folder for this user alone, whose name no other has; it goes when the block ends, in whatever way.

    along: says, for its name, which folder somewhere else goes with it, made by whoever works in it; that is not there
    yet.

    Raises: OSError: it cannot be made.
    """
    with stop.undone(lambda: _make(purpose, along), _remove) as folder:
        yield folder.inside


def clear_left_behind() -> None:
    """Take away the folders of processes that are no more; what cannot be taken away stays.

    Once a run is enough: all of TMPDIR is listed for it.
    """
    with contextlib.suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            if entry.name.startswith(_PREFIXES) and _is_ours(entry):
                top = Path(entry.path)
                # Without a lock file: of a process that is about to make it, or that was killed before it had.
                if (top / _LOCK).exists() or _is_old(top):
                    clear(top)


def clear(top: Path) -> bool:
    """Take a folder away if its process is no more; return whether it is gone."""
    try:
        handle = os.open(top / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        _remove_folder(top)
        return True
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        along = os.fsdecode(os.read(handle, 1 << 16))
    except OSError:
        os.close(handle)
        return False
    _remove(_Folder(top, Path(along) if along else None, handle))
    return True


def _make(purpose: Purpose, along: Callable[[str], Path] | None) -> _Folder:
    while True:
        top = Path(tempfile.mkdtemp(prefix=f"flakesync-{purpose}-"))
        try:
            folder = _lock(top, along)
        except OSError:
            if not top.exists():
                continue  # it was cleared away before it was locked
            _remove_folder(top)
            raise
        if folder.along is None or not folder.along.exists():
            return folder
        _remove(folder._replace(along=None))


def _lock(top: Path, along: Callable[[str], Path] | None) -> _Folder:
    handle = os.open(top / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        folder = _Folder(top, None, handle)
        if along is not None:
            folder = folder._replace(along=along(folder.inside.name))
            os.write(handle, os.fsencode(folder.along or ""))
        folder.inside.mkdir(0o700)
    except BaseException:
        os.close(handle)
        raise
    return folder


def _remove(folder: _Folder) -> None:
    # What goes along first: killed in between, nobody but the lock file knows where it is.
    if folder.along is not None:
        shutil.rmtree(folder.along, ignore_errors=True)
        with contextlib.suppress(OSError):
            folder.along.parent.rmdir()  # as git does it: the folder of its worktrees goes with the last of them
    _remove_folder(folder.top)
    with contextlib.suppress(OSError):
        os.close(folder.lock)


def _is_ours(entry: "os.DirEntry[str]") -> bool:
    """Tell whether it is this user's: in a folder that all may write to, others can make what is called like ours."""
    with contextlib.suppress(OSError):
        return entry.is_dir(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_uid == os.geteuid()
    return False


def _is_old(top: Path) -> bool:
    with contextlib.suppress(OSError):
        return time.time() - top.stat().st_mtime > _NO_LOCK_FOR_S
    return False


def _remove_folder(path: Path) -> None:
    """Delete a folder, also one in which a check has made read-only folders; what cannot be deleted stays."""

    def retry(function: Callable[..., object], name: str, _: object) -> None:
        with contextlib.suppress(OSError):
            for folder in (os.path.dirname(name), name):  # noqa: PTH120
                if not os.path.islink(folder) and Path(folder).is_relative_to(path):  # noqa: PTH114
                    os.chmod(folder, stat.S_IRWXU)  # noqa: PTH101
            if os.path.isdir(name) and not os.path.islink(name):  # noqa: PTH112, PTH114
                shutil.rmtree(name, ignore_errors=True)
            else:
                function(name)

    shutil.rmtree(path, onerror=retry)
