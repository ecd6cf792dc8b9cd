"""`git archive` of a commit: what a forge serves where export-ignore or export-subst change the tree."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flakesync.terms import Rev


@contextmanager
def archive(path: Path, rev: Rev) -> Iterator[Iterator[bytes]]:
    """Give the pieces of the tar archive of a commit, below one top folder, as `nar_hash_of_tar` takes them.

    Raises:
        GitError: `unstable-archive` if export-subst puts in what differs from clone to clone (`%d`, `%h`, …),
            `git` if git fails.
    """
    raise NotImplementedError
    yield iter(())
