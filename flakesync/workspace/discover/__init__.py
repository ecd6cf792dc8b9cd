"""`flakesync init`: find the flake repos below some folders, and write the workspace.toml that lists them."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

import msgspec

from flakesync.errors import FlakesyncError, ManifestError, plain
from flakesync.nix.reference.flakeref import Identity
from flakesync.terms import FlakeDir, RepoName, flake_file
from flakesync.workspace.discover.locks import SuggestedPin, suggest_pins
from flakesync.workspace.discover.search import Found, search
from flakesync.workspace.discover.text import manifest_text
from flakesync.workspace.discover.wanted import Wanted
from flakesync.workspace.references import flake_url, repo_url
from flakesync.workspace.schema.document import SCHEMA_FILE, manifest_schema


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRepo:
    """A repo as init lists it. path: relative to the manifest. url: None when its `origin` says nothing usable."""

    name: RepoName
    path: str
    url: str | None
    flakes: tuple[FlakeDir, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """What init would write. pins: the suggested ones. notes: for the user."""

    file: Path
    repos: tuple[FoundRepo, ...]
    pins: tuple[SuggestedPin, ...]
    notes: tuple[str, ...]
    text: str

    def write(self) -> None:
        """Write the manifest, and beside it the schema that its first line names. No file is ever overwritten.

        Raises: ManifestError (`manifest-exists`, `cannot-write`).
        """
        schema = msgspec.json.format(msgspec.json.encode(manifest_schema()), indent=2) + b"\n"
        try:
            # The manifest last: where there is one, all has been done.
            with suppress(FileExistsError):
                _write_new(self.file.parent / SCHEMA_FILE, schema)
            _write_new(self.file, self.text.encode())
        except FileExistsError:
            raise _exists(self.file) from None
        except OSError as error:
            raise ManifestError("cannot-write", f"{self.file} cannot be written: {error.strerror}") from None


def discover(
    folders: Sequence[Path], file: Path, *, include: Sequence[str] = (), exclude: Sequence[str] = ()
) -> Discovery:
    """Look for flake repos in and below `folders`, and prepare a manifest at `file`. Writes nothing.

    A repo is a git repository (a clone, a worktree, a submodule, a bare one) with a flake.nix in it, or else the
    topmost plain folder with one. Hidden folders, node_modules, result links and symbolic links are not entered.
    What could not be read is a note. include, exclude: see Wanted.

    Raises:
        ManifestError: `manifest-exists`, `no-such-folder`, `usage` (a glob), `no-flakes` (nothing was found).
    """
    if os.path.lexists(file):
        raise _exists(file)
    notes: list[str] = []
    root = file.parent.resolve()
    every = _merged(search(folders, Wanted(folders, include, exclude), notes), root, notes)
    found = [one for one in every if one.flakes]
    notes.extend(
        f"{_relative(one.folder, root)}: all its flakes are left out: {_few(one.skipped)}"
        for one in every
        if not one.flakes
    )
    if not found:
        raise ManifestError(
            "no-flakes",
            f"no flake.nix in or below {', '.join(str(folder) for folder in folders)}"
            + (f", but for {_few([name for one in every for name in one.skipped])}" if every else ""),
            hint="`--include GLOB` takes in what is left out" if every else _WHERE,
        )
    repos = tuple(
        FoundRepo(name=name, path=_relative(one.folder, root), url=one.url, flakes=one.flakes)
        for name, one in zip(_names(found), found, strict=True)
    )
    notes.extend(_remarks(repos, found))
    by_name = {repo.name: one for repo, one in zip(repos, found, strict=True)}
    pins, others = suggest_pins(
        {name: [one.folder / flake / "flake.lock" for flake in one.locked] for name, one in by_name.items()}
    )
    if others:
        listed = _few([each.source for each in others])
        notes.append(f"no pin for what fewer than two repos take: {listed}: these stay as they are")
    text = manifest_text(
        root.name or "workspace",
        {pin.name: pin.source for pin in pins},
        {repo.name: _table(repo) for repo in repos},
        {name: list(_left_out(one)) for name, one in by_name.items()},
    )
    return Discovery(file=file, repos=repos, pins=tuple(pins), notes=tuple(map(plain, notes)), text=text)


_WHERE = "name the folder that holds your clones: `flakesync init DIR`"


def _write_new(file: Path, data: bytes) -> None:
    """Write a file in one step, if there is none: whoever is killed meanwhile leaves no half of one.

    Raises: OSError, FileExistsError among them.
    """
    part = file.with_name(f".{file.name}.flakesync-part")
    part.unlink(missing_ok=True)  # of a run that was killed
    try:
        with part.open("xb") as out:
            out.write(data)
        try:
            os.link(part, file)  # it fails if the name is taken, as a rename does not
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            if os.path.lexists(file):
                raise FileExistsError from None
            part.rename(file)
    finally:
        part.unlink(missing_ok=True)


def _exists(file: Path) -> ManifestError:
    return ManifestError(
        "manifest-exists", f"{file} is already there", hint="move it away first; init never overwrites"
    )


def _table(repo: FoundRepo) -> Mapping[str, object]:
    table: dict[str, object] = {"url": repo.url} if repo.url is not None else {}
    table["path"] = repo.path
    if repo.flakes != (".",):
        table["flakes"] = list(repo.flakes)
    return table


def _left_out(found: Found) -> Iterator[str]:
    """Yield what a comment says of flakes that are not listed, or whose lock cannot be used."""
    for flake, problem in sorted(found.unusable.items()):
        told = "cannot be used" if flake in found.flakes else "left out"
        yield f"{told}: {flake_file(FlakeDir(flake))}: {problem}"
    if found.skipped:
        yield f"left out, `init --include` takes them in: {_few(sorted(found.skipped))}"


def _cannot_hold(folder: Path) -> str:
    return plain(f"{str(folder)!r} has a name that a manifest cannot hold: left out")


def _merged(found: list[Found], root: Path, notes: list[str]) -> list[Found]:
    """Ask git where each clone came from, and keep one of those that are the same repository."""
    from flakesync.git.repository import Repository
    from flakesync.git.store.refs import refs_below

    kept: dict[object, Found] = {}
    for one in sorted(found, key=lambda one: not (one.folder / ".git").is_dir()):  # a clone before its worktrees
        if not _relative(one.folder, root).isprintable():
            notes.append(_cannot_hold(one.folder))
            continue
        notes += [_cannot_hold(one.folder / flake) for flake in one.leave_out_unprintable()]
        if not (one.flakes or one.skipped):
            continue
        keys: list[object] = [Identity("", str(one.folder))]
        if one.git:
            try:
                with Repository.open(one.folder) as repository:
                    keys.append(("store", repository.common_dir.resolve()))
                    remote = repository.remote_url("origin")
                    if refs_below(repository.reader, "refs") == {}:
                        notes.append(f"{_relative(one.folder, root)} has no commit yet: left out")
                        continue
            except FlakesyncError as error:
                notes.append(f"{_relative(one.folder, root)}: {error.message}")
                if error.code == "dubious-ownership":  # no command could use it
                    notes[-1] += f": left out ({error.hint})"
                    continue
                remote = None
            one.url, identity = _origin(remote)
            if identity is not None:
                keys.append(identity)
        first = next((kept[key] for key in keys if key in kept), one)
        if first is not one:
            notes.append(
                f"{_relative(one.folder, root)} is the same repository as {_relative(first.folder, root)}: left out"
            )
            continue
        kept.update(dict.fromkeys(keys, one))
    chosen = {id(one) for one in kept.values()}
    return [one for one in found if id(one) in chosen]


def _origin(remote: str | None) -> tuple[str | None, Identity | None]:
    """Return the flake reference of a clone's origin, and its identity; (None, None) where it has none."""
    url = flake_url(remote) if remote is not None else None
    try:
        return (url, repo_url(url).identity) if url is not None else (None, None)
    except FlakesyncError:
        return None, None


