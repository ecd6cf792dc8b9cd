"""`drift --json` over many local repos against a script that only reads and decodes the same locks."""

import math
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import Timing, interleaved, peak_bytes, python, run, show
from tests.support import locks, repos

NODES = 20
SCRIPT = """
import json, sys
for number in range(int(sys.argv[1])):
    with open(f"r{number}/flake.lock", "rb") as file:
        json.loads(file.read())
"""
GIT_SCRIPT = """
import json, subprocess, sys
for number in range(int(sys.argv[1])):
    command = ["git", "-C", f"r{number}", "cat-file", "blob", "main:flake.lock"]
    json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
"""
REV = "{:040x}".format


def make(root: Path, count: int) -> None:
    """Make `count` repos with a lock of 20 nodes each: nixpkgs, three repos of the workspace, the rest from outside."""
    tips: list[str] = []
    for number in range(count):
        inputs: dict[str, locks.Input | tuple[str, ...]] = {
            "nixpkgs": locks.github("NixOS", "nixpkgs", ref="nixos-25.11", rev=REV(number % 7 + 1))
        }
        for up in {number // 2, number // 3, number // 5} - {number}:
            inputs[f"r{up}"] = locks.github("acme", f"r{up}", rev=tips[up])
        for extra in range(NODES - 1 - len(inputs)):
            inputs[f"extra{extra}"] = locks.github("other", f"extra{extra}", rev=REV(1000 + extra))
        lock = locks.to_bytes(locks.lock(inputs)).decode()
        tips.append(repos.make_repo(root / f"r{number}", {"flake.nix": "{ outputs = _: { }; }\n", "flake.lock": lock}))
    lines = ['[workspace]\nname = "big"\nbase = "main"\n']
    lines.append('[pins.nixpkgs]\nsource = "github:NixOS/nixpkgs/nixos-25.11"\ntarget = "newest-locked"\n')
    lines += [f'[repos.r{number}]\nurl = "github:acme/r{number}"\npath = "r{number}"\n' for number in range(count)]
    (root / "workspace.toml").write_text("\n".join(lines))


def measure(root: Path, count: int, rounds: int) -> tuple[Timing, Timing]:
    """Return the times of drift and of the script."""
    times = interleaved(
        {
            "drift": lambda: run(python("-m", "flakesync", "drift", "--json"), cwd=str(root), statuses=(1,)),
            "script": lambda: run(python("-c", SCRIPT, str(count)), cwd=str(root)),
        },
        rounds=rounds,
    )
    return times["drift"], times["script"]


def main() -> None:
    """Print the ratio, the memory, and the exponent of the growth."""
    with tempfile.TemporaryDirectory() as folder:
        best: dict[int, float] = {}
        rows: list[tuple[str, str, str]] = []
        for count in (100, 1000, 5000):
            root = Path(folder) / str(count)
            root.mkdir()
            make(root, count)
            drift, script = measure(root, count, 11 if count < 5000 else 3)
            best[count] = drift.best
            wanted = "≤ 3" if count == 1000 else "–"
            figures = f"{drift.best * 1000:.0f} ms against {script.best * 1000:.0f} ms"
            ratio = drift.best / script.best
            rows.append((f"drift, {count} repos / read and decode the files", f"{ratio:.2f} ({figures})", wanted))
            if count == 1000:
                begin = time.perf_counter()
                run(python("-c", GIT_SCRIPT, str(count)), cwd=str(root))
                from_git = time.perf_counter() - begin
                rows.append(
                    (
                        "drift, 1000 repos / read the base branches with git and decode",
                        f"{drift.best / from_git:.2f} ({drift.best * 1000:.0f} ms against {from_git * 1000:.0f} ms)",
                        "–",
                    )
                )
                peak = peak_bytes(python("-m", "flakesync", "drift", "--json"), cwd=str(root), statuses=(1,))
                rows.append(("drift, 1000 repos: greatest memory", f"{peak / 1e6:.0f} MB", "≤ 150 MB"))
        exponent = math.log(best[5000] / best[100]) / math.log(50)
        rows.append(("drift: growth from 100 to 5,000 repos, exponent", f"{exponent:.2f}", "≤ 1.1"))
        tail = math.log(best[5000] / best[1000]) / math.log(5)
        rows.append(("drift: growth from 1,000 to 5,000 repos, exponent", f"{tail:.2f}", "≤ 1.1"))
        show(rows)


if __name__ == "__main__":
    sys.exit(main())
