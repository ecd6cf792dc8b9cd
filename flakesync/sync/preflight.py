"""What would fail every repo alike, asked before anything starts."""

from collections.abc import Iterable
from pathlib import Path

from flakesync.errors import GitError
from flakesync.git.repository import Repository
from flakesync.git.values import Signature

NOBODY = Signature("flakesync", "dry-run@flakesync.invalid")
"""The author of the commits of a dry run, which are thrown away, where git does not know one."""


def require_identity(author: str | None, clones: Iterable[Path]) -> None:
    """Ask git who makes the commits; one clone that knows is enough, as the others then fail for themselves.

    author: of the manifest, None where it names none.

    Raises:
        GitError: `no-identity`, git does not know it for any of the clones.
    """
    if author is not None:
        return
    asked = False
    for clone in clones:
        asked = True
        if identity_in(clone) is not None:
            return
    if asked:
        raise GitError(
            "no-identity",
            "git does not know who makes the commits: user.name and user.email are not set",
            hint='set `author = "Name <mail>"` in [workspace], or git config --global user.name and user.email',
        )


def identity_in(clone: Path) -> Signature | None:
    """Return who would make a commit in a clone; None where git does not know, or the clone cannot be read.

    Why it cannot, its own bump says.
    """
    try:
        with Repository.open(clone) as repository:
            return repository.identity()
    except Exception as error:  # it fails for itself then, but for what is not its own
        if isinstance(error, GitError) and error.code == "git-settings":
            raise
        return None
