"""Mutation testing: does some test fail where the program is wrong? `make mutants` has the options.

First the whole suite is run once on a copy that notes which test runs which statement; that is kept in .cache/mutants.
Then a sample of mutants, spread evenly over the statements of the modules where a silent mistake would hurt most, is
tried: each in a copy of the project, on the tests that run its statement, nearest first, until one fails. Every mutant
gets a process that is forked from this one, which has pytest and the libraries imported already.

Exit status: 0, or 1 where fewer were noticed than asked for with --least.
"""

import argparse
import contextlib
import fnmatch
import importlib
import os
import random
import resource
import signal
import sys
import time
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import changes
import pytest
import reach
import tree

CACHE = tree.ROOT / ".cache/mutants"
EQUIVALENT = Path(__file__).with_name("equivalent.txt")
MODULES = (
    "analysis/*", "survey/*", "sync/lockers/native/*", "sync/bump.py", "update/*", "publish/*", "land/*",
    "git/store/refs.py", "git/store/write.py", "nix/store/narhash.py", "nix/lock/*", "nix/reference/identity.py",
    "nix/program/portability.py",
)  # fmt: skip
PRELOADED = (
    "git", "httpx2", "hypothesis", "jsonschema", "msgspec", "networkx", "pygit2", "pytest_timeout", "rich.console",
    "tomli", "tree_sitter", "tree_sitter_nix", "typer", "truststore", "xdist", "_pytest.assertion.rewrite",
)  # fmt: skip
FIRST_TESTS = 25
"""How many tests a mutant meets at first; most fail one of them, and the rest need not be collected."""
MOST_BYTES = 4 << 30


def main() -> int:
    """Run what the command line asks for and return the exit status."""
    options = _options()
    CACHE.mkdir(parents=True, exist_ok=True)
    for name in PRELOADED:
        importlib.import_module(name)
    if options.record or not (CACHE / "reach.json").exists():
        record(options.jobs, options.tests)
    wanted = options.modules.split() or MODULES
    return report(try_all(sample(wanted, options.sample, options.seed), options), options.least)


_running: set[int] = set()
"""The processes that were forked and have not been waited for, each the first of its group."""


def stop() -> None:
    """End what still runs tests; they are in groups of their own, which a ctrl-C does not reach."""
    for process in _running:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process, signal.SIGKILL)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("--sample", type=int, default=200, help="how many mutants (200)")
    parser.add_argument("--seed", type=int, default=None, help="which sample; a new one each time without it")
    parser.add_argument("--modules", default="", help="globs below flakesync/, separated by spaces")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time (2)")
    parser.add_argument("--seconds", type=float, default=60, help="how long the tests of one mutant may take (60)")
    parser.add_argument("--record", action="store_true", help="run the suite, and note what each test runs")
    parser.add_argument("--tests", default="tests", help="tests to record, separated by spaces (tests)")
    parser.add_argument("--least", type=float, default=0, help="the score in per cent below which the status is 1")
    options = parser.parse_args()
    options.seed = random.randrange(1 << 20) if options.seed is None else options.seed
    return options


def chosen(patterns: Iterable[str]) -> list[str]:
    """Return the modules that globs below flakesync/ name, each as a path from the top."""
    paths = (path.relative_to(tree.ROOT / "flakesync").as_posix() for path in (tree.ROOT / "flakesync").rglob("*.py"))
    return sorted(f"flakesync/{path}" for path in paths if any(fnmatch.fnmatch(path, each) for each in patterns))


def record(jobs: int, tests: str) -> None:
    """Run the suite once and keep which tests run which statements."""
    print("recording which tests run what; this takes as long as the suite, and half as long again", flush=True)
    files = sorted(
        str(path.relative_to(tree.ROOT))
        for each in tests.split()
        for path in ([tree.ROOT / each] if each.endswith(".py") else (tree.ROOT / each).rglob("test_*.py"))
    )
    random.Random(0).shuffle(files)
    keys: list[str] = []
    started = {}
    for job in range(jobs):
        folder = CACHE / f"copy-{job}"
        tree.make(folder)
        keys = reach.instrument(folder, chosen(["*"]))
        recorder = reach.Recorder(folder, CACHE / f"reach-{job}.jsonl")
        arguments = [*files[job::jobs], "--timeout", "300"]
        started[fork(folder, CACHE / f"record-{job}.log", arguments, recorder)] = job
    while started:
        process, _ = os.wait()
        started.pop(process, None)
        _running.discard(process)
    reach.write(CACHE / "reach.json", keys, [CACHE / f"reach-{job}.jsonl" for job in range(jobs)])


