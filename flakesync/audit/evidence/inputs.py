"""What the flake.nix of locked flakes says of their inputs, as far as a repository here has the commit."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from flakesync.audit.evidence.model import Evidence, FlakeKey, Unknown, flake_key
from flakesync.audit.subject import Below
from flakesync.cache.layout import contents_folder
from flakesync.errors import GitError
from flakesync.git.remotes.remote import parse_remote
from flakesync.git.store.links import read_through
from flakesync.git.store.objects import ObjectReader
from flakesync.nix.expression.nested import overrides_of
from flakesync.nix.lock.node import LockNode
from flakesync.nix.reference.identity import Identity
from flakesync.terms import FlakeDir, flake_file

if TYPE_CHECKING:
    from flakesync.nix.expression.inputs import InputSpec

    Answer = Mapping[str, InputSpec] | Unknown
    Inputs = Mapping[Identity, Mapping[FlakeKey, Answer]]

_SHA256_DIGITS = 64


def overrides_in(inputs: "Inputs") -> Below | None:
    """Return what those flakes say that override inputs of their inputs; None: none of them changes a node.

    See `subjects`. What an override lets follow another input has no node, so follows alone change nothing.
    """
    overriding: dict[Identity, dict[FlakeKey, Answer]] = {}  # few, so that all others cost nothing
    changes = False
    for identity, flakes in inputs.items():
        for key, says in flakes.items():
            overrides = overrides_of(says) if not isinstance(says, Unknown) else {}
            if overrides:
                overriding.setdefault(identity, {})[key] = says
                changes = changes or any(reference is not None for reference in overrides.values())
    return Evidence(inputs=overriding).below if changes else None


def find_inputs(nodes: Iterable[LockNode], clones: Mapping[Identity, Path], cache: Path | None = None) -> "Inputs":
    """Return what each flake among some nodes that has inputs in its lock says of them, if it can be read here.

    clones: repositories that are here; what they do not have is left out. cache: where the files of all other commits
    have been fetched to, and what is not there is unknown; None: they have not. Nothing is fetched.
    """
    readers: dict[Path, ObjectReader] = {}
    found: dict[Identity, dict[FlakeKey, Answer]] = {}
    for node in nodes:
        identity = node.origin.found
        # Nearly every node goes no further than this line.
        if not node.inputs or identity is None or (cache is None and identity not in clones):
            continue
        key = flake_key(node)
        if key is None or key in found.get(identity, ()):
            continue
        answer = next(_answers(key, _places(key, clones, cache), readers), None)
        if answer is None and cache is not None:
            answer = Unknown(f"no repository here has the files of {identity} at {key[0].rev[:7]}")
        if answer is not None:
            found.setdefault(identity, {})[key] = answer
    return found


def _places(key: FlakeKey, clones: Mapping[Identity, Path], cache: Path | None) -> Iterator[Path]:
    """Yield the repositories that may have a commit with its files."""
    commit, _ = key
    if commit.identity in clones:
        yield clones[commit.identity]
    if cache is not None:
        with suppress(GitError):
            address = parse_remote(commit.url).url
            yield contents_folder(cache, address, sha256=len(commit.rev) == _SHA256_DIGITS)


def _answers(key: FlakeKey, places: Iterable[Path], readers: dict[Path, ObjectReader]) -> "Iterator[Answer]":
    for place in places:
        with suppress(GitError):  # it has not fetched the commit, or not its files
            yield _read(key, place, readers)


def _read(key: FlakeKey, repository: Path, readers: dict[Path, ObjectReader]) -> "Answer":
    """Raises: GitError."""
    from flakesync.nix.expression.inputs import NotStatic, read_inputs

    commit, dir = key
    if repository not in readers:
        readers[repository] = ObjectReader.open(repository)
    file = flake_file(FlakeDir(dir or "."), "flake.nix")
    flake_nix = read_through(readers[repository], commit.rev, file)
    if flake_nix is None:
        return Unknown(f"{commit.identity} has no {file} at {commit.rev[:7]}")
    read = read_inputs(flake_nix)
    if isinstance(read, NotStatic):
        return Unknown(f"only Nix can tell the inputs of {commit.identity}: {read.reason}")
    return read.inputs
