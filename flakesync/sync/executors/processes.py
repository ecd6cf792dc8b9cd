"""Tasks in processes that are forked: these know the survey and all tools, so what is sent is a name and commits.

A process gets tasks only when it has none: neither side then waits for the other to read. How many it gets in one go
follows from how long tasks take: a message for each quick task would cost the parent as much as a tenth of the task,
and of slow ones a process is not to hold any that another could begin with.
"""

import gc
import math
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib import import_module
from multiprocessing.connection import Connection
from selectors import EVENT_READ, DefaultSelector
from typing import Self

import msgspec

from flakesync.errors import BUGS, FlakesyncError
from flakesync.processes import stop
from flakesync.processes.folders import clear_left_behind
from flakesync.processes.forked import Forked, end_all, fork
from flakesync.sync.events import Note, Progress, Step
from flakesync.sync.executors.choice import Done, TaskRun
from flakesync.sync.outcome import Failed
from flakesync.sync.tasks.report import TaskReport, note_bugs, report_of
from flakesync.sync.tasks.task import RepoTask
from flakesync.terms import RepoName, Rev

MOST_IN_ONE_GO = 8
MOST_LOSSES = 3
"""How many processes a repo may take along before it fails."""

_NEEDED = ("flakesync.git.scratch.archive", "flakesync.nix.store.tarball", "flakesync.workspace.clones.committed")
"""Modules that the first task would import: done before the fork, that is once and not in each process."""

_ONE_GO_S = 0.4
_TELL_S = 0.1
_SOON_S = 1.0


class _Noted(msgspec.Struct, frozen=True, tag="note"):
    text: str


class _Stepped(msgspec.Struct, frozen=True, tag="step"):
    repo: RepoName
    step: str
    detail: str


class _Carried(msgspec.Struct, frozen=True, tag="done"):
    """Tasks that have ended, each with its TaskReport as JSON."""

    reports: tuple[tuple[RepoName, msgspec.Raw], ...]


_Said = _Noted | _Stepped | _Carried
_read = msgspec.json.Decoder(_Said)
_Given = dict[RepoName, Mapping[RepoName, Rev]]
"""The tasks that a process is sent: of each, the commits of its upstreams."""


class _Child:
    """One process. left: the tasks that it was given and has not ended, the first one being worked on."""

    def __init__(self, forked: Forked, held: ExitStack) -> None:
        self.forked = forked
        self.held = held
        self.left: dict[str, RepoTask] = {}
        self.begun = 0.0


