"""One sync with an executor, for `benchmarks.executors`: prints the processor seconds of each part. Imports no more."""

import gc
import json
import os
import resource
import sys
from pathlib import Path

from flakesync.analysis.plan import make_plan
from flakesync.pipeline.executors import executor_of
from flakesync.survey.read import read_survey
from flakesync.sync import engine
from flakesync.sync.options import Options
from flakesync.workspace.manifest import load_workspace, select


def used(who: int = resource.RUSAGE_SELF) -> float:
    """Return the processor seconds that this process has taken, or its children."""
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def measure(manifest: Path, cache: Path, kind: str) -> None:
    """Sync in this process and print the processor seconds of each part, as JSON."""
    gc.set_threshold(200_000, 20, 20)  # as the program does it
    workspace = load_workspace(manifest)
    survey = read_survey(workspace)
    plan = make_plan(survey, select(workspace, (), (), ()))
    gc.freeze()
    found: dict[str, float] = {}
    run_on = engine.run_on

    def in_queue(*given: object) -> None:
        found["before"] = used()
        run_on(*given)  # type: ignore[arg-type]
        found["queue"] = used() - found["before"]

    engine.run_on = in_queue  # type: ignore[assignment]
    options = Options(cache=cache, locker="native")
    result = engine.sync(survey, plan, options, lambda _: None, executor=executor_of(kind, workspace))
    if not result.is_complete:
        raise RuntimeError("not every repo was updated")
    found["after"] = used() - found["before"] - found["queue"]
    print(json.dumps({**found, "children": used(resource.RUSAGE_CHILDREN)}), flush=True)
    os._exit(0)


if __name__ == "__main__":
    measure(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
