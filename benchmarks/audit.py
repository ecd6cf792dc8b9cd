"""`audit` at level offline over 2,000 local repos with locks of 30 nodes, and where its time goes."""

import gc
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from benchmarks.measure import interleaved, peak_bytes, python, run, show
from flakesync.nix.reference.flakeref import FlakeRef
from tests.support import locks, repos

COUNT = 2000
NODES = 30
PKGS = locks.github("NixOS", "nixpkgs", ref="nixos-25.11")
SCRIPT = """
import json
from pathlib import Path
for lock in Path().glob("*/flake.lock"):
    json.loads(lock.read_text())
"""
T = TypeVar("T")
_ARGV = ("-m", "flakesync", "audit", "--json", "--fail-on", "low")
_DRIFT = ("-m", "flakesync", "drift", "--json", "--offline")


def make(root: Path, count: int) -> None:
    """Make `count` repos, each with a random lock of its own: hardly a node is the same in two of them.

    Each takes nixpkgs, and the repo with half its number, which takes it too.
    """
    lines = ['[workspace]\nname = "big"\nbase = "main"\n']
    lines.append('[pins.nixpkgs]\nsource = "github:NixOS/nixpkgs/nixos-25.11"\nmax-age = "30d"\n')
    tips: list[str] = []
    for number in range(count):
        lock = locks.random_lock(number, nodes=NODES - 3)
        _take(lock, (), "pkgs", PKGS)
        if number:
            _take(lock, (), "up", locks.github("acme", f"r{number // 2}", rev=tips[number // 2]))
            _take(lock, ("up",), "pkgs", PKGS)
        files = {"flake.nix": _flake_nix(lock), "flake.lock": locks.to_bytes(lock).decode()}
        tips.append(repos.make_repo(root / f"r{number}", files))
        lines.append(f'[repos.r{number}]\nurl = "github:acme/r{number}"\npath = "r{number}"\n')
    (root / "workspace.toml").write_text("\n".join(lines))


def _take(lock: locks.Json, above: tuple[str, ...], name: str, taken: locks.Input) -> None:
    """Add an input to a node that `_take` has added, or to the root."""
    label = "/".join((*above, name, "taken"))
    lock["nodes"][label] = {"locked": dict(taken.locked), "original": dict(taken.original)}
    taker = lock["nodes"]["/".join((*above, "taken")) if above else lock["root"]]
    taker.setdefault("inputs", {})[name] = label


def _flake_nix(lock: locks.Json) -> str:
    """Return a flake.nix that says what the lock has: where they disagree, that would be measured."""
    return "{\n" + "".join(f"  inputs.{each};\n" for each in _assignments(lock)) + "  outputs = _: { };\n}\n"


def _assignments(lock: locks.Json) -> Iterator[str]:
    nodes = lock["nodes"]
    for name, target in nodes[lock["root"]].get("inputs", {}).items():
        if isinstance(target, list):
            yield f'"{name}".follows = "{"/".join(target)}"'
            continue
        node = nodes[target]
        yield f'"{name}".url = "{FlakeRef.from_attrs(node["original"]).to_url()}"'
        for below, leads in node.get("inputs", {}).items():
            if isinstance(leads, list):
                yield f'"{name}".inputs."{below}".follows = "{"/".join(leads)}"'


def audit(root: Path, argv: Sequence[str] = _ARGV) -> None:
    """Run the command. Its status is 1: a start that fails at once is not taken for quick."""
    run(python(*argv), cwd=str(root), statuses=(1,))


def cold(root: Path, argv: Sequence[str] = _ARGV) -> None:
    """Run the command as if for the first time."""
    shutil.rmtree(os.environ["FLAKESYNC_CACHE"], ignore_errors=True)
    audit(root, argv)


def parts(root: Path) -> list[tuple[str, str, str]]:
    """Return where the processor time of a cold run goes, in this process: reading, and each rule."""
    from flakesync.audit.audit import make_context
    from flakesync.audit.engine import find_findings, rules_at
    from flakesync.audit.evidence.inputs import find_inputs
    from flakesync.audit.lines import with_lines
    from flakesync.audit.rules import RULES
    from flakesync.audit.subject import all_subjects
    from flakesync.workspace.manifest import load_workspace
    from flakesync.workspace.snapshot import read_snapshot

    gc.set_threshold(10_000_000, 20, 20)  # as the command does
    shutil.rmtree(os.environ["FLAKESYNC_CACHE"], ignore_errors=True)
    rows: list[tuple[str, str, str]] = []

    def timed(what: str, work: Callable[[], T]) -> T:
        begin = time.process_time()
        found = work()
        rows.append((f"of the first run: {what}", f"{(time.process_time() - begin) * 1000:.0f} ms", "–"))
        return found

    workspace = timed("the manifest", lambda: load_workspace(root / "workspace.toml"))
    cache = Path(os.environ["FLAKESYNC_CACHE"])
    snapshot = timed("locks and flake.nix", lambda: read_snapshot(workspace, cache=cache, offline=True))
    context = timed("which pin governs what", lambda: make_context(snapshot, now=int(time.time())))
    states = list(snapshot.states.values())
    nodes = timed("the nodes of all locks", lambda: all_subjects(states))
    timed("where the nodes are from", lambda: [each.node.origin for each in nodes])
    rules = rules_at(RULES, "offline", context)
    clones = {identity: snapshot.states[name].repo.path or root for identity, name in context.owners.items()}
    timed("what is asked below inputs", lambda: find_inputs((each.node for each in nodes), clones))
    found = timed(f"all {len(rules)} rules", lambda: find_findings(context, states, rules, nodes))
    timed(f"the lines of {len(found.findings)} findings", lambda: with_lines(found.findings, states))
    for rule in rules:
        timed(f"`{rule.id}` alone", lambda rule=rule: find_findings(context, states, [rule], nodes))  # type: ignore[misc]
    return rows


def main() -> None:
    """Print the times, the ratio to a script that only reads and decodes the locks, and the parts."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FLAKESYNC_CACHE"] = f"{folder}/cache"
        root = Path(folder) / "many"
        root.mkdir()
        make(root, COUNT)
        works = {
            "cold": lambda: cold(root),
            "audit": lambda: audit(root),
            "drift": lambda: cold(root, _DRIFT),
            "script": lambda: run(python("-c", SCRIPT), cwd=str(root)),
        }
        times = interleaved(works, rounds=5)
        script = times["script"].best
        rows = []
        for name, words, wanted in (("cold", ", first run", "≤ 5 s"), ("audit", "", "–")):
            best = times[name].best
            what = f"audit, {COUNT} repos of {NODES} nodes{words} / a script: glob, read_text, json.loads"
            rows.append((what, f"{best:.2f} s ({best / script:.2f})", wanted))
            rows.append((f"audit, {COUNT} repos{words}: processor time", f"{times[name].least_work:.2f} s", "–"))
        work = times["cold"].least_work / times["drift"].least_work
        rows.append(("audit, first run / drift --offline, first run: processor time", f"{work:.2f}", "–"))
        peak = peak_bytes(python(*_ARGV), cwd=str(root), statuses=(1,))
        rows.append((f"audit, {COUNT} repos: greatest memory", f"{peak / 1e6:.0f} MB", "–"))
        show([*rows, *parts(root)])


if __name__ == "__main__":
    main()
