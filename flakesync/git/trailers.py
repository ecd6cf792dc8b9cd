"""The trailers of a commit message, as `git interpret-trailers` knows them: `NAME: VALUE` in the last paragraph."""

from collections.abc import Iterator

from flakesync.git.values import Commit


def trailer(commit: Commit, name: str) -> str | None:
    """Return the value of the first trailer of this name; None: a commit message has none."""
    return next(trailers(commit, name), None)


def trailers(commit: Commit, name: str) -> Iterator[str]:
    """Yield the values of the trailers of this name in the last paragraph of a commit message."""
    for line in commit.message.rstrip().rpartition("\n\n")[2].splitlines():
        key, separator, value = line.partition(":")
        if separator and key == name:
            yield value.strip()
