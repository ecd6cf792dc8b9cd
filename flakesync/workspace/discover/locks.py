"""What `init` reads in locks: whether they can be used, and which pins they suggest."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from flakesync.errors import FlakesyncError, LockError
from flakesync.nix.lock.file import LockFile
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.nix.reference.source import resolved
from flakesync.terms import RepoName

_NIXPKGS = "nixpkgs"


class SuggestedPin(NamedTuple):
    """A pin that init writes. repos: how many take its source at this ref."""

    name: str
    source: str
    repos: int


@lru_cache(maxsize=4096)
def _read(file: Path) -> LockFile | LockError | None:
    """Return a lock, or what is wrong with it; None: it is not there as a file (a bare repository)."""
    try:
        data = file.read_bytes()
        if not data.strip():
            return LockError("bad-lock", "is empty", file=str(file))
        return LockFile.parse(data, file=str(file))
    except LockError as error:
        return error
    except FileNotFoundError:
        return None
    except OSError as error:
        return LockError("bad-lock", f"cannot be read: {error.strerror}", file=str(file))


def what_is_wrong(file: Path) -> str | None:
    """Return why a lock cannot be used, without its name; None where it can, or is not there as a file."""
    found = _read(file)
    return found.message.removeprefix(f"{file}: ") if isinstance(found, LockError) else None


def suggest_pins(locks: Mapping[RepoName, Iterable[Path]]) -> tuple[list[SuggestedPin], list[SuggestedPin]]:
    """Return the pins on nixpkgs that are worth it, and the references that fewer repos take.

    locks: the flake.lock files of each repo. A pin is suggested for each ref that two repos take or more; where there
    is none, for the one that most call `nixpkgs`. That one comes first.
    """
    spelled: dict[object, str] = {}
    takers: dict[object, set[RepoName]] = defaultdict(set)
    called_so: Counter[object] = Counter()
    for repo, files in locks.items():
        for file in files:
            for name, reference in _nixpkgs_of(file):
                key: object = (reference.identity, _ref(reference))
                spelled.setdefault(key, reference.to_url())
                takers[key].add(repo)
                called_so[key] += name == _NIXPKGS
    ranked = sorted(takers, key=lambda key: (-called_so[key], -len(takers[key]), spelled[key]))
    shared = [key for key in ranked if len(takers[key]) > 1] or ranked[:1]
    names: list[str] = []
    for key in shared:
        names.append(_name(_words(spelled[key]), names, {_words(spelled[other]) for other in shared if other != key}))
    pins = [SuggestedPin(name, spelled[key], len(takers[key])) for name, key in zip(names, shared, strict=True)]
    return pins, [SuggestedPin("", spelled[key], len(takers[key])) for key in ranked if key not in shared]


def _ref(reference: FlakeRef) -> object:
    """Return what tells two references to one place apart: the branch, or an archive's URL (its version is in it)."""
    if reference.type in ("tarball", "file"):
        return reference.attrs.get("url")
    return reference.ref.removeprefix("refs/heads/") if reference.ref is not None else None


def _words(source: str) -> str:
    """Return what a reference says of its ref, in characters that a name can have: `nixos-25.11`."""
    last = source.partition("?")[0].rstrip("/").rpartition("/")[2]
    ref = source.rpartition("ref=")[2].partition("&")[0] if "ref=" in source else last
    return "".join(char if char.isascii() and (char.isalnum() or char in "._+-") else "-" for char in ref).strip("-.")


def _name(words: str, taken: Collection[str], others: Collection[str]) -> str:
    """Return a pin's name: `nixpkgs` for the first, then with the ref behind it (`nixpkgs-unstable`).

    others: the refs of the other pins. None is called as another one's ref: nixos-unstable and nixpkgs-unstable are
    two branches.
    """
    if not taken:
        return _NIXPKGS
    short = words.removeprefix("nixos-").removeprefix("nixpkgs-") or "other"
    choices = [f"{_NIXPKGS}-{short}", f"{_NIXPKGS}-{words}", *(f"{_NIXPKGS}-{short}-{n}" for n in range(2, 1000))]
    return next(choice for choice in choices if choice not in taken and choice not in others)


def _nixpkgs_of(file: Path) -> Iterable[tuple[str, FlakeRef]]:
    """Yield the root inputs that are nixpkgs, or are called so: name and reference, where a pin could have it."""
    lock = _read(file)
    if not isinstance(lock, LockFile):
        return
    for name in lock.nodes[lock.root].inputs:
        try:
            node = lock.node((name,))
            if node is None or node.original is None:
                continue
            reference = FlakeRef.from_attrs(resolved(node.original, node.locked or {}))
        except FlakesyncError:
            continue
        identity = reference.identity
        if identity is None or not identity.host or reference.rev is not None:
            continue
        if name == _NIXPKGS or identity.path.rpartition("/")[2].lower() == _NIXPKGS:
            yield name, reference