def _names(found: Sequence[Found]) -> list[RepoName]:
    """Return a name for each: its folder's; where that is taken, with the folder above it in front, or a number."""
    taken: set[str] = set()
    names: list[RepoName] = []
    for one in found:
        name = _as_name(one.folder.name.removesuffix(".git")) or "repo"
        longer = _as_name(f"{one.folder.parent.name}-{name}")
        choices = chain((name, longer), (f"{name}-{number}" for number in count(2)))
        names.append(RepoName(next(choice for choice in choices if choice not in taken)))
        taken.add(names[-1])
    return names


def _as_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.+-]+", "-", text).strip("-.+")


def _relative(folder: Path, root: Path) -> str:
    return os.path.relpath(folder, root)


def _remarks(repos: Sequence[FoundRepo], found: Sequence[Found]) -> Iterator[str]:
    pairs = list(zip(repos, found, strict=True))
    nameless = [repo.name for repo, one in pairs if one.git and repo.url is None]
    if nameless:
        yield f"no `origin` that others could use, add `url` where there is one: {_few(nameless)}"
    folders = [repo.name for repo, one in pairs if not one.git]
    if folders:
        yield f"plain folders, which graph, drift and plan read but sync refuses: {_few(folders)}"
    for repo, one in pairs:
        skipped = [flake for flake in one.unlocked if flake not in repo.flakes]
        if skipped:
            yield f"{repo.name}: without a flake.lock, and so not in `flakes`: {_few(skipped)}"
        for flake, problem in sorted(one.unusable.items()):
            yield f"{one.folder / flake / 'flake.lock'} cannot be used: {problem}"
    left_out = [f"{repo.name}/{flake}" for repo, one in pairs for flake in sorted(one.skipped)]
    if left_out:
        yield f"left out, `--include` takes them in: {_few(left_out)}"


def _few(words: Sequence[str]) -> str:
    return ", ".join(words[:5]) + (f" and {len(words) - 5} more" if len(words) > 5 else "")