class Processes:
    """Carries tasks out in processes; one that is lost has its tasks done again by another."""

    def __init__(self, run: TaskRun, count: int) -> None:
        """count: how many processes."""
        self._run = run
        self._count = count
        self._children: list[_Child] = []
        self._selector = DefaultSelector()
        self._again: list[dict[str, RepoTask]] = []
        self._losses: dict[str, int] = {}
        self._idle_losses = 0
        self._failed: list[tuple[str, Done]] = []
        self._task_s = _ONE_GO_S  # until it is known, one at a time

    def wanted(self, ready: int) -> int:
        """See Executor."""
        idle = sum(not child.left for child in self._children) - len(self._again)
        if idle <= 0:
            return 0
        share = math.ceil(ready / (2 * self._count))  # the last ones of a wave are shared out
        return max(1, min(share, MOST_IN_ONE_GO, round(_ONE_GO_S / self._task_s)))

    def submit(self, jobs: Sequence[tuple[str, RepoTask]]) -> None:
        """See Executor."""
        self._again.append(dict(jobs))
        self._hand_out()

    def wait(self) -> Sequence[tuple[str, Done]]:
        """See Executor."""
        results: list[tuple[str, Done]] = []
        while not results:
            self._hand_out()
            results, self._failed = self._failed, []
            for key, _ in self._selector.select(timeout=0 if results else None):
                results += self._hear(key.data)
        return results

    def __enter__(self) -> Self:
        for module in _NEEDED:
            import_module(module)
        try:
            for _ in range(self._count):
                self._begin()
        except BaseException:
            self.__exit__(BaseException)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        end_all([child.forked for child in self._children], at_once=kind is not None)
        for child in self._children:
            child.held.close()
        self._children = []
        self._selector.close()

    def _begin(self) -> None:
        """Start another process. Raises: OSError, FlakesyncError (`interrupted`)."""
        held = ExitStack()
        forked = held.enter_context(
            stop.breakable(lambda: fork(lambda connection: _serve(connection, self._run)), Forked.end)
        )
        child = _Child(forked, held)
        self._children.append(child)
        self._selector.register(forked.connection, EVENT_READ, child)

    def _hand_out(self) -> None:
        """Give tasks to processes that have none."""
        for child in list(self._children):
            if self._again and not child.left:
                child.left, child.begun = self._again.pop(0), time.monotonic()
                given: _Given = {job.repo: job.commits for job in child.left.values()}
                try:
                    child.forked.connection.send_bytes(msgspec.json.encode(given))
                except OSError:
                    self._lose(child)

    def _hear(self, child: _Child) -> list[tuple[str, Done]]:
        """Return the results in the next message of a process."""
        try:
            said = _read.decode(child.forked.connection.recv_bytes())
        except (EOFError, OSError):
            self._lose(child)
            return []
        match said:
            case _Noted(text=text):
                self._run.relay(Note(text))
            case _Stepped(repo=repo, step=step, detail=detail):
                self._run.relay(Step(repo, step, detail))
            case _Carried(reports=reports):
                now = time.monotonic()
                self._task_s = max(1e-6, (self._task_s + (now - child.begun) / len(reports)) / 2)
                child.begun = now
                return [(name, self._take(child, name, TaskReport.decode(report))) for name, report in reports]
        return []

    def _take(self, child: _Child, name: RepoName, report: TaskReport) -> Done:
        del child.left[name]
        self._run.lockers.add(report.locker)
        self._run.worker.tools.up_to_date.put(report.up_to_date)
        note_bugs(report)
        return report.outcome()

    def _lose(self, child: _Child) -> None:
        """Have the tasks of a process that has ended done by another. Raises: what `_begin` raises."""
        stop.require_running()
        self._children.remove(child)
        self._selector.unregister(child.forked.connection)
        status = child.forked.wait(_SOON_S)
        end_all([child.forked], at_once=True)
        child.held.close()
        clear_left_behind()
        ended = f"was ended by signal {-status}" if status is not None and status < 0 else "has ended"
        if not child.left:
            self._idle_losses += 1
            if self._idle_losses > MOST_LOSSES * self._count:
                hint = "something on this machine ends them: `--executor threads` needs none"
                raise FlakesyncError("worker-lost", "processes end before they have been given anything", hint=hint)
        else:
            first = next(iter(child.left))
            self._losses[first] = self._losses.get(first, 0) + 1
            if self._losses[first] >= MOST_LOSSES:
                job = child.left.pop(first)
                self._failed.append((first, Failed(job.repo, _lost(ended))))
            else:
                self._run.relay(Note(f"{first}: its process {ended}; it is done again by another"))
                # Alone: if it is what processes end of, it takes no other along.
                self._again.insert(0, {first: child.left.pop(first)})
            if child.left:
                self._again.append(child.left)
        self._begin()


def _lost(ended: str) -> FlakesyncError:
    return FlakesyncError(
        "worker-lost",
        f"its process {ended}, {MOST_LOSSES} times",
        hint="is there enough memory for its checks? `--executor threads` does it in flakesync's own process",
    )


def _serve(connection: Connection, run: TaskRun) -> None:
    """Carry out the tasks that come over a connection, until it is closed: what a process does."""
    guard = threading.Lock()
    tools = run.worker.tools

    def say(said: _Said) -> None:
        data = msgspec.json.encode(said)
        with guard:
            connection.send_bytes(data)

    def tell(event: Progress) -> None:
        match event:
            case Note(text=text):
                say(_Noted(text))
            case Step(repo=repo, step=step, detail=detail) if detail:  # a command: what else there is takes moments
                say(_Stepped(repo, step, detail))

    gc.freeze()  # what the parent has read stays to the end: looking through it would copy its memory
    run.relay.to = tell
    BUGS.clear()
    tools.up_to_date.take()
    while not stop.is_stopped():
        try:
            given = msgspec.json.decode(connection.recv_bytes(), type=_Given)
        except (EOFError, OSError):
            return
        told, reports = time.monotonic(), list[tuple[RepoName, msgspec.Raw]]()
        for name, commits in given.items():
            repo = run.worker.states[name].repo
            # What takes long keeps no result back that others may wait for.
            if reports and (repo.checks or repo.after or time.monotonic() - told > _TELL_S):
                say(_Carried(tuple(reports)))
                told, reports = time.monotonic(), []
            outcome = run.worker.carry_out(msgspec.structs.replace(run.tasks[name], commits=commits))
            bugs, BUGS[:] = list(BUGS), []
            report = report_of(outcome, locker=tools.locker.name, up_to_date=tools.up_to_date.take(), bugs=bugs)
            reports.append((name, msgspec.Raw(report.encode())))
            if stop.is_stopped():
                return
        say(_Carried(tuple(reports)))
