"""The flake.nix of a flake that was read, for those who edit it."""

from pathlib import Path

import msgspec

from flakesync.git.store.links import find_through
from flakesync.git.store.objects import ObjectReader
from flakesync.terms import FlakeDir, flake_file
from flakesync.workspace.snapshot import PlainFolder, RepoAtCommit, RepoState


class FlakeFile(msgspec.Struct, frozen=True):
    """A regular file of a repo. file: its own path in it, which no link is in."""

    file: str
    data: bytes


def read_flake_nix(state: RepoState, dir: FlakeDir, name: str = "flake.nix") -> FlakeFile | None:
    """Return the file that a flake's flake.nix leads to, at the commit that was read; None: there is none in the repo.

    Raises: GitError, OSError: it cannot be read.
    """
    file = flake_file(dir, name)
    match state:
        case RepoAtCommit(clone=clone, rev=rev):
            reader = ObjectReader.open(clone)
            found = find_through(reader, rev, file)
            return FlakeFile(found[0], reader.blob(found[1])) if found is not None else None
        case PlainFolder(repo=repo) if repo.path is not None:
            return _in_folder(repo.path, file)
        case _:
            return None


def _in_folder(folder: Path, file: str) -> FlakeFile | None:
    place = (folder / file).resolve()
    if not place.is_file() or not place.is_relative_to(folder.resolve()):
        return None
    return FlakeFile(place.relative_to(folder.resolve()).as_posix(), place.read_bytes())