def sample(patterns: Iterable[str], wanted: int, seed: int) -> list[changes.Mutant]:
    """Return a sample: statements in even steps from a random one on, and of each a random mutant."""
    chance = random.Random(seed)
    equivalent = {line.split(" #")[0].strip() for line in EQUIVALENT.read_text().splitlines() if line[:1] != "#"}
    by_statement: dict[str, list[changes.Mutant]] = {}
    for module in chosen(patterns):
        for mutant in changes.mutants(module, (tree.ROOT / module).read_bytes()):
            if without_line(mutant) not in equivalent:
                by_statement.setdefault(mutant.statement, []).append(mutant)
    statements = list(by_statement)
    wanted = min(wanted, len(statements))
    total = sum(map(len, by_statement.values()))
    print(f"{wanted} of {total} mutants of {len(statements)} statements, SEED={seed}", flush=True)
    first, step = chance.random(), len(statements) / max(wanted, 1)
    places = [by_statement[statements[int((first + number) * step)]] for number in range(wanted)]
    found = []
    for place in places:
        chance.shuffle(place)
        found += [mutant for mutant in place if mutant.is_valid((tree.ROOT / mutant.module).read_bytes())][:1]
    return found


def without_line(mutant: changes.Mutant) -> str:
    """Return how a mutant is named in the list of equivalent ones: its line number would not last."""
    return str(mutant).replace(f":{mutant.line} ", " ", 1)


class Trial:
    """A mutant in a copy, met by its nearest tests and then by the others."""

    def __init__(self, mutant: changes.Mutant, folder: Path, names: list[str], seconds: dict[str, float]) -> None:
        self.mutant = mutant
        self._path = folder / mutant.module
        self._source = self._path.read_bytes()
        self._folder = folder
        self._parts = [part for part in (names[:FIRST_TESTS], names[FIRST_TESTS:]) if part]
        self._seconds = seconds
        self.by: str | None = None
        self.process: int | None = None
        self._end = 0.0
        tree.write(self._path, mutant.apply(self._source))
        self._next()

    def _next(self) -> None:
        if not self._parts or self.by is not None:
            self.process = None
            tree.write(self._path, self._source)
            return
        part = self._parts.pop(0)
        self._failed.unlink(missing_ok=True)
        files = sorted({name.split("::")[0] for name in part})
        chooser = Chooser(part, self._failed)
        seconds = sum(self._seconds[name] for name in part)
        self.process = fork(self._folder, self._folder / "log", [*files, "-x", "--timeout", "60"], chooser, seconds)
        self._end = time.monotonic() + 120 + 10 * seconds

    @property
    def _failed(self) -> Path:
        return self._folder / "failed"

    def goes_on(self) -> bool:
        """Whether tests are being run still."""
        if self.process is None:
            return False
        if os.waitpid(self.process, os.WNOHANG) == (0, 0):
            if time.monotonic() < self._end:
                return True
            os.killpg(self.process, signal.SIGKILL)
            os.waitpid(self.process, 0)
        _running.discard(self.process)
        # A process that ended without a word was ended for its time, or by what the mutant did.
        failed = self._failed.read_text() if self._failed.exists() else "time limit, or crash"
        self.by = failed or None
        self._next()
        return self.process is not None


@dataclass(frozen=True)
class Tried:
    """What became of a mutant. by: the test that failed; None: none did. tests: how many run it, of how many."""

    mutant: changes.Mutant
    by: str | None
    tests: tuple[int, int]


