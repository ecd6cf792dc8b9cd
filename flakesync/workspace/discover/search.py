"""The folders below some others that hold flakes, and which of their flakes are to be listed."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from flakesync.errors import FlakesyncError, ManifestError
from flakesync.terms import FlakeDir
from flakesync.workspace.discover.locks import what_is_wrong
from flakesync.workspace.discover.wanted import Wanted

_SKIPPED = re.compile(r"\..*|node_modules|result(?:-.*)?", re.DOTALL)


@dataclass(slots=True)
class Found:
    """A folder that holds flakes: a git repository's top, or the topmost plain folder with a flake.nix.

    locked, unlocked: folders of flakes with and without a flake.lock. skipped: those that are left out by their name.
    unusable: those that are left out for their lock, each with what is wrong with it.
    """

    folder: Path
    git: bool
    locked: list[str] = field(default_factory=list)
    unlocked: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    unusable: dict[str, str] = field(default_factory=dict)
    url: str | None = None

    @property
    def flakes(self) -> tuple[FlakeDir, ...]:
        """The flakes to list: what has no lock below the top is a template or a test far more often than a flake.

        Where no lock at all can be used, those that have one: the repo is still an upstream of others.
        """
        top = [flake for flake in self.unlocked if flake == "."]
        usable = [flake for flake in self.locked if flake not in self.unusable]
        chosen = sorted({*usable, *top}) or sorted(self.locked) or sorted(self.unlocked)
        return tuple(map(FlakeDir, chosen))

    def leave_out_unprintable(self) -> list[str]:
        """Take out the flakes that no manifest could name, and return their folders."""
        odd = [flake for flake in (*self.locked, *self.unlocked) if not flake.isprintable()]
        for flakes in (self.locked, self.unlocked, self.skipped):
            flakes[:] = [flake for flake in flakes if flake.isprintable()]
        return odd


def search(folders: Sequence[Path], wanted: Wanted, notes: list[str]) -> list[Found]:
    """Return the folders that hold flakes, each once, in the order of their paths below each start.

    What could not be read is added to `notes`. Raises ManifestError: `no-such-folder`.
    """
    found: list[Found] = []
    seen: set[str] = set()
    for start in folders:
        if not start.is_dir():
            raise ManifestError("no-such-folder", f"{start} is not a folder")
        todo: list[tuple[str, Found | None]] = [(os.path.realpath(start), None)]
        while todo:
            folder, owner = todo.pop()
            if folder in seen:
                continue
            seen.add(folder)
            try:
                with os.scandir(folder) as entries:
                    names = {entry.name: entry.is_dir(follow_symlinks=False) for entry in entries}
            except OSError as error:
                notes.append(f"{folder} cannot be read: {error.strerror}")
                continue
            owner, enter = _look_at(folder, names, owner, found)
            if enter:
                inner = sorted((name for name, is_dir in names.items() if is_dir), reverse=True)
                todo.extend((f"{folder.rstrip('/')}/{name}", owner) for name in inner if not _SKIPPED.fullmatch(name))
    for one in found:
        _leave_out(one, wanted)
    return [one for one in found if one.flakes or one.skipped]


def _look_at(folder: str, names: dict[str, bool], owner: Found | None, found: list[Found]) -> tuple[Found | None, bool]:
    """Note what a folder is. Return whom the flakes below it belong to, and whether to go there."""
    place = Path(folder)
    if ".git" in names or (names.get("objects") and names.get("refs") and names.get("HEAD") is False):
        owner = Found(folder=place, git=True)
        found.append(owner)
        if ".git" not in names:
            _look_into_bare(owner)
            return owner, False
    has_flake = "flake.nix" in names and (place / "flake.nix").is_file()
    if has_flake and owner is None:
        owner = Found(folder=place, git=False)
        found.append(owner)
    if has_flake and owner is not None:
        flakes = owner.locked if "flake.lock" in names else owner.unlocked
        flakes.append(place.relative_to(owner.folder).as_posix())
    return owner, True


def _look_into_bare(found: Found) -> None:
    from flakesync.git.repository import Repository
    from flakesync.git.store.trees import list_files

    try:
        with Repository.open(found.folder) as repository:
            branch = repository.default_branch()
            rev = repository.branch(branch) if branch is not None else None
            if rev is None:
                return
            locks = {PurePosixPath(path).parent for path in list_files(repository.reader, rev, name="flake.lock")}
            for path in list_files(repository.reader, rev, name="flake.nix"):
                flake = PurePosixPath(path).parent
                (found.locked if flake in locks else found.unlocked).append(flake.as_posix())
    except FlakesyncError:
        return  # only looks like a repository


def _leave_out(found: Found, wanted: Wanted) -> None:
    """Take those flakes out that are not wanted, and note which locks cannot be used."""
    for flakes in (found.locked, found.unlocked):
        unwanted = [flake for flake in flakes if not wanted.has(found.folder, flake)]
        flakes[:] = [flake for flake in flakes if flake not in unwanted]
        found.skipped += unwanted
    for flake in found.locked:
        problem = what_is_wrong(found.folder / flake / "flake.lock")
        if problem is not None:
            found.unusable[flake] = problem
