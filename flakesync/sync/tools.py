"""What a process works with: one set for all repos of a run, shared by its threads."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Protocol

import msgspec

from flakesync.audit.gate import Gate
from flakesync.nix.lock.file import LockFile
from flakesync.nix.program.command import CheckRun
from flakesync.sync.bisect.verdicts import VerdictCache
from flakesync.sync.events import Event, Listener, Note, Progress, Result
from flakesync.sync.lockers import Locker
from flakesync.sync.lockers.auto import FoundNix, choose_locker
from flakesync.sync.lockers.native.sources import Sources
from flakesync.sync.options import Options
from flakesync.sync.up_to_date import UpToDateBranches
from flakesync.terms import FlakeDir, Rev
from flakesync.workspace.hosts import Hosts


class CheckRunner(Protocol):
    """Runs one check of a repo in a folder."""

    def __call__(self, argv: Sequence[str], folder: Path, *, give_up: Callable[[], bool] | None = None) -> CheckRun:
        """Return how it ended. give_up: asked now and then whether that is not needed any more; see Nix.run_check."""


class Tools(msgspec.Struct, frozen=True):
    """What a process works with; threads share it.

    check: runs one check of a repo in a folder. gate: what no new lock may add. listener: is told how the work goes on.
    up_to_date: the update branches that are known to be as planned. verdicts: how checks have ended on which trees;
    None: that is not kept. locks: of commits that have been read already, by commit and folder of the flake.
    """

    locker: Locker
    check: CheckRunner
    gate: Gate
    listener: Callable[[Progress], None]
    up_to_date: UpToDateBranches
    verdicts: VerdictCache | None = None
    locks: Mapping[tuple[Rev, FlakeDir], LockFile] = {}


def make_tools(
    options: Options,
    gate: Gate,
    sources: Sources,
    hosts: Hosts,
    listener: Callable[[Progress], None],
    up_to_date: UpToDateBranches,
) -> Tools:
    """Return the tools of a run.

    gate: what no new lock may add. sources: where the native locker finds commits. hosts: what Nix, and the git that it
    starts, log in with. listener: one that several threads may tell something.

    Raises:
        NixError: Nix is to write or to verify the locks, and there is none.
    """
    nix = FoundNix(hosts)

    def note(text: str) -> None:
        listener(Note(text))

    locker = choose_locker(options.locker, sources, nix, note, verify=options.verify, dialect=options.dialect)
    if hosts.sources is not None and not options.dry_run:
        locker = _keeping(locker, hosts.sources, sources, options, hosts, note)
    verdicts = VerdictCache(options.cache, lambda: nix.version)
    return Tools(locker, nix.run_check, gate, listener, up_to_date, verdicts)


def _keeping(
    locker: Locker,
    folder: Path,
    sources: Sources,
    options: Options,
    hosts: Hosts,
    note: Callable[[str], None],
) -> Locker:
    """Return a locker that puts new sources into the static cache in a folder, which is made where there is none.

    Raises:
        FlakesyncError: `cache-busy`, `other-store`, or what the machine refuses.
    """
    from flakesync.nix.store.static_cache import StaticCache
    from flakesync.sync.lockers.keep_sources import KeepingLocker, SourceKeeper, store_dir

    cache = StaticCache(folder, store_dir())
    with cache.writing():
        pass
    keeper = SourceKeeper(cache, sources.repositories, options.cache, hosts, offline=options.offline)
    return KeepingLocker(locker, keeper, note)


def one_at_a_time(listener: Listener[Result]) -> Listener[Result]:
    """Return a listener that several threads may tell something."""
    guard = Lock()

    def listen(event: Event[Result]) -> None:
        with guard:
            listener(event)

    return listen
