"""`drift`, `graph` and `plan` over clones as they are: objects and refs packed, no node the same in two locks.

`drift` is compared with the leanest script that opens and decodes the same locks, for the first time (nothing is kept),
a second time, and as it runs each night: a few repos have moved since. Processor time.
"""

import math
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pygit2

from benchmarks.drift import LEAN_SCRIPT, drift, make
from benchmarks.measure import Timing, interleaved, peak_bytes, python, run, show
from flakesync.terms import Rev
from tests.support import repos

MOVED = 10
"""How many repos have a new commit each night."""
PLACES: Mapping[str, tuple[str, ...]] = {"own": ("--local",), "server": ()}
"""Which branches are read, and the options for that."""
_WORDS = {"own": "the clones' own branches", "server": "their servers' branches (`--offline`)"}
_RUNS = {"cold": "for the first time", "again": "a second time", "night": f"when {MOVED} repos have moved"}
_COMMANDS = {"drift": (0, 1), "graph": (0,), "plan": (0,)}


def make_packed(root: Path, count: int) -> None:
    """Make `count` clones of repos whose locks have no node in common, all packed as git packs them."""
    root.mkdir(parents=True)
    make(root, count, distinct=True)
    for number in range(count):
        follow_server(root / f"r{number}", f"https://github.com/acme/r{number}")
        pack(root / f"r{number}")


def follow_server(clone: Path, url: str) -> None:
    """Give a clone its remote, and the remote's branch where its own is."""
    git_dir = clone / ".git"
    (git_dir / "refs/remotes/origin").mkdir(parents=True)
    (git_dir / "refs/remotes/origin/HEAD").write_text("ref: refs/remotes/origin/main\n")
    (git_dir / "refs/remotes/origin/main").write_text((git_dir / "refs/heads/main").read_text())
    with (git_dir / "config").open("a") as config:
        config.write(f'[remote "origin"]\n\turl = {url}\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n')
        config.write('[branch "main"]\n\tremote = origin\n\tmerge = refs/heads/main\n')


def pack(clone: Path) -> None:
    """Pack a clone's objects and refs as `git gc` does, which takes 30 ms a repo."""
    git_dir = clone / ".git"
    repo = pygit2.Repository(str(clone))
    repo.pack()
    names = sorted(ref for ref in repo.references if str(repo.references[ref].raw_target) and ref.endswith("/main"))
    lines = [f"{repo.references[ref].target} {ref}\n" for ref in names]
    repo.free()
    (git_dir / "packed-refs").write_text("# pack-refs with: peeled fully-peeled sorted \n" + "".join(lines))
    for name in names:
        (git_dir / name).unlink(missing_ok=True)
    for folder in (git_dir / "objects").iterdir():
        if len(folder.name) == 2:
            shutil.rmtree(folder)


