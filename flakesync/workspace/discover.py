"""`flakesync init`: find the flake repos below some folders, and write the workspace.toml that lists them."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path, PurePosixPath

from flakesync.errors import FlakesyncError, ManifestError, plain
from flakesync.nix.reference.flakeref import FlakeRef, Identity
from flakesync.terms import FlakeDir, RepoName
from flakesync.workspace.references import flake_url, repo_url

_SKIPPED = re.compile(r"\..*|node_modules|result(?:-.*)?", re.DOTALL)
_HEADER = """\
# The flake repositories of this workspace, as `flakesync init` found them: names, groups and pins are yours to change.
# `flakesync graph` shows what depends on what, `flakesync drift` who is behind. Every key: docs/workspace.md
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRepo:
    """A repo as init lists it. path: relative to the manifest. url: None when its `origin` says nothing usable."""

    name: RepoName
    path: str
    url: str | None
    flakes: tuple[FlakeDir, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """What init would write. pin: the suggested source of `[pins.nixpkgs]`, None without one. notes: for the user."""

    file: Path
    repos: tuple[FoundRepo, ...]
    pin: str | None
    notes: tuple[str, ...]
    text: str

    def write(self) -> None:
        """Write the manifest. Raises ManifestError (`manifest-exists`, `cannot-write`); never overwrites a file."""
        try:
            with self.file.open("x", encoding="utf-8") as out:
                out.write(self.text)
        except FileExistsError:
            raise _exists(self.file) from None
        except OSError as error:
            raise ManifestError("cannot-write", f"{self.file} cannot be written: {error.strerror}") from None


@dataclass(slots=True)
class _Found:
    """A folder that holds flakes: a git repository's top, or the topmost plain folder with a flake.nix."""

    folder: Path
    git: bool
    locked: list[str] = field(default_factory=list)
    unlocked: list[str] = field(default_factory=list)
    url: str | None = None

    @property
    def flakes(self) -> tuple[FlakeDir, ...]:
        """The flakes to list: what has no lock below the top is a template or a test far more often than a flake."""
        top = [flake for flake in self.unlocked if flake == "."]
        return tuple(FlakeDir(flake) for flake in sorted({*self.locked, *top}) or sorted(self.unlocked))


def discover(folders: Sequence[Path], file: Path) -> Discovery:
    """Look for flake repos in and below `folders`, and prepare a manifest at `file`. Writes nothing.

    A repo is a git repository (a clone, a worktree, a submodule, a bare one) with a flake.nix in it, or else the
    topmost plain folder with one. Hidden folders, node_modules, result links and symbolic links are not entered.
    What could not be read is a note.
    Raises ManifestError: `manifest-exists`, `no-such-folder`, `no-flakes` (nothing was found).
    """
    if os.path.lexists(file):
        raise _exists(file)
    notes: list[str] = []
    root = file.parent.resolve()
    found = _merged(_search(folders, notes), root, notes)
    if not found:
        raise ManifestError(
            "no-flakes",
            f"no flake.nix in or below {', '.join(str(folder) for folder in folders)}",
            hint="name the folder that holds your clones: `flakesync init DIR`",
        )
    names = _names(found)
    repos = tuple(
        FoundRepo(name=name, path=_relative(one.folder, root), url=one.url, flakes=one.flakes)
        for name, one in zip(names, found, strict=True)
    )
    notes.extend(_remarks(repos, found))
    pin = _suggest_pin(found, notes)
    text = _render(root.name or "workspace", repos, pin)
    return Discovery(file=file, repos=repos, pin=pin, notes=tuple(plain(note) for note in notes), text=text)


def _exists(file: Path) -> ManifestError:
    return ManifestError(
        "manifest-exists", f"{file} is already there", hint="move it away first; init never overwrites"
    )


def _search(folders: Sequence[Path], notes: list[str]) -> list[_Found]:
    """Return the folders that hold flakes, each once, in the order of their paths below each start."""
    found: list[_Found] = []
    seen: set[str] = set()
    for start in folders:
        if not start.is_dir():
            raise ManifestError("no-such-folder", f"{start} is not a folder")
        todo: list[tuple[str, _Found | None]] = [(os.path.realpath(start), None)]
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
    return [one for one in found if one.flakes]


def _look_at(
    folder: str, names: dict[str, bool], owner: _Found | None, found: list[_Found]
) -> tuple[_Found | None, bool]:
    """Note what a folder is. Return whom the flakes below it belong to, and whether to go there."""
    place = Path(folder)
    if ".git" in names or (names.get("objects") and names.get("refs") and names.get("HEAD") is False):
        owner = _Found(folder=place, git=True)
        found.append(owner)
        if ".git" not in names:
            _look_into_bare(owner)
            return owner, False
    has_flake = "flake.nix" in names and (place / "flake.nix").is_file()
    if has_flake and owner is None:
        owner = _Found(folder=place, git=False)
        found.append(owner)
    if has_flake and owner is not None:
        flakes = owner.locked if "flake.lock" in names else owner.unlocked
        flakes.append(place.relative_to(owner.folder).as_posix())
    return owner, True


def _look_into_bare(found: _Found) -> None:
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


def _merged(found: list[_Found], root: Path, notes: list[str]) -> list[_Found]:
    """Ask git where each clone came from, and keep one of those that are the same repository."""
    from flakesync.git.repository import Repository

    kept: dict[object, _Found] = {}
    for one in sorted(found, key=lambda one: not (one.folder / ".git").is_dir()):  # a clone before its worktrees
        if not _relative(one.folder, root).isprintable():
            notes.append(f"{str(one.folder)!a} has a name that a manifest cannot hold: left out")
            continue
        keys: list[object] = [Identity("", str(one.folder))]
        if one.git:
            try:
                with Repository.open(one.folder) as repository:
                    keys.append(("store", repository.common_dir.resolve()))
                    remote = repository.remote_url("origin")
            except FlakesyncError as error:
                notes.append(f"{_relative(one.folder, root)}: {error.message}")
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


def _names(found: Sequence[_Found]) -> list[RepoName]:
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


def _remarks(repos: Sequence[FoundRepo], found: Sequence[_Found]) -> Iterator[str]:
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


def _few(words: Sequence[str]) -> str:
    return ", ".join(words[:5]) + (f" and {len(words) - 5} more" if len(words) > 5 else "")


def _suggest_pin(found: Iterable[_Found], notes: list[str]) -> str | None:
    """Return the reference that most root flakes give for `nixpkgs`; None when no lock says it in a usable way."""
    votes: Counter[str] = Counter()
    for one in found:
        for flake in one.locked:
            votes.update(_nixpkgs_of(one.folder / flake / "flake.lock", notes))
    if not votes:
        return None
    source = max(votes, key=lambda url: (votes[url], url))
    others = sorted(url for url in votes if url != source)
    if others:
        notes.append(f"not every flake takes nixpkgs from {source}, some take {_few(others)}: these stay as they are")
    return source


def _nixpkgs_of(file: Path, notes: list[str]) -> list[str]:
    """Return the reference of the root input `nixpkgs`, when a pin could have it as its source."""
    from flakesync.nix.lock.file import LockFile

    try:
        node = LockFile.parse(file.read_bytes(), file=str(file)).node(("nixpkgs",))
        if node is None or node.original is None:
            return []
        reference = FlakeRef.from_attrs(node.original)
    except FlakesyncError as error:
        notes.append(error.message)
        return []
    except FileNotFoundError:
        return []  # a bare repository
    except OSError as error:
        notes.append(f"{file} cannot be read: {error.strerror}")
        return []
    usable = reference.rev is None and reference.identity is not None and reference.identity.host
    return [reference.to_url()] if usable else []


def _render(name: str, repos: Sequence[FoundRepo], pin: str | None) -> str:
    """Return the text of the manifest, as load_workspace reads it back."""
    import tomli_w

    document: dict[str, object] = {"workspace": {"name": plain(name)}}
    if pin is not None:
        document["pins"] = {"nixpkgs": {"source": pin, "target": "latest"}}
    tables: dict[str, object] = {}
    for repo in repos:
        table: dict[str, object] = {"url": repo.url} if repo.url is not None else {}
        table["path"] = repo.path
        if repo.flakes != (".",):
            table["flakes"] = list(repo.flakes)
        tables[repo.name] = table
    document["repos"] = tables
    return f"{_HEADER}\n{tomli_w.dumps(document)}"
