"""What a Dask worker does: functions that it is told by name, so that it has to have flakesync itself."""

import os
from contextlib import closing
from functools import lru_cache
from pathlib import Path

import msgspec

from flakesync import __version__
from flakesync.cache.layout import cache_dir
from flakesync.errors import BugError, FlakesyncError
from flakesync.forge.hosts import Servers
from flakesync.pipeline.elsewhere import Place, carry_out
from flakesync.sync.job import decode_path, encode_path
from flakesync.sync.lockers.auto import LockerChoice
from flakesync.sync.options import Options
from flakesync.sync.outcome import Failed, Skipped
from flakesync.sync.tasks.report import report_of
from flakesync.sync.tasks.task import RepoTask
from flakesync.workspace.model import Workspace


class RunOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What is the same for all tasks of a run, and sent once. version: of flakesync. others: as of Options."""

    version: str
    workspace: Workspace
    locker: LockerChoice
    dialect: str | None
    verify: bool

    def encode(self) -> bytes:
        """Return it as JSON, without what only the machine has that made it: folders of repos, and of sources."""
        repos = tuple(msgspec.structs.replace(repo, path=None) for repo in self.workspace.repos)
        workspace = msgspec.structs.replace(self.workspace, repos=repos, sources=None, seen=None, read="server")
        return msgspec.json.encode(msgspec.structs.replace(self, workspace=workspace), enc_hook=encode_path)


@lru_cache(maxsize=4)
def _read(order: bytes) -> RunOrder:
    return msgspec.json.decode(order, type=RunOrder, dec_hook=decode_path)


def version() -> str:
    """Return the version of flakesync on this machine."""
    return __version__


def carry_out_bytes(order: bytes, task: bytes) -> bytes:
    """Carry out a RepoTask, push its update branch, and return its TaskReport; all of them as JSON."""
    wanted, job = _read(order), RepoTask.decode(task)
    if wanted.version != __version__:  # of a worker that has joined later
        error = FlakesyncError("dask-version", f"a worker has flakesync {__version__}, not {wanted.version}")
        return report_of(Failed(job.repo, error)).encode()
    options = Options(cache=Path(cache_dir()), locker=wanted.locker, dialect=wanted.dialect, verify=wanted.verify)
    with closing(Servers(wanted.workspace, os.environ)) as servers:
        place = Place(workspace=wanted.workspace, options=options, servers=servers, listener=lambda _: None)
        found = carry_out(job, place)
    match found.outcome:
        case Failed(error=BugError() as bug):
            return report_of(found.outcome, locker=found.locker, bugs=[bug], notes=found.notes).encode()
        case Skipped(upstream=upstream):
            error = FlakesyncError("upstream-failed", upstream.message)
            return report_of(Failed(job.repo, error), notes=found.notes).encode()
        case outcome:
            return report_of(outcome, locker=found.locker, notes=found.notes).encode()
