"""Bare repositories of flakesync's own, below the cache folder: made in one step, and freed of what a killed git left.

Nobody else works in them, and each has a lock of its own (`cache.lock.exclusive`) that is held meanwhile. So whatever
a git has locked there when the lock is got was left by one that is dead, and would stop all others for ever.
"""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from flakesync.cache.keep import make_folder
from flakesync.git import process
from flakesync.git.store.objects import is_blank, read_file
from flakesync.git.store.refs import remove_dead_lock
from flakesync.git.values import check_ref_name

_FOLDERS = ("", "objects", "objects/info", "objects/info/commit-graphs", "objects/pack")
"""Where git puts lock files and temporary files, beside refs/ and logs/."""
_TEMPORARY = ("tmp_", ".tmp-", "shallow_")


def make_own(path: Path, *, sha256: bool = False) -> None:
    """Make an empty bare repository at `path`, in the place of whatever is there.

    sha256: its commits have names of SHA-256, as those have that are to be fetched.

    Raises: OSError, GitError(`git`).
    """
    new = path.with_name(f"{path.name}.new")
    for old in (new, path):
        if old.exists():
            shutil.rmtree(old)
    make_folder(new)  # what git makes in it, by the user's umask, is out of others' reach
    names = f"--object-format={'sha256' if sha256 else 'sha1'}"
    process.git(["init", "--quiet", "--bare", "--template=", names, "--", str(new)])
    new.rename(path)


def full_name(ref: str | None) -> str:
    """Return the full name of a branch (`main`) or ref; None is the server's HEAD. Raises: GitError(`bad-ref`)."""
    if ref is None:
        return "HEAD"
    return check_ref_name(ref if ref.startswith("refs/") else f"refs/heads/{ref}")


def kept_as(name: str) -> str:
    """Return the ref of ours that keeps what is fetched of a server's ref, whatever it is called."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
    return f"refs/flakesync/{digest[:16]}"


def is_made(path: Path) -> bool:
    """Tell whether there is a repository; what is no more than the beginning of one is none."""
    return (path / "HEAD").exists() and (path / "objects").is_dir() and (path / "refs").is_dir()


def clear_own(path: Path) -> None:
    """Take away what gits that were killed have left, and refs that have lost their content. Raises: OSError.

    A ref that another run of flakesync is moving right now stays locked. Worktrees are not looked at.
    """
    for file in _leftovers(path):
        if file.endswith(".lock"):
            with contextlib.suppress(IsADirectoryError):
                remove_dead_lock(file, of_git=True)
        elif os.path.isdir(file):  # noqa: PTH112
            shutil.rmtree(file, ignore_errors=True)
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(file)  # noqa: PTH108


def _leftovers(path: Path) -> Iterator[str]:
    # Strings here: each run looks at every mirror so, and pathlib takes twice as long.
    for folder in _FOLDERS:
        place = f"{path}/{folder}" if folder else str(path)
        for name, _ in _entries(place):
            # A `.keep` is there while a pack is being fetched; afterwards it would keep the pack for ever.
            if name.endswith((".lock", ".keep")) or name.startswith(_TEMPORARY) or name == "gc.pid":
                yield f"{place}/{name}"
    for top in ("refs", "logs"):
        folders = [f"{path}/{top}"]
        for folder in folders:
            for name, is_folder in _entries(folder):
                file = f"{folder}/{name}"
                if is_folder:
                    folders.append(file)
                elif name.endswith(".lock") or (top == "refs" and is_blank(read_file(file))):
                    yield file


def _entries(folder: str) -> list[tuple[str, bool]]:
    """Return what is in a folder, and whether it is one; nothing where there is no folder. Raises: OSError."""
    try:
        with os.scandir(folder) as entries:
            return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    except (FileNotFoundError, NotADirectoryError):
        return []
