"""Which executor a person chooses, and what each is made of."""

import re
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from flakesync.errors import FlakesyncError
from flakesync.patterns import pattern
from flakesync.sync.events import Relay
from flakesync.sync.executors import Executor
from flakesync.sync.executors.here import Inline, Threads
from flakesync.sync.options import Options
from flakesync.sync.outcome import Failed, Unchanged, Updated
from flakesync.sync.tasks.task import RepoTask
from flakesync.sync.tasks.worker import Worker
from flakesync.terms import RepoName

KINDS = ("inline", "threads", "processes:N", "dask:ADDRESS")
"""What a person may choose."""

MOST_PROCESSES = 1024
_ADDRESS = pattern(r"(?:tcp|tls)://[^\s/?#]+")

Done = Updated | Unchanged | Failed


class TaskRun(msgspec.Struct, frozen=True, kw_only=True):
    """What an executor works with in one run.

    tasks: of all repos, without the commits of their upstreams. lockers: the executor puts there who else has written
    locks, elsewhere than in this process. relay: whom the worker's tools tell how the work goes on.
    """

    worker: Worker
    tasks: Mapping[RepoName, RepoTask]
    relay: Relay
    options: Options
    lockers: set[str]


MakeExecutor = Callable[[TaskRun], Executor[RepoTask, Done]]
"""Makes the executor of a run."""


class ExecutorChoice(msgspec.Struct, frozen=True):
    """The executor that a person has chosen. count: of processes. address: of a Dask scheduler."""

    kind: Literal["inline", "threads", "processes", "dask"]
    count: int = 0
    address: str = ""


def read_choice(text: str) -> ExecutorChoice:
    """Return the executor that a text names. Raises FlakesyncError (`bad-executor`)."""
    kind, _, more = text.partition(":")
    if text == "inline":
        return ExecutorChoice("inline")
    if text == "threads":
        return ExecutorChoice("threads")
    if kind == "processes" and re.fullmatch(r"[1-9][0-9]{0,3}", more) and int(more) <= MOST_PROCESSES:
        return ExecutorChoice("processes", count=int(more))
    if kind == "dask" and _ADDRESS.fullmatch(more):
        return ExecutorChoice("dask", address=more)
    wanted = {
        "processes": f"processes:N takes a number from 1 to {MOST_PROCESSES}, as in processes:4",
        "dask": "dask:ADDRESS takes the address of a scheduler, as in dask:tls://scheduler.example:8786",
    }
    hint = wanted.get(kind, f"there are {', '.join(KINDS[:-1])} and {KINDS[-1]}")
    raise FlakesyncError("bad-executor", f"no executor is called `{text}`", hint=hint)


def usual(jobs: int) -> MakeExecutor:
    """Return what makes the usual executor: threads, or this thread alone where one repo is worked on at once."""
    return inline if jobs == 1 else lambda run: threads(run, jobs)


def inline(run: TaskRun) -> Executor[RepoTask, Done]:
    """Return an executor that works in the caller's thread."""
    return Inline(run.worker.carry_out)


def threads(run: TaskRun, jobs: int) -> Executor[RepoTask, Done]:
    """Return an executor that works in so many threads."""
    return Threads(run.worker.carry_out, jobs)