def try_all(wanted: list[changes.Mutant], options: argparse.Namespace) -> list[Tried]:
    """Try mutants, a few at a time, each in a copy that is its own meanwhile."""
    known = reach.Reach.read(CACHE / "reach.json")
    # Copies are made once: what is edited meanwhile is for the next run.
    folders = [CACHE / f"copy-{job}" for job in range(options.jobs)]
    for folder in folders:
        tree.make(folder)
    found: list[Tried] = []
    running: list[tuple[Path, Trial, tuple[int, int]]] = []
    waiting = list(reversed(wanted))
    while waiting or running:
        while waiting and folders:
            mutant, folder = waiting.pop(), folders.pop()
            every = [name for name in known.of(mutant) if (folder / name.split("::")[0]).exists()]
            names = within(options.seconds, every, known.seconds)
            running.append((folder, Trial(mutant, folder, names, known.seconds), (len(names), len(every))))
        for each in list(running):
            folder, trial, tests = each
            if not trial.goes_on():
                running.remove(each)
                folders.append(folder)
                found.append(Tried(trial.mutant, trial.by, tests))
                print(f"{len(found):4} {trial.mutant}: {trial.by or 'NOT NOTICED'}", flush=True)
        time.sleep(0.02)
    return found


def within(limit_s: float, names: list[str], seconds: dict[str, float]) -> list[str]:
    """Return the first tests that take no longer than this together, those of no time in between too."""
    kept, spent = [], 0.0
    for name in names:
        if spent + seconds[name] <= limit_s:
            kept.append(name)
            spent += seconds[name]
    return kept


class Chooser:
    """A pytest plugin: keeps the named tests, in that order, and writes down the first one that fails, or ""."""

    def __init__(self, names: list[str], out: Path) -> None:
        self._place = {name: place for place, name in enumerate(names)}
        self._out = out
        self._failed = ""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the named ones."""
        kept = [item for item in items if item.nodeid in self._place]
        items[:] = sorted(kept, key=lambda item: self._place[item.nodeid])

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Count a file that cannot be imported as a failure."""
        self._failed = self._failed or (report.nodeid if report.failed else "")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a failure."""
        self._failed = self._failed or (report.nodeid if report.failed else "")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Say so."""
        self._out.write_text(self._failed or ("" if exitstatus in (0, 5) else f"exit status {exitstatus}"))


def fork(folder: Path, log: Path, arguments: list[str], plugin: object, seconds: float | None = None) -> int:
    """Start pytest in a copy, in a process group of its own; return the id of its process.

    seconds: what its tests take otherwise. It is ended after some times that, of the processor: a machine may be busy.
    """
    process = os.fork()
    if process:
        _running.add(process)
        return process
    status = 1
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_DATA, (MOST_BYTES, MOST_BYTES))
        if seconds is not None:
            resource.setrlimit(resource.RLIMIT_CPU, (most := 15 + 5 * int(seconds), most + 5))
        with log.open("wb") as out:
            os.dup2(out.fileno(), 1)
            os.dup2(out.fileno(), 2)
        os.chdir(folder)
        os.environ["PYTHONPATH"] = str(folder)
        sys.path[:] = [str(folder), *(path for path in sys.path if Path(path).resolve() != Path(__file__).parent)]
        for name in ("changes", "reach", "tree"):
            sys.modules.pop(name, None)
        # Plugins are imported already, so pytest cannot rewrite their assertions and says so.
        quiet = ["-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
        status = pytest.main([*quiet, "--rootdir", str(folder), *arguments], plugins=[plugin])
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def report(tried: list[Tried], least: float) -> int:
    """Print what no test noticed and the score; return the exit status."""
    survivors = sorted((each for each in tried if each.by is None), key=lambda each: str(each.mutant))
    print("\nNo test notices:" if survivors else "\nEvery mutant was noticed.")
    for each in survivors:
        print(f"  {each.mutant}  ({each.tests[0]} of {each.tests[1]} tests)")
    noticed = len(tried) - len(survivors)
    score = 100 * noticed / max(len(tried), 1)
    print(f"{noticed} of {len(tried)} noticed: {score:.1f} %")
    return int(score < least)


if __name__ == "__main__":
    try:
        sys.exit(main())
    finally:
        stop()
