"""What the parts of the native locker hand to each other."""

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from flakesync.errors import SyncError
from flakesync.nix.expression.inputs import InputSpec
from flakesync.nix.lock.file import LockFile
from flakesync.nix.reference.flakeref import Attr, FlakeRef


class NotNativeError(SyncError):
    """A lock that the native locker cannot write exactly.

    reason: a phrase for people. cure: what to do where Nix could not write it either (a server that lets nobody in).
    """

    def __init__(self, reason: str, *, cure: str | None = None) -> None:
        """Refuse, with the reason."""
        super().__init__(
            "not-native",
            f"the native locker cannot write this lock: {reason}",
            hint=cure or "with --locker auto or nix, Nix writes it",
        )
        self.reason = reason
        self.cure = cure


class DisagreementError(NotNativeError):
    """A flake.nix and a flake.lock that disagree; perhaps only as one dialect reads them."""


class SpellingError(DisagreementError):
    """A reference of which it is not known how one dialect writes it; where the lock may be in others, they decide."""


Beside = Callable[[str], "Flake"]
"""Reads the flake at a path relative to another's folder, in the same source. Raises: NotNativeError."""


def nothing_beside(path: str) -> "Flake":
    """Refuse to read a flake at a relative path: a Beside where there is no source to read it from."""
    raise NotNativeError(f"what lies at {path} is not known")


class Flake(msgspec.Struct, frozen=True):
    """A flake as it lies in its source: the inputs of its flake.nix, and its flake.lock (None: it has none).

    self_attrs: how it wants to be fetched itself, see FlakeInputs. submodules: whether its source has any. beside:
    reads the flakes that it takes by a relative path.
    """

    inputs: Mapping[str, InputSpec]
    lock: LockFile | None
    self_attrs: Mapping[str, bool] = msgspec.field(default_factory=dict)
    submodules: bool = False
    beside: Beside = nothing_beside


class Fetched(msgspec.Struct, frozen=True):
    """What a reference leads to.

    ref: the reference that was fetched. locked: gives `locked` as it is to be written beside an `original`. flake:
    reads its flake; only called for an input that is one.
    """

    ref: FlakeRef
    locked: Callable[[Mapping[str, Attr]], Mapping[str, Attr]]
    flake: Callable[[], Flake]


class Archive(msgspec.Struct, frozen=True, kw_only=True):
    """What an archive says of a commit. files: contents by path; where symlinks lead; None: not there."""

    nar_hash: str
    last_modified: int
    files: dict[str, bytes | None]


class Fetcher(Protocol):
    """Where the algorithm gets sources from. Both raise NotNativeError for what they cannot tell exactly."""

    def at(self, locked: Mapping[str, Attr]) -> Flake:
        """Return the flake that a node of a lock is locked to."""

    def newest(self, ref: FlakeRef) -> Fetched:
        """Return what a reference leads to now."""


class Dialect(msgspec.Struct, frozen=True):
    """Where the versions of Nix write different locks from the same flakes (`computeLocks` in their `flake.cc`).

    overrides_refetch: an input whose reference another flake overrides is fetched anew each time (before 2.20).
    overrides_keep_original: its `original` is what its own flake says (before 2.20): of a flake, and of a source that
    is none (`files_keep_original`, from 2.10 to 2.19). exact_originals: `original` of a lock is compared as it is
    written (before 2.28.4). keeps_nested: an input fetched anew takes its nested inputs from where the old lock had
    them (before 2.30.1). deep_overrides: overrides may be nested (from 2.30). follows_once: no way to an input may lead
    through the same follows twice (from 2.19). self_attrs: a flake may say how it is fetched itself (from 2.27);
    earlier ones refuse such a flake. relative_inputs: an input may be a path relative to its flake, and is locked
    without a hash (from 2.26; earlier ones copy it into the store). old_addresses: some addresses are written as they
    were typed, and with their `?dir=` (before 2.24.15).
    """

    name: str
    overrides_refetch: bool = False
    overrides_keep_original: bool = False
    files_keep_original: bool = False
    exact_originals: bool = False
    keeps_nested: bool = False
    deep_overrides: bool = False
    follows_once: bool = False
    self_attrs: bool = False
    relative_inputs: bool = False
    old_addresses: bool = False

    def keeps_original(self, *, flake: bool) -> bool:
        """Say whether an overridden input, a flake or not, notes the reference that its own flake gives."""
        return self.overrides_keep_original if flake else self.files_keep_original
