"""Which flakes `init` lists: globs on their folders, and what nearly nobody wants unasked."""

from collections.abc import Sequence
from pathlib import Path

from flakesync.errors import ManifestError
from flakesync.workspace import values

USUAL = ("example", "examples", "template", "templates", "test", "tests")
"""Folders inside a repo whose flakes are left out, unless they are included by name."""


class Wanted:
    """The globs of one run.

    A glob without a slash is the name of a folder anywhere below what was searched; one with a slash is a path, below
    what was searched or below the top of a repo. Both stand for all that lies below, too.
    """

    def __init__(self, folders: Sequence[Path], include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        """folders: those that are searched. include: wins over exclude. Raises ManifestError (`usage`)."""
        self._roots = [folder.resolve() for folder in folders]
        self._include = list(map(_glob, include))
        self._exclude = list(map(_glob, exclude))

    def has(self, repo: Path, flake: str) -> bool:
        """Tell whether a flake is listed. repo: the top of its repo; flake: its folder in there, `.` for the top."""
        inside = "" if flake == "." else flake
        whole = [
            f"{(repo.relative_to(root)).as_posix()}/{inside}".strip("/").removeprefix("./")
            for root in self._roots
            if repo.is_relative_to(root)
        ]
        places = [place for place in (inside, *whole) if place not in ("", ".")]
        if any(_matches(each, place) for each in self._include for place in places):
            return True
        if any(_matches(each, place) for each in self._exclude for place in places):
            return False
        return not any(part in USUAL for part in inside.split("/"))


def _matches(pattern: str, place: str) -> bool:
    """Tell whether a glob is the folder, or one above it."""
    parts = place.split("/")
    if "/" not in pattern:
        return any(values.matches((pattern,), (part,)) for part in parts)
    return any(values.matches((pattern,), tuple(parts[:end])) for end in range(1, len(parts) + 1))


def _glob(word: str) -> str:
    pattern = word.removeprefix("./").strip("/")
    try:
        values.glob(pattern.replace(" ", "?"))
    except ManifestError as error:
        hint = "the name of a folder, or a path: `vendor`, `team/*`"
        raise ManifestError("usage", f"`{word}` is no glob on folders: {error.message}", hint=hint) from None
    return pattern
