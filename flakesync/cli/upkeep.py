"""What a command that has written mirrors does before it ends: they are packed, if they have to be."""

from flakesync.cli import screen
from flakesync.cli.options import Common
from flakesync.errors import INTERRUPTED, FlakesyncError


def tidy_cache(common: Common) -> None:
    """Keep the cache small, when the answer is out and nothing is read any more; what cannot be done is a note.

    Raises: FlakesyncError(`git-interrupted`): the user, or a signal, has ended it.
    """
    from flakesync.cache.layout import cache_dir
    from flakesync.git.upkeep.tidy import tidy
    from flakesync.report.text import count

    screen.flush()  # who reads the answer need not wait
    try:
        done = tidy(cache_dir())
    except FlakesyncError as error:
        if error.code in INTERRUPTED:
            raise
        _note(common, f"the cache could not be tidied up: {error.message}")
        return
    for path, failure in sorted(done.failed.items()):
        _note(common, f"{path} could not be packed: {failure.message}")
    if common.verbose and (done.packed or done.removed):
        left = f", {done.left} are left for the next run" if done.left else ""
        packed, removed = count(done.packed, "repository", "repositories"), count(done.removed, "file")
        _note(common, f"cache: {packed} packed{left}; {removed} that nobody used removed")


def _note(common: Common, text: str) -> None:
    if not common.quiet:
        screen.note(text)
