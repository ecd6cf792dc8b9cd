"""The native locker in process: milliseconds a lock, against Nix for the same locks, and on the largest lock known."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

from benchmarks.measure import show
from flakesync.nix.command import Nix
from flakesync.nix.flakefile import InputSpec
from flakesync.nix.flakeref import Attr, FlakeRef
from flakesync.nix.lockfile import LockFile
from flakesync.sync.lockers import FromClone, FromServer, Move, Request
from flakesync.sync.lockers.native.compute import compute
from flakesync.sync.lockers.native.locker import NativeLocker
from flakesync.sync.lockers.native.sources import Sources
from flakesync.sync.lockers.native.values import NIX_2_34, Fetched, Flake
from flakesync.sync.lockers.nix import NixLocker
from flakesync.terms import FlakeDir
from tests.support.nixspace import Space, Take

LARGEST = Path(__file__).parents[2] / "shared/corpus/cardano/Plutonomicon/cardano-transaction-lib/flake.lock"
COUNT = 20


def workspace(root: Path) -> list[Request]:
    """Return requests to move two inputs of repos whose locks have about 20 nodes."""
    space = Space(root)
    for number in range(6):
        takes = {f"w{above}": Take() for above in range(number)[-2:]}
        space.add(f"w{number}", {"nixpkgs": Take(), **takes})
    requests = []
    for number in range(COUNT):
        name = f"r{number}"
        space.add(name, {"nixpkgs": Take(), "w5": Take(follows={"nixpkgs": "nixpkgs"})})
        tip = space.tip(name)
        lock = LockFile.parse((space.path(name) / "flake.lock").read_bytes())
        moves = []
        for path, source in (
            (("nixpkgs",), FromServer(space.tip("nixpkgs"), "main")),
            (("w5",), FromClone(space.tip("w5"), space.path("w5"), "refs/heads/main", "main", pushed=True)),
        ):
            node = lock.node(path)
            assert node is not None
            moves.append(Move(path, node.original or {}, node.locked or {}, source))
        requests.append(Request(space.path(name), tip, FlakeDir("."), lock, moves))
    return requests


def largest() -> Callable[[], None]:
    """Return the work of moving one input in the lock with 856 nodes, from its bytes to the new bytes."""
    data = LARGEST.read_bytes()
    lock = LockFile.parse(data)
    inputs = {name: _spec(lock, name) for name, target in lock.root_inputs() if not isinstance(target, tuple)}
    inputs |= {
        name: InputSpec(None, target, True, {}, False, True, 1, 1)
        for name, target in lock.root_inputs()
        if isinstance(target, tuple)
    }
    path = next((name,) for name in inputs if (node := lock.node((name,))) is not None and not node.inputs)
    locked = {**(((node := lock.node(path)) and node.locked) or {}), "rev": "0" * 40}

    def move() -> None:
        ref = inputs[path[0]].ref
        assert ref is not None
        moved = Fetched(ref, lambda _: locked, lambda: Flake({}, None))
        compute(LockFile.parse(data), inputs, {path: moved}, _Nothing(), [NIX_2_34]).to_bytes()

    return move


def _spec(lock: LockFile, name: str) -> InputSpec:
    """Return what flake.nix would have to say for the lock to be as it is."""
    node = lock.node((name,))
    assert node is not None
    below = {
        inner: InputSpec(None, target, True, {}, False, True, 1, 1)
        for inner, target in node.inputs.items()
        if isinstance(target, tuple)
    }
    return InputSpec(FlakeRef.from_attrs(node.original or {}), None, node.flake, below, False, True, 1, 1)


class _Nothing:
    def at(self, locked: Mapping[str, Attr]) -> Flake:
        raise AssertionError(locked)

    def newest(self, ref: FlakeRef) -> Fetched:
        raise AssertionError(ref)


def main() -> None:
    """Print the table."""
    rows: list[tuple[str, str, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = f"{folder}/cache"
        requests = workspace(Path(folder) / "space")
        nodes = len(requests[0].lock.nodes)
        native = NativeLocker(Sources({}, (), Path(folder) / "cache"))
        times = [_seconds(lambda request=request: native.lock(request)) for request in requests]  # type: ignore[misc]
        rows.append((f"native, a lock of {nodes} nodes, two inputs", f"{median(times) * 1000:.2f} ms", ""))
        if shutil.which("nix") is not None:
            real = NixLocker(Nix.find())
            theirs = [_seconds(lambda request=request: real.lock(request)) for request in requests]  # type: ignore[misc]
            rows.append((f"{real.name}, the same", f"{median(theirs) * 1000:.0f} ms", ""))
            rows.append(("ratio", f"{median(theirs) / median(times):.0f}", ""))
    if LARGEST.exists():
        move = largest()
        best = min(_seconds(move) for _ in range(10))
        rows.append(("one input moved in a lock of 856 nodes, parsed and written", f"{best * 1000:.0f} ms", "< 50 ms"))
    show(rows)


def _seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
