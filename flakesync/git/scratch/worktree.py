"""A folder with the files of one commit, for checks to run in: a detached worktree in a private temporary folder.

Each checkout's folder holds a lock file that its process keeps locked. A folder whose lock is free was left behind by
a run that was killed; the next checkout in the same repository takes it away. Nobody else's worktrees are touched.
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

from flakesync.errors import GitError
from flakesync.git import process
from flakesync.git.repository import Repository
from flakesync.gitenv import AS_COMMITTED, NO_SYSTEM_ATTRIBUTES, without_filters
from flakesync.terms import Rev

_PREFIX = "flakesync-checkout-"
_LOCK = "lock"
_TRIES = 20
_RACES = ("failed to read", "could not create directory of")
_SETTINGS = (
    *AS_COMMITTED,
    ("core.sparseCheckout", "false"),
    ("core.protectNTFS", "false"),
    # With relative paths to its worktrees (git 2.48) the user's clone could not be read by older versions any more.
    ("worktree.useRelativePaths", "false"),
)


@contextmanager
def checkout(repository: Repository, rev: Rev) -> Iterator[Path]:
    """Give a detached worktree at `rev`; take it away when the block ends, in whatever way.

    Its files are the bytes of the commit, all of them, but for what the commit's own .gitattributes (and the clone's
    info/attributes) say of line ends: whatever the user has set for working trees of his own. No hook and no filter
    runs, so Git LFS leaves its pointers; submodules are empty folders.

    Raises: GitError(`git`): the files could not be written.
    """
    _remove_left_behind(repository)
    try:
        top = Path(tempfile.mkdtemp(prefix=_PREFIX))
    except OSError as error:
        raise GitError("git", f"no temporary folder for a checkout: {error.strerror}") from None
    # git names its own entry (.git/worktrees/NAME) after the last part of the path: no two at once may be the same.
    tree = top / top.name.removeprefix(_PREFIX)
    with contextlib.ExitStack() as stack:
        handle = os.open(top / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        stack.callback(os.close, handle)
        fcntl.flock(handle, fcntl.LOCK_EX)
        stack.callback(_remove, repository, top, tree)
        _add(repository, tree, rev)
        yield tree


def _add(repository: Repository, tree: Path, rev: Rev) -> None:
    settings = (*_SETTINGS, *without_filters(repository.config))
    argv = ["worktree", "add", "--quiet", "--detach", "--", str(tree), rev]
    for _ in range(_TRIES):
        answer = process.git(argv, cwd=repository.path, env=NO_SYSTEM_ATTRIBUTES, config=settings, check=False)
        # git reads the entries of all worktrees, also one that another process is writing at this moment; and the
        # folder of the entries goes with the last of them.
        if answer.status == 0 or not any(words in answer.err for words in _RACES):
            break
        time.sleep(0.05)
    if answer.status != 0:
        raise process.failure("worktree add", answer)


def _remove(repository: Repository, top: Path, tree: Path) -> None:
    _remove_folder(top)
    # With its folder gone this only takes git's entry away. It fails if there was none: git had not got so far.
    argv = ["worktree", "remove", "--force", "--force", "--", str(tree)]
    process.git(argv, cwd=repository.path, check=False)


def _remove_left_behind(repository: Repository) -> None:
    """Take away the checkouts of processes that are no more."""
    entries = repository.common_dir / "worktrees"
    for entry in entries.iterdir() if entries.is_dir() else ():
        try:
            tree = (entry / (entry / "gitdir").read_text("utf-8", "surrogateescape").strip()).parent
        except OSError:
            continue
        if tree.parent.name.startswith(_PREFIX) and _is_left_behind(tree.parent):
            _remove(repository, tree.parent, tree)


def _is_left_behind(top: Path) -> bool:
    try:
        handle = os.open(top / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


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
