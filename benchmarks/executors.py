"""`sync --executor processes:N` against the same sync in one process, and against the shell loop: 1,000 repos, native.

All in processor time, least of several rounds that take turns. What N idle cores would take is computed: what is
done before and after the queue, what the parent does within it, and an N-th of what its children do.
"""

import json
import os
import shutil
import subprocess
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.fleet import WAVES, make_fleet
from benchmarks.measure import python, show
from benchmarks.native import COUNT, LOOPED, WHO, Ground, Row, loop, timed, tips

ROUNDS = 3
KINDS = ("inline", "processes:2", "processes:4")


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
            argv = python("-m", "benchmarks.executor_run", str(ground.fleet.manifest), str(cache), kind)
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
    main()
