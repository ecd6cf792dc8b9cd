"""`follow` over 2,000 local repos with locks of 30 nodes, of which nearly each has one input that should follow."""

import os
import shutil
import tempfile
from pathlib import Path

from benchmarks.audit import COUNT, NODES, make
from benchmarks.measure import interleaved, peak_bytes, python, run, show

_ARGV = ("-m", "flakesync", "follow", "--json", "--offline")
_PATCH = ("-m", "flakesync", "follow", "-q", "--patch", "patches", "--offline")


def follow(root: Path, *argv: str) -> None:
    """Run the command. Its status is 1: a start that fails at once is not taken for quick."""
    run(python(*(argv or _ARGV)), cwd=str(root), statuses=(1,))


def cold(root: Path) -> None:
    """Run the command as if for the first time."""
    shutil.rmtree(os.environ["FLAKESYNC_CACHE"], ignore_errors=True)
    follow(root)


def main() -> None:
    """Print the times of the first run, of a later one, and of one that writes patches."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FLAKESYNC_CACHE"] = f"{folder}/cache"
        root = Path(folder) / "many"
        root.mkdir()
        make(root, COUNT)
        works = {
            "first run": lambda: cold(root),
            "later": lambda: follow(root),
            "with patches": lambda: follow(root, *_PATCH),
        }
        times = interleaved(works, rounds=3)
        rows = [
            (
                f"follow, {COUNT} repos of {NODES} nodes, {name}",
                f"{time.best:.2f} s, processor {time.least_work:.2f} s",
                "≤ 10 s",
            )
            for name, time in times.items()
        ]
        peak = peak_bytes(python(*_ARGV), cwd=str(root), statuses=(1,))
        show([*rows, (f"follow, {COUNT} repos: greatest memory", f"{peak / 1e6:.0f} MB", "–")])


if __name__ == "__main__":
    main()
