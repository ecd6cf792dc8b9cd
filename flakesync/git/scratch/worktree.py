"""A folder with the files of one commit, for checks to run in: a detached worktree in a private temporary folder.

What a run that was killed has left behind is taken away by the next run in the same temporary folder, and by the next
checkout in the same repository. Nobody else's worktrees are touched.
"""

import contextlib
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flakesync.git import process
from flakesync.git.failures import refused
from flakesync.git.repository import Repository
from flakesync.git.store.attributes import require_quick
from flakesync.gitenv import AS_COMMITTED, NO_SYSTEM_ATTRIBUTES, without_filters
from flakesync.processes.folders import clear, temporary_folder
from flakesync.terms import Rev

_PREFIX = "flakesync-checkout-"
_TRIES = 20
_LONGEST_S = 1800.0
"""The last resort against a git that never ends: a million files on a slow disk take less."""
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

    Raises: GitError(`git`): the files could not be written; GitError(`attributes`): it would take git for ever;
    GitError(`git-timeout`).
    """
    require_quick(repository.reader, rev, repository.common_dir / "info" / "attributes")
    entries = repository.common_dir / "worktrees"
    _clear_left_behind(entries)
    with contextlib.ExitStack() as stack:
        try:
            # git names its own entry after the last part of the path, which is one that no other has.
            tree = stack.enter_context(temporary_folder("checkout", along=lambda name: entries / name))
        except OSError as error:
            raise refused("no temporary folder for a checkout (TMPDIR)", error) from None
        _add(repository, tree, rev)
        yield tree


def _add(repository: Repository, tree: Path, rev: Rev) -> None:
    settings = (*_SETTINGS, *without_filters(repository.config))
    argv = ["worktree", "add", "--quiet", "--detach", "--", str(tree), rev]
    for _ in range(_TRIES):
        answer = process.git(
            argv, cwd=repository.path, env=NO_SYSTEM_ATTRIBUTES, config=settings, timeout_s=_LONGEST_S, check=False
        )
        # git reads the entries of all worktrees, also one that another process is writing at this moment; and the
        # folder of the entries goes with the last of them.
        if answer.status == 0 or not any(words in answer.err for words in _RACES):
            break
        time.sleep(0.05)
    if answer.status != 0:
        raise process.failure("worktree add", answer)


def _clear_left_behind(entries: Path) -> None:
    """Take away the checkouts of processes that are no more, wherever their folders are or were, with git's entries."""
    for entry in entries.iterdir() if entries.is_dir() else ():
        try:
            tree = (entry / (entry / "gitdir").read_text("utf-8", "surrogateescape").strip()).parent
        except OSError:
            continue
        if tree.parent.name.startswith(_PREFIX) and clear(tree.parent):
            shutil.rmtree(entry, ignore_errors=True)
