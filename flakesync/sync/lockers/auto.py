"""Which locker writes the locks of a run: native where it is exact, Nix for the rest, and Nix looking over native's."""

import os
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Literal

from msgspec.structs import replace

from flakesync.errors import NixError, SyncError
from flakesync.nix.lock.file import LockFile
from flakesync.nix.program.command import CheckRun, Nix
from flakesync.nix.program.process import quiet
from flakesync.nix.program.substituter import with_substituter
from flakesync.sync.lockers import FromClone, Locker, Request
from flakesync.sync.lockers.native.dialects import DIALECTS
from flakesync.sync.lockers.native.locker import NativeLocker
from flakesync.sync.lockers.native.sources import Sources
from flakesync.sync.lockers.native.values import NotNativeError
from flakesync.sync.lockers.nix import NixLocker, flake_folder
from flakesync.workspace.hosts import Hosts

LockerChoice = Literal["auto", "nix", "native"]


class FoundNix:
    """The Nix of a run, looked for when something first needs it; may be used from several threads at once.

    hosts: what Nix, and the git that it starts, log in with.
    """

    def __init__(self, hosts: Hosts) -> None:
        self.hosts = hosts
        self._guard = Lock()
        self._nix: Nix | None = None

    def get(self) -> Nix:
        """Return the Nix. Raises: NixError(`no-nix` | `nix-too-old`)."""
        with self._guard:
            if self._nix is None:
                self._nix = self._with_sources(Nix.find(self.hosts.for_nix(os.environ)))
            return self._nix

    def _with_sources(self, nix: Nix) -> Nix:
        """Return a Nix that takes sources from the static cache of the workspace, where there is one."""
        folder = self.hosts.sources
        if folder is None or not (folder / "nix-cache-info").exists():
            return nix
        return with_substituter(nix, folder, without_usual=bool(self.hosts.mirrors))

    def run_check(self, argv: Sequence[str], folder: Path, *, give_up: Callable[[], bool] | None = None) -> CheckRun:
        """Run a repo's check, which needs no Nix of its own; see Nix.run_check."""
        return self._for_checks.run_check(argv, folder, give_up=give_up)

    @property
    def version(self) -> str:
        """What the checks of repos find as `nix`, with its version; nothing where there is none."""
        return self._for_checks.version_text

    @cached_property
    def _for_checks(self) -> Nix:
        try:
            return self.get()
        except NixError:
            return Nix(Path("nix"), (0, 0), "", environ=quiet(self.hosts.for_nix(os.environ)))


class AutoLocker:
    """A Locker that is native where that is exact, and Nix for the rest; `note` is told of those locks, and why."""

    def __init__(self, native: Locker, nix: FoundNix, note: Callable[[str], None]) -> None:
        self._native = native
        self._nix = _LazyNixLocker(nix)
        self._mirrors = nix.hosts.mirrors
        self._note = note

    @property
    def name(self) -> str:
        """Who has written locks so far."""
        return ", ".join([self._native.name, *self._nix.names])

    def lock(self, request: Request) -> LockFile:
        """Return the new lock; see Locker."""
        try:
            return self._native.lock(request)
        except NotNativeError as error:
            try:
                real = self._nix.get()
            except NixError as missing:
                hint = error.cure or missing.hint
                raise SyncError(error.code, f"{error.message}; and {missing.message}", hint=hint) from error
            self._note(f"{request.repo}: Nix writes its lock: {error.reason}")
            try:
                return real.lock(request)
            except (NixError, SyncError) as failed:
                if failed.code not in ("nix-offline", "not-mirrored") or not self._mirrors:
                    raise
                message = f"{error.message}; and {failed.message}"
                hint = error.cure or "name mirrors of all that its inputs take in [mirrors], or lock it outside"
                raise SyncError("not-mirrored", message, hint=hint) from failed


class VerifiedLocker:
    """A Locker whose every lock has to be, byte for byte, what Nix would have written itself."""

    def __init__(self, native: Locker, nix: FoundNix) -> None:
        self._native = native
        self._found = nix
        self._nix = _LazyNixLocker(nix)

    @property
    def name(self) -> str:
        """Who writes and who looks over it."""
        return f"{self._native.name}, verified by {self._nix.get().name}"

    def lock(self, request: Request) -> LockFile:
        """Return the new lock; see Locker. Raises: SyncError(`native-differs`)."""
        lock = self._native.lock(request)
        real = self._nix.get()
        hint = f"a bug in flakesync, or the lock is from quite another Nix than {real.name}; --locker nix is safe"
        if real.lock(request).to_bytes() != lock.to_bytes():
            raise SyncError("native-differs", f"{real.name} writes another lock than flakesync", hint=hint)
        # What nobody has pushed yet cannot be looked at where the lock says it is.
        if all(not isinstance(move.source, FromClone) or move.source.pushed for move in request.moves):
            with flake_folder(replace(request, lock=lock)) as (folder, root):
                if not self._found.get().check_lock(folder, git_root=root):
                    raise SyncError("native-differs", f"{real.name} would change the lock again", hint=hint)
        return lock


class _LazyNixLocker:
    """A NixLocker that is made when it is first needed."""

    def __init__(self, nix: FoundNix) -> None:
        self._found = nix
        self._guard = Lock()
        self._locker: NixLocker | None = None

    @property
    def names(self) -> Sequence[str]:
        return [self._locker.name] if self._locker is not None else []

    def get(self) -> NixLocker:
        with self._guard:
            if self._locker is None:
                self._locker = NixLocker(self._found.get(), self._found.hosts)
            return self._locker


def choose_locker(
    choice: LockerChoice,
    sources: Sources,
    nix: FoundNix,
    note: Callable[[str], None],
    *,
    verify: bool = False,
    dialect: str | None = None,
) -> Locker:
    """Return the locker of a run.

    note: is told which locks Nix writes, and why. verify: whether Nix looks over what native writes. dialect: what
    native writes like, a key of DIALECTS; None: see NativeLocker.

    Raises:
        NixError: it is Nix, and there is none.
    """
    if choice == "nix":
        return NixLocker(nix.get(), nix.hosts)
    native: Locker = NativeLocker(sources, DIALECTS[dialect] if dialect is not None else None)
    if verify:
        nix.get()
        native = VerifiedLocker(native, nix)
    return native if choice == "native" else AutoLocker(native, nix, note)
