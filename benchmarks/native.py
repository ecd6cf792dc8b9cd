"""`sync` with the native locker: a thousand repos against the shell loop with real Nix, and against bare git.

What is wanted is in the last column. The loop is run on 25 repos of each wave and scaled by count; `fast-import` makes
the very commits that sync has made, one process a repo, two at once.
"""

import math
import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks.fleet import WAVES, Fleet, make_fleet
from benchmarks.measure import peak_bytes, python, run, show
from benchmarks.shares import where_the_time_goes
from flakesync.nix.expression.inputs import InputSpec
from flakesync.nix.lock.file import LockFile
from flakesync.nix.program.command import Nix
from flakesync.nix.reference.flakeref import Attr, FlakeRef
from flakesync.sync.lockers.native.compute import compute
from flakesync.sync.lockers.native.dialects import NIX_2_34
from flakesync.sync.lockers.native.values import Fetched, Flake
from tests.support.nixspace import UPDATE

LARGEST = Path(__file__).parents[1] / "tests/corpus/locks/cardano/Plutonomicon/cardano-transaction-lib/flake.lock"
COUNT = 1000
LOOPED = 25
ROUNDS = 3
WHO = {f"GIT_{role}_{part}": "bench@x.example" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
Row = tuple[str, str, str]


class Ground:
    """A fleet that can be brought back to its beginning. It stays where it is: locks name folders."""

    def __init__(self, folder: Path, count: int) -> None:
        self.fleet = make_fleet(folder / f"fleet{count}", count)
        self._begun = set(self.fleet.root.rglob("*"))

    def reset(self) -> None:
        """Take away what was made since, which is all that sync does, and let the disk come to rest."""
        for path in sorted(set(self.fleet.root.rglob("*")) - self._begun, reverse=True):
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink()
        os.sync()

    def sync(self, *more: str) -> list[str]:
        """Return the command that is measured."""
        return command(self.fleet, *more)


def command(fleet: Fleet, *more: str) -> list[str]:
    """Return the command that syncs a fleet."""
    return python("-m", "flakesync", "sync", "-q", "--locker", "native", "-w", str(fleet.manifest), *more)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds that passed, and those of processors that this process and its children took."""

    def used() -> float:
        both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(usage.ru_utime + usage.ru_stime for usage in both)

    begin, processor = time.perf_counter(), used()
    work()
    return time.perf_counter() - begin, used() - processor


def loop(fleet: Fleet) -> None:
    """Do what the loop does: per repo, move its inputs with one nix call and commit, so that the next one sees it."""
    nix = Nix.find()
    by_name = nix.version >= (2, 19)
    for member in fleet.members:
        inputs = ["nixpkgs", *member.takes]
        flags = [part for each in inputs for part in ("--update-input", each)]
        update = ["flake", "update", *inputs] if by_name else ["flake", "lock", *flags]
        for command in ([str(nix.program), *update], ["git", "commit", "-qam", "flake.lock: Update"]):
            run(command, cwd=str(fleet.root / member.name))


def streams(fleet: Fleet) -> dict[Path, bytes]:
    """Return what `git fast-import` is told in each repo to make the commit that sync has made there."""
    found: dict[Path, bytes] = {}
    for member in fleet.members:
        path = fleet.root / member.name
        commit = _git(path, "cat-file", "commit", UPDATE)
        head, _, message = commit.partition(b"\n\n")
        lock = _git(path, "cat-file", "blob", f"{UPDATE}:flake.lock")
        people = b"\n".join(line for line in head.split(b"\n") if line.startswith((b"author ", b"committer ")))
        lines = [
            b"commit %s" % UPDATE.encode(),
            people,
            b"data %d\n%s" % (len(message), message),
            b"from refs/heads/main^0",
            b"M 644 inline flake.lock\ndata %d\n%s" % (len(lock), lock),
        ]
        found[path] = b"\n".join(lines) + b"\n"
    return found


def fast_import(told: Mapping[Path, bytes]) -> None:
    """Make the same commits, one process a repo, two at once."""

    def one(item: tuple[Path, bytes]) -> None:
        subprocess.run(["git", "fast-import", "--quiet"], cwd=item[0], input=item[1], check=True)

    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(one, told.items()))


def _git(path: Path, *argv: str) -> bytes:
    return subprocess.run(["git", *argv], cwd=path, check=True, capture_output=True).stdout


_SERIAL = """
import sys, time
marks = []

class Timed:
    def find_spec(self, name, path=None, target=None):
        if name == "flakesync.sync.engine":
            sys.meta_path.remove(self)
            import flakesync.sync.bump as module
            bump = module.bump

            def timed(*given, **more):
                marks.append(time.process_time())
                try:
                    return bump(*given, **more)
                finally:
                    marks.append(time.process_time())

            module.bump = timed

sys.meta_path.insert(0, Timed())
from flakesync.cli.main import run
run(sys.argv[1:])
print(marks[0], time.process_time() - marks[-1], file=sys.stderr)
"""
"""A sync that says how much processor time has passed before its first repo, and since its last."""


def serial(fleet: Fleet) -> tuple[float, float]:
    """Sync a fleet; return the processor seconds before the first repo is begun, and after the last one."""
    argv = python("-c", _SERIAL, *command(fleet, "-j1")[3:])
    ended = subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    before, after = map(float, ended.stderr.splitlines()[-1].split())
    return before, after


def tips(fleet: Fleet) -> list[str]:
    """Return the update commit of each repo."""
    return [(fleet.root / member.name / ".git" / UPDATE).read_text() for member in fleet.members]


def thousand(folder: Path) -> list[Row]:
    """Return the rows of the thousand repos. All rounds of all sides take turns; the best of each counts."""
    ground = Ground(folder, COUNT)
    run(ground.sync())
    made, told = tips(ground.fleet), streams(ground.fleet)
    names = ("first", "second", "first, --jobs 2", "fast-import", "loop")
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    parts: list[tuple[float, float]] = []
    for number in range(ROUNDS):
        ground.reset()
        times["first"].append(timed(lambda: run(ground.sync("-j1"))))
        times["second"].append(timed(lambda: run(ground.sync("-j1"))))
        ground.reset()
        parts.append(serial(ground.fleet))
        ground.reset()
        times["first, --jobs 2"].append(timed(lambda: run(ground.sync("-j2"))))
        ground.reset()
        times["fast-import"].append(timed(lambda: fast_import(told)))
        if tips(ground.fleet) != made:
            raise RuntimeError("fast-import has not made the same commits")
        if shutil.which("nix") is not None:
            looped = make_fleet(folder / f"looped{number}", LOOPED * WAVES, checkout=True)
            wall, processor = timed(partial(loop, looped))
            times["loop"].append((wall * COUNT / (LOOPED * WAVES), processor * COUNT / (LOOPED * WAVES)))
    best = {name: tuple(map(min, zip(*each, strict=True))) for name, each in times.items() if each}
    ground.reset()
    peak = peak_bytes(ground.sync("-j2"))

    def ratio(one: str, other: str) -> str:
        """Return how many times as long as `other` `one` takes, by the clock and by the processor."""
        wall, processor = (best[one][which] / best[other][which] for which in (0, 1))
        return f"{wall:.1f} (processor time {processor:.1f}; {_each(best[one])} a repo against {_each(best[other])})"

    rows: list[Row] = []
    if "loop" in best:
        what = (
            f"serial shell loop with Nix {Nix.find().version_text} (25 repos of each wave, scaled) / sync, 1,000 repos"
        )
        rows.append((what, ratio("loop", "first"), "≥ 12, aim 25"))
    rows.append(("sync / one `git fast-import` a repo, two at once", ratio("first", "fast-import"), "≤ 3"))
    rows.append(("sync / a second sync with nothing to do", ratio("first", "second"), "≥ 5"))
    rows.append(("sync, `--jobs 2` / `--jobs 1`", ratio("first, --jobs 2", "first"), "–"))
    before, after = min(parts, key=sum)
    share = (before + after) / best["first"][1]
    figures = f"{before:.2f} s and {after:.2f} s of processor time, {share:.0%} of it"
    rows.append(("sync of 1,000 repos: before the first repo is begun and after the last", figures, "≤ 0.5 s"))
    rows.append(("sync of 1,000 repos: greatest memory", f"{peak / 1e6:.0f} MB", "< 400 MB"))
    return rows


def _each(seconds: Sequence[float]) -> str:
    return f"{seconds[0] / COUNT * 1000:.1f} ms"


def growth(folder: Path) -> list[Row]:
    """Return the rows of the growth from 100 to 5,000 repos, and of the memory of these."""
    best: dict[int, float] = {}
    peak = 0
    for count, tries in ((100, 3), (5000, 2)):
        fleets = [make_fleet(folder / f"growth{count}-{number}", count) for number in range(tries)]
        os.sync()
        if count == 5000:  # of a first sync too
            peak = peak_bytes(command(fleets.pop(), "-j1"))
        best[count] = min(timed(partial(run, command(fleet, "-j1")))[1] for fleet in fleets)
    exponent = math.log(best[5000] / best[100]) / math.log(50)
    figures = f"{exponent:.2f} (processor time {best[100]:.2f} s and {best[5000]:.1f} s)"
    return [
        ("sync: growth from 100 to 5,000 repos, exponent", figures, "≤ 0.9"),
        ("sync of 5,000 repos: greatest memory", f"{peak / 1e6:.0f} MB", "≤ 320 MB"),
    ]


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
        compute(LockFile.parse(data), Flake(inputs, None), {path: moved}, _Nothing(), [NIX_2_34]).to_bytes()

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
    """Print the table, and where the time goes."""
    os.environ |= {**WHO, "NIX_CONFIG": "experimental-features = nix-command flakes"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["XDG_CACHE_HOME"] = f"{name}/cache"
        rows = [*thousand(folder), *growth(folder)]
        if LARGEST.exists():
            move = largest()
            best = min(timed(move)[0] for _ in range(10))
            rows.append(
                ("one input moved in a lock of 856 nodes, parsed and written", f"{best * 1000:.0f} ms", "< 50 ms")
            )
        show(rows)
        ground = Ground(folder, 300)
        shares = where_the_time_goes(ground.fleet.manifest)
        print("\nWhere the time of a first run goes: " + ", ".join(f"{kind} {share}" for kind, share in shares.items()))


if __name__ == "__main__":
    main()
