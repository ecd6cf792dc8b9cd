"""The executor whose tasks Dask workers carry out."""

import os
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from typing import Any, Self

from flakesync import __version__
from flakesync.errors import FlakesyncError, plain
from flakesync.pipeline.dask.cluster import connect, require_tls
from flakesync.pipeline.dask.on_worker import RunOrder, carry_out_bytes
from flakesync.sync.events import Note
from flakesync.sync.executors.choice import Done, MakeExecutor, TaskRun
from flakesync.sync.outcome import Failed
from flakesync.sync.tasks.report import TaskReport, note_bugs
from flakesync.sync.tasks.task import RepoTask

RETRIES = 2
"""How often a task runs again whose worker is lost."""

_LOOK_S = 2.0
_LOOKS_WITHOUT_WORKERS = 60


def dask_executor(address: str) -> MakeExecutor:
    """Return what makes the executor of a scheduler. Raises FlakesyncError (`dask-cleartext`)."""
    require_tls(address)
    return lambda run: DaskWorkers(run, address)


class DaskWorkers:
    """Carries tasks out on the workers of a scheduler; `with` connects to it."""

    def __init__(self, run: TaskRun, address: str) -> None:
        """Raises FlakesyncError: `dask-offline`, `dask-dry-run`; `dask-path`: repos are known by their folder alone."""
        options = run.options
        if options.dry_run or options.offline:
            which = "dry-run" if options.dry_run else "offline"
            hint = "leave --executor out"
            raise FlakesyncError(
                f"dask-{which}", f"with --{which} there is nothing that Dask workers could do", hint=hint
            )
        here = [repo.name for repo in run.worker.workspace.repos if repo.url is None and repo.name in run.tasks]
        if here:
            shown = ", ".join(here[:20]) + (f" and {len(here) - 20} more" if len(here) > 20 else "")
            message = f"no Dask worker has the folder that is all that is known of: {shown}"
            raise FlakesyncError("dask-path", message, hint="give them a `url`, or leave them out by --exclude")
        self._run = run
        self._address = address
        self._running: dict[Any, str] = {}
        self._ended: SimpleQueue[Any] = SimpleQueue()
        self._threads = self._lonely = 0
        self._client: Any
        self._order: Any

    def wanted(self, ready: int) -> int:
        """See Executor."""
        # A second one for each thread spares it the way to the scheduler; more could not go longest path first.
        return max(int(not self._running), 2 * self._threads - len(self._running))

    def submit(self, jobs: Sequence[tuple[str, RepoTask]]) -> None:
        """See Executor."""
        for name, job in jobs:
            key = f"flakesync-{name}-{os.urandom(8).hex()}"
            future = self._client.submit(
                carry_out_bytes, self._order, job.encode(), key=key, retries=RETRIES, pure=False
            )
            self._running[future] = name
            future.add_done_callback(self._ended.put)

    def wait(self) -> Sequence[tuple[str, Done]]:
        """See Executor. Raises FlakesyncError: `dask-lost` the scheduler, `dask-no-workers`."""
        try:
            future = self._ended.get(timeout=_LOOK_S)
        except Empty:
            self._look()
            return ()
        name = self._running.pop(future)
        return [(name, self._result(name, future))]

    def __enter__(self) -> Self:
        self._client = connect(self._address)
        try:
            options = self._run.options
            order = RunOrder(
                version=__version__, workspace=self._run.worker.workspace, locker=options.locker,
                dialect=options.dialect, verify=options.verify,
            )  # fmt: skip
            # A task of its own: if the workers that have its result are lost, it is made again elsewhere.
            self._order = self._client.submit(bytes, order.encode(), key=f"flakesync-order-{os.urandom(8).hex()}")
            self._look()
        except BaseException:
            self._client.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._client.cancel(list(self._running), force=True)
        self._client.close()

    def _look(self) -> None:
        """Look how many threads all workers have. Raises FlakesyncError (`dask-lost`, `dask-no-workers`)."""
        if self._client.status != "running":
            raise FlakesyncError("dask-lost", f"{self._address} has gone", hint="run it again: what was pushed stays")
        self._threads = sum(each["nthreads"] for each in self._client.scheduler_info()["workers"].values())
        self._lonely = 0 if self._threads else self._lonely + 1
        if self._lonely > _LOOKS_WITHOUT_WORKERS:
            raise FlakesyncError("dask-no-workers", f"{self._address} has no workers any more", hint="start some")

    def _result(self, name: str, future: Any) -> Done:
        try:
            report = TaskReport.decode(future.result())
        except Exception as error:  # noqa: BLE001 - Dask's own: a worker that was lost too often, a result that is none
            hint = "the log of the scheduler says more; run it again"
            lost = FlakesyncError("worker-lost", f"its Dask worker failed: {plain(str(error))}", hint=hint)
            return Failed(next(each for each in self._run.tasks if each == name), lost)
        for note in report.notes:
            self._run.relay(Note(note))
        self._run.lockers.add(report.locker)
        note_bugs(report)
        return report.outcome()
