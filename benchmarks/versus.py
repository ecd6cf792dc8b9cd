"""This checkout against another one: `python -m benchmarks.versus FOLDER`, as ratios of one interleaved run.

FOLDER holds another version of this repository (`git worktree add FOLDER COMMIT`). Both run under this Python, on the
same workspaces, each with a cache of its own. A ratio above 1 means that this checkout is slower.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.drift import make
from benchmarks.measure import interleaved, show
from benchmarks.native import Ground, command

HERE = Path(__file__).parents[1]


def _run(checkout: Path, cache: Path, argv: Sequence[str], cwd: Path, status: int) -> None:
    environment = {**os.environ, "PYTHONPATH": str(checkout), "FLAKESYNC_CACHE": str(cache)}
    ended = subprocess.run(
        [sys.executable, *argv],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    if ended.returncode != status:
        raise RuntimeError(f"{checkout}: {argv}: status {ended.returncode}: {ended.stderr.decode()[-2000:]}")


def main() -> None:
    """Print the ratio of each command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("other", type=Path, help="a checkout of another version")
    other: Path = parser.parse_args().other.resolve()
    rows: list[tuple[str, str, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "drift"
        root.mkdir()
        make(root, 1000)
        ground = Ground(Path(folder), 300)

        def both(what: str, work: Callable[[Path, Path], None], rounds: int) -> None:
            sides = {"new": (HERE, Path(folder) / "new"), "old": (other, Path(folder) / "old")}
            times = interleaved({side: lambda at=at: work(*at) for side, at in sides.items()}, rounds=rounds)  # type: ignore[misc]
            new, old = times["new"], times["old"]
            figures = f"{new.best * 1000:.0f} ms against {old.best * 1000:.0f} ms"
            rows.append(
                (what, f"{new.best / old.best:.2f} ({figures}; medians {new.middle / old.middle:.2f})", "≤ 1.10")
            )

        def sync(checkout: Path, cache: Path) -> None:
            ground.reset()
            _run(checkout, cache, command(ground.fleet)[1:], ground.fleet.root, 0)

        for argv, status in (
            (("--version",), 0),
            (("graph", "--offline"), 0),
            (("drift", "--json", "--offline"), 1),
            (("plan", "--json", "--offline"), 0),
        ):
            both(
                " ".join(argv) + ", 1,000 repos",
                lambda checkout, cache, argv=argv, status=status: _run(  # type: ignore[misc]
                    checkout, cache, ["-m", "flakesync", *argv], root, status
                ),
                11,
            )
        both("sync, 300 repos, native, the clones as they were before", sync, 5)
    show(rows)


if __name__ == "__main__":
    main()
