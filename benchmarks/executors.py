"""`sync --executor processes:N` against the same sync in one process, and against the shell loop: 1,000 repos, native.

All in processor time, least of several rounds that take turns. What N idle cores would take is computed: what is
done before and after the queue, what the parent does within it, and an N-th of what its children do.
"""

import gc
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.fleet import WAVES, make_fleet
from benchmarks.measure import python, show
from benchmarks.native import COUNT, LOOPED, WHO, Ground, Row, loop, timed, tips
from flakesync.analysis.plan import make_plan
from flakesync.pipeline.executors import executor_of
from flakesync.survey.read import read_survey
from flakesync.sync import engine
from flakesync.sync.options import Options
from flakesync.workspace.manifest import load_workspace, select

ROUNDS = 2
KINDS = ("inline", "processes:2", "processes:4")


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


def rounds(folder: Path) -> tuple[dict[str, dict[str, float]], float | None]:
    """Return the parts of each kind, from the round in which it took least; and the seconds of the loop."""
    ground = Ground(folder, COUNT)
    best: dict[str, dict[str, float]] = {}
    made: list[str] | None = None
    loops: list[float] = []
    for number in range(ROUNDS):
        for kind in KINDS:
            ground.reset()
            cache = folder / "cache"
            shutil.rmtree(cache, ignore_errors=True)
            argv = python("-m", "benchmarks.executors", str(ground.fleet.manifest), str(cache), kind)
            env = {**os.environ, "FLAKESYNC_CACHE": str(cache)}
            ended = subprocess.run(argv, env=env, check=True, capture_output=True)
            found = json.loads(ended.stdout)
            if kind not in best or sum(found.values()) < sum(best[kind].values()):
                best[kind] = found
            made = made or tips(ground.fleet)
            if tips(ground.fleet) != made:
                raise RuntimeError(f"{kind} has not made the same commits")
        if shutil.which("nix") is not None:
            looped = make_fleet(folder / f"looped{number}", LOOPED * WAVES, checkout=True)
            loops.append(timed(partial(loop, looped))[1] * COUNT / (LOOPED * WAVES))
    return best, min(loops) if loops else None


def rows(best: dict[str, dict[str, float]], loop_s: float | None) -> list[Row]:
    """Return the rows of the table."""
    inline = best["inline"]
    whole = sum(inline.values())
    found: list[Row] = []
    for kind in KINDS[1:]:
        parts, count = best[kind], int(kind.partition(":")[2])
        serial = parts["before"] + parts["queue"] + parts["after"]
        idle = serial + parts["children"] / count
        figures = f"parent {parts['queue']:.2f} s in the queue, children {parts['children']:.2f} s"
        ratio = parts["children"] / inline["queue"]
        small = count == 2
        found.append((f"{kind}: {figures}; children / inline", f"{ratio:.2f}", "≤ 1.3" if small else "–"))
        found.append((f"{kind}: inline / time on {count} idle cores", f"{whole / idle:.2f}", "≥ 1.5" if small else "–"))
        if loop_s is not None:
            what = f"serial shell loop with Nix (25 repos of each wave, scaled) / {kind} on {count} idle cores"
            found.append((what, f"{loop_s / idle:.1f}", "≥ 25" if small else "–"))
    serial = inline["before"] + inline["after"]
    found.append(
        ("the same sync inline: before and after the queue, of it all", f"{serial:.2f} of {whole:.2f} s", "≤ 0.9")
    )
    return found


def main() -> None:
    """Print the table."""
    os.environ |= {**WHO, "NIX_CONFIG": "experimental-features = nix-command flakes"}
    with tempfile.TemporaryDirectory() as name:
        show(rows(*rounds(Path(name))))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
    main()
