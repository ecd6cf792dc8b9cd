"""`status` without a forge over many repos: clones by path, clones of servers and mirrors offline. Processor time.

Of each kind with no update branch, and with one in each repo that a sync with the native locker has just made: for the
first time, when nothing is known of them, and a second time. `drift` over the same repos, a second time, is what it is
compared with.
"""

import math
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from benchmarks.fleet import Fleet, make_fleet
from benchmarks.measure import Timing, interleaved, peak_bytes, python, run, show
from benchmarks.native import WHO
from benchmarks.packed import follow_server

COUNT = 1000
ROUNDS = 3
KINDS = {"local": "clones by `path`", "clones": "clones of servers, `--offline`", "mirrors": "mirrors, `--offline`"}
Row = tuple[str, str, str]


def make(folder: Path, count: int, kinds: Sequence[str]) -> dict[str, Path]:
    """Make the repos, and for each kind of workspace over them a manifest."""
    fleet = make_fleet(folder / "repos", count)
    found: dict[str, Path] = {}
    for kind in kinds:
        root = folder / kind
        root.mkdir()
        found[kind] = root / "workspace.toml"
        if kind != "mirrors":
            _copy(fleet, root, served=kind == "clones")
        found[kind].write_text(_manifest(fleet, kind))
    return found


def _copy(fleet: Fleet, root: Path, *, served: bool) -> None:
    for member in fleet.members:
        origin = fleet.root / member.name
        shutil.copytree(origin, root / member.name, copy_function=os.link)
        if served:
            config = root / member.name / ".git" / "config"
            text = config.read_text()
            config.unlink()  # it is the other one's too
            config.write_text(text)
            follow_server(root / member.name, f"file://{origin}")


def _manifest(fleet: Fleet, kind: str) -> str:
    lines = ['[workspace]\nname = "fleet"\nbase = "main"\n']
    lines.append(f'[pins.nixpkgs]\nsource = "git+file://{fleet.root}/nixpkgs?ref=main"\n')
    for member in fleet.members:
        url = "" if kind == "local" else f'url = "git+file://{fleet.root}/{member.name}"\n'
        path = "" if kind == "mirrors" else f'path = "{member.name}"\n'
        lines.append(f"[repos.{member.name}]\n{url}{path}")
    return "\n".join(lines)


def command(manifest: Path, name: str, *more: str) -> list[str]:
    """Return a command over a workspace."""
    return python("-m", "flakesync", name, *more, "-w", str(manifest))


def status(manifest: Path, kind: str) -> list[str]:
    """Return the command that is measured."""
    return command(manifest, "status", "--json", *(() if kind == "local" else ("--offline",)))


def first(argv: Sequence[str], left: Path) -> None:
    """Run it with what a sync has left in the cache. left: a copy of that."""
    kept = Path(os.environ["FLAKESYNC_CACHE"]) / "files"
    shutil.rmtree(kept)
    shutil.copytree(left, kept)
    run(argv)


def processes(folder: Path, argv: Sequence[str]) -> int:
    """Return how many git processes a command starts, those of libraries too."""
    log, script, path = folder / "calls", folder / "bin" / "git", os.environ["PATH"]
    script.parent.mkdir(exist_ok=True)
    script.write_text(f'#!/bin/sh\necho x >> "{log}"\nexec "{shutil.which("git")}" "$@"\n')
    script.chmod(0o755)
    log.write_text("")
    # Where the settings of the system are is known of a git in its usual place, and not of this one.
    os.environ |= {"PATH": f"{script.parent}{os.pathsep}{path}", "GIT_CONFIG_NOSYSTEM": "1"}
    try:
        run(argv)
    finally:
        os.environ["PATH"] = path
        del os.environ["GIT_CONFIG_NOSYSTEM"]
    return len(log.read_text().split())


def rows_of(folder: Path, kind: str, manifest: Path) -> list[Row]:
    """Return the rows of one kind: without update branches, then with them."""
    argv, drift = status(manifest, kind), command(manifest, "drift", "--json", "--offline")
    if kind == "mirrors":
        run(command(manifest, "graph", "--json"))
    rows: list[Row] = []

    def add(what: str, times: Mapping[str, Timing], name: str, wanted: str) -> None:
        took = times[name].least_work
        ratio = f"{took / times['drift'].least_work:.2f} of a drift" if "drift" in times else ""
        rows.append(
            (f"status, {COUNT:,} {KINDS[kind]}, {what}", f"{took:.2f} s{f', {ratio}' if ratio else ''}", wanted)
        )

    works: dict[str, Callable[[], None]] = {"status": partial(run, argv)}
    works["drift"] = partial(run, drift, statuses=(0, 1))
    run(drift, statuses=(0, 1))
    add("no update branch", interleaved(works, rounds=ROUNDS), "status", "≤ 0.8 s")
    run(command(manifest, "sync", "-q", "--json", "--locker", "native"))
    left = shutil.copytree(Path(os.environ["FLAKESYNC_CACHE"]) / "files", folder / f"after-sync-{kind}")
    started = processes(folder, argv)
    times = interleaved({"first": partial(first, argv, left), **works}, rounds=ROUNDS)
    add("an update branch in each, for the first time", times, "first", "≤ 0.8 s")
    add("the same, a second time", times, "status", "≤ 0.8 s")
    rows.append((f"status, {KINDS[kind]}: git processes", str(started), "0"))
    return rows


def growth(folder: Path) -> list[Row]:
    """Return how time and memory grow from 100 to 5,000 clones by path with an update branch each."""
    best: dict[int, float] = {}
    peaks: dict[int, int] = {}
    for count in (100, 1000, 5000):
        manifest = make(folder / f"growth{count}", count, ["local"])["local"]
        run(command(manifest, "sync", "-q", "--json", "--locker", "native"))
        argv = status(manifest, "local")
        run(argv)
        best[count] = interleaved({"again": partial(run, argv)}, rounds=3)["again"].least_work
        peaks[count] = peak_bytes(argv)
        shutil.rmtree(folder / f"growth{count}")
    figures = f"{best[100]:.2f} s, {best[1000]:.2f} s, {best[5000]:.2f} s"
    exponent = math.log(best[5000] / best[100]) / math.log(50)
    memory = ", ".join(f"{peaks[count] / 1e6:.0f} MB" for count in (1000, 5000))
    return [
        ("status: growth from 100 to 5,000 repos, exponent", f"{exponent:.2f} ({figures})", "≤ 0.9"),
        ("status of 1,000 and of 5,000 repos: greatest memory", memory, "–"),
    ]


def main() -> None:
    """Print the table."""
    os.environ |= WHO
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["FLAKESYNC_CACHE"] = f"{name}/cache"
        manifests = make(folder / "kinds", COUNT, list(KINDS))
        rows = [row for kind, manifest in manifests.items() for row in rows_of(folder, kind, manifest)]
        show([*rows, *growth(folder)])


if __name__ == "__main__":
    main()
