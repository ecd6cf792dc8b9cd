"""`drift --json` over many local repos against a script that only reads and decodes the same locks."""

import math
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.measure import Timing, interleaved, peak_bytes, python, run, show
from tests.support import locks, repos

NODES = 20
SCRIPT = """
import json
from pathlib import Path
for lock in Path().glob("*/flake.lock"):
    json.loads(lock.read_text())
"""
LEAN_SCRIPT = """
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


def make(root: Path, count: int, *, distinct: bool = False) -> None:
    """Make `count` repos with a lock of 20 nodes each: nixpkgs, three repos of the workspace, the rest from outside.

    distinct: each repo has commits of its own of what is from outside, so that no two locks have a node in common.
    """
    tips: list[str] = []
    for number in range(count):
        own = number * NODES if distinct else None
        inputs: dict[str, locks.Input | tuple[str, ...]] = {
            "nixpkgs": _github("NixOS", "nixpkgs", number % 7 + 1, own, ref="nixos-25.11")
        }
        for up in {number // 2, number // 3, number // 5} - {number}:
            inputs[f"r{up}"] = locks.github("acme", f"r{up}", rev=tips[up])
        for extra in range(NODES - 1 - len(inputs)):
            inputs[f"extra{extra}"] = _github("other", f"extra{extra}", 1000 + extra, own)
        lock = locks.to_bytes(locks.lock(inputs)).decode()
        tips.append(repos.make_repo(root / f"r{number}", {"flake.nix": _flake_nix(inputs), "flake.lock": lock}))
    lines = ['[workspace]\nname = "big"\nbase = "main"\n']
    lines.append('[pins.nixpkgs]\nsource = "github:NixOS/nixpkgs/nixos-25.11"\ntarget = "newest-locked"\n')
    lines += [f'[repos.r{number}]\nurl = "github:acme/r{number}"\npath = "r{number}"\n' for number in range(count)]
    (root / "workspace.toml").write_text("\n".join(lines))


def _github(owner: str, repo: str, number: int, own: int | None, *, ref: str | None = None) -> locks.Input:
    """Return an input at the commit of a number. own: where one is given, at a commit that no other number has."""
    if own is None:
        return locks.github(owner, repo, ref=ref, rev=REV(number))
    rev, date = locks.rev_of(f"{own} {repo}"), 1_600_000_000 + own
    return locks.github(owner, repo, ref=ref, rev=rev, last_modified=date)


def _flake_nix(inputs: Mapping[str, locks.Input | tuple[str, ...]]) -> str:
    """Return a flake.nix that says what the lock has: where they disagree, that would be measured."""
    lines: list[str] = []
    for name, each in inputs.items():
        assert isinstance(each, locks.Input)
        parts = [str(each.original[key]) for key in ("owner", "repo", "ref") if key in each.original]
        lines.append(f'  inputs.{name}.url = "github:{"/".join(parts)}";\n')
    return "{\n" + "".join(lines) + "  outputs = _: { };\n}\n"


def drift(root: Path, *more: str) -> None:
    """Run the command. Its status is 1: there is drift, so that a start that fails at once is not taken for quick."""
    run(python("-m", "flakesync", "drift", "--json", "--offline", *more), cwd=str(root), statuses=(1,))


def cold(root: Path) -> None:
    """Run the command as if for the first time."""
    shutil.rmtree(os.environ["FLAKESYNC_CACHE"], ignore_errors=True)
    drift(root, "--local")


def measure(root: Path, count: int, rounds: int) -> Mapping[str, Timing]:
    """Return the times of the first drift, of a later one, and of the scripts."""
    return interleaved(
        {
            "cold": lambda: cold(root),
            "drift": lambda: drift(root, "--local"),
            "served": lambda: drift(root),
            "script": lambda: run(python("-c", SCRIPT), cwd=str(root)),
            "lean": lambda: run(python("-c", LEAN_SCRIPT, str(count)), cwd=str(root)),
        },
        rounds=rounds,
    )


def rows_of(times: Mapping[str, Timing], count: int) -> list[tuple[str, str, str]]:
    """Return the rows of one size."""
    found: list[tuple[str, str, str]] = []
    for name, than, words, wanted in (
        ("drift", "script", "a script: glob, read_text, json.loads", "≤ 3"),
        ("drift", "lean", "the leanest script: open by name, json.loads", "≤ 3"),
        ("served", "script", "the script, clones read at their servers' branches", "–"),
        ("cold", "script", "the script, first run", "–"),
    ):
        ours, theirs = times[name].best, times[than].best
        figures = f"{ours * 1000:.0f} ms against {theirs * 1000:.0f} ms"
        wish = wanted if count == 1000 else "–"
        found.append((f"drift, {count} repos / {words}", f"{ours / theirs:.2f} ({figures})", wish))
    return found


def main() -> None:
    """Print the ratios, the memory, and the exponent of the growth."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FLAKESYNC_CACHE"] = f"{folder}/cache"
        best: dict[int, float] = {}
        rows: list[tuple[str, str, str]] = []
        for count in (100, 1000, 5000):
            root = Path(folder) / str(count)
            root.mkdir()
            make(root, count)
            times = measure(root, count, 11 if count < 5000 else 3)
            best[count] = times["drift"].best
            rows += rows_of(times, count)
            if count == 1000:
                begin = time.perf_counter()
                run(python("-c", GIT_SCRIPT, str(count)), cwd=str(root))
                from_git = time.perf_counter() - begin
                figures = f"{best[count] * 1000:.0f} ms against {from_git * 1000:.0f} ms"
                ratio = f"{best[count] / from_git:.2f} ({figures})"
                rows.append(("drift, 1000 repos / read the base branches with git and decode", ratio, "–"))
                peak = peak_bytes(
                    python("-m", "flakesync", "drift", "--json", "--offline"), cwd=str(root), statuses=(1,)
                )
                rows.append(("drift, 1000 repos: greatest memory", f"{peak / 1e6:.0f} MB", "≤ 150 MB"))
        exponent = math.log(best[5000] / best[100]) / math.log(50)
        rows.append(("drift: growth from 100 to 5,000 repos, exponent", f"{exponent:.2f}", "≤ 1.1"))
        tail = math.log(best[5000] / best[1000]) / math.log(5)
        rows.append(("drift: growth from 1,000 to 5,000 repos, exponent", f"{tail:.2f}", "≤ 1.1"))
        show(rows)


if __name__ == "__main__":
    main()
