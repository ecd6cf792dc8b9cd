"""The executor that a person names: in this process, in processes of this machine, or on machines of a Dask cluster."""

from typing import assert_never

from flakesync.sync.executors.choice import MakeExecutor, inline, read_choice, threads
from flakesync.workspace.manifest import Workspace


def executor_of(text: str, workspace: Workspace) -> MakeExecutor:
    """Return what makes the executor that a text names. workspace: says how many threads.

    Raises:
        FlakesyncError: `bad-executor`: there is none of that name. `no-dask`: it is not installed.
    """
    choice = read_choice(text)
    match choice.kind:
        case "inline":
            return inline
        case "threads":
            return lambda run: threads(run, workspace.jobs)
        case "processes":
            from flakesync.sync.executors.processes import Processes

            return lambda run: Processes(run, choice.count)
        case "dask":
            from flakesync.pipeline.dask.executor import dask_executor

            return dask_executor(choice.address)
        case _:
            assert_never(choice.kind)