def move(root: Path, count: int) -> None:
    """Give some repos, each of which others take, a new commit, here and at their servers, and pack them."""
    for number in range(count // 4, count // 4 + MOVED):
        clone = root / f"r{number}"
        tip = repos.commit(clone, {"README.md": "moved\n"}, message="Moved")
        (clone / ".git/refs/remotes/origin/main").write_text(f"{Rev(tip)}\n")
        pack(clone)


def prepare(
    root: Path, caches: Path, count: int
) -> tuple[dict[str, Callable[[], None]], dict[str, Callable[[], None]]]:
    """Return the works of one size, and what has to be done before each."""
    works: dict[str, Callable[[], None]] = {"lean": lambda: run(python("-c", LEAN_SCRIPT, str(count)), cwd=str(root))}
    before: dict[str, Callable[[], None]] = {}
    for place, options in PLACES.items():
        _drift(root, caches / f"{place}.before", options)
        # The order of repos is kept since anything was behind, or looked at: edges change more rarely than commits.
        _run(root, caches / f"{place}.before", "graph", options)
        shutil.copytree(caches / f"{place}.before", caches / f"{place}.again")
    move(root, count)
    for place, options in PLACES.items():
        _drift(root, caches / f"{place}.again", options)
        for kind in _RUNS:
            cache = caches / f"{place}.{kind}"
            works[f"{place} {kind}"] = partial(_drift, root, cache, options)
        before[f"{place} cold"] = partial(shutil.rmtree, caches / f"{place}.cold", ignore_errors=True)
        before[f"{place} night"] = partial(_put_back, caches, place)
    for command in ("graph", "plan"):
        works[command] = partial(_run, root, caches / "own.again", command, PLACES["own"])
    return works, before


def _put_back(caches: Path, place: str) -> None:
    """Make the cache the one that the run before the repos moved has left."""
    shutil.rmtree(caches / f"{place}.night", ignore_errors=True)
    shutil.copytree(caches / f"{place}.before", caches / f"{place}.night")


def _drift(root: Path, cache: Path, options: tuple[str, ...]) -> None:
    os.environ["FLAKESYNC_CACHE"] = str(cache)
    drift(root, *options)


def _run(root: Path, cache: Path, command: str, options: tuple[str, ...]) -> None:
    os.environ["FLAKESYNC_CACHE"] = str(cache)
    argv = python("-m", "flakesync", command, "--json", "--offline", *options)
    run(argv, cwd=str(root), statuses=_COMMANDS[command])


def rows_of(times: Mapping[str, Timing], count: int) -> list[tuple[str, str, str]]:
    """Return the rows of one size: what drift costs, against the script."""
    script = times["lean"].least_work
    found: list[tuple[str, str, str]] = []
    for place in PLACES:
        for kind, words in _RUNS.items():
            used = times[f"{place} {kind}"].least_work
            wanted = "≤ 2" if kind == "night" and count == 1000 else "–"
            figures = f"{used / script:.2f} ({used * 1000:.0f} ms against {script * 1000:.0f} ms)"
            found.append(
                (f"drift, {count} packed clones, {_WORDS[place]}, {words} / the leanest script", figures, wanted)
            )
    return found


def memory_rows(root: Path, cache: Path, count: int, what: str) -> list[tuple[str, str, str]]:
    """Return the greatest memory of each command, a second time."""
    os.environ["FLAKESYNC_CACHE"] = str(cache)
    found: list[tuple[str, str, str]] = []
    for command, statuses in _COMMANDS.items():
        argv = python("-m", "flakesync", command, "--json", "--offline", "--local")
        run(argv, cwd=str(root), statuses=statuses)
        peak = peak_bytes(argv, cwd=str(root), statuses=statuses)
        found.append((f"{command}, {count} repos, {what}: greatest memory", f"{peak / 1e6:.0f} MB", "≤ 170 MB"))
    return found


def main() -> None:
    """Print ratios, growth and memory. The argument `quick` leaves 5,000 repos out."""
    sizes = (1000,) if sys.argv[1:] == ["quick"] else (1000, 5000)
    with tempfile.TemporaryDirectory() as folder:
        best: dict[str, dict[int, float]] = {}
        rows: list[tuple[str, str, str]] = []
        for count in sizes:
            root, caches = Path(folder) / f"packed{count}", Path(folder) / f"caches{count}"
            make_packed(root, count)
            works, before = prepare(root, caches, count)
            times = interleaved(works, rounds=9 if count < 5000 else 3, before=before)
            rows += rows_of(times, count)
            for command, work in (("drift", "own again"), ("graph", "graph"), ("plan", "plan")):
                best.setdefault(command, {})[count] = times[work].least_work
        for command, found in best.items():
            figures = ", ".join(f"{used:.2f} s" for used in found.values())
            growth = math.log(found[sizes[-1]] / found[1000]) / math.log(5) if len(sizes) > 1 else math.nan
            rows.append(
                (f"{command}: growth from 1,000 to 5,000 repos, exponent", f"{growth:.2f} ({figures})", "≤ 0.9")
            )
        if len(sizes) > 1:
            rows += memory_rows(root, caches / "own.again", 5000, "all nodes differing")
            root = Path(folder) / "same"
            root.mkdir()
            make(root, 5000)
            rows += memory_rows(root, caches / "same", 5000, "nodes shared")
        show(rows)


if __name__ == "__main__":
    main()
