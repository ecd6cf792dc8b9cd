"""What the flake.nix of locked flakes says of their inputs, as far as a repository here has the commit."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from flakesync.audit.evidence.model import FlakeKey, Unknown, flake_key
from flakesync.errors import GitError
from flakesync.git.store.links import read_through
from flakesync.git.store.objects import ObjectReader
from flakesync.nix.lock.node import LockNode
from flakesync.nix.reference.identity import Identity
from flakesync.terms import FlakeDir, flake_file

if TYPE_CHECKING:
    from flakesync.nix.expression.inputs import InputSpec

    Answer = Mapping[str, InputSpec] | Unknown


def find_inputs(nodes: Iterable[LockNode], repositories: Mapping[Identity, Path]) -> "Mapping[FlakeKey, Answer]":
    """Return what each flake among some nodes that has inputs in its lock says of them, if it can be read here.

    repositories: where the commits may be. What they do not have is left out: nothing is fetched.
    """
    readers: dict[Path, ObjectReader] = {}
    found: dict[FlakeKey, Answer] = {}
    for node in nodes:
        # Nearly every node goes no further than this line.
        if not node.inputs or node.origin.found not in repositories:
            continue
        key = flake_key(node)
        if key is None or key in found:
            continue
        try:
            found[key] = _read(key, repositories[key[0].identity], readers)
        except GitError:
            continue  # a clone that has not fetched the commit, or not its files
    return found


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
