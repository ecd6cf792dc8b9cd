"""Times whole processes: interleaved, so that a slow phase of the machine hits both sides of a ratio."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

# As where flakesync is installed: without kept bytecode each process would compile what it imports, and the number of
# modules would be measured, not the work.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@dataclass(frozen=True)
class Timing:
    """Seconds of each round, those of the processor too, and the greatest resident size in bytes (0: not measured)."""

    seconds: tuple[float, ...]
    processor_seconds: tuple[float, ...] = ()
    peak_bytes: int = 0

    @property
    def best(self) -> float:
        """The fastest round."""
        return min(self.seconds)

    @property
    def least_work(self) -> float:
        """The round that took the least processor time, which other processes change little."""
        return min(self.processor_seconds)

    @property
    def middle(self) -> float:
        """The median round."""
        return median(self.seconds)


def python(*argv: str) -> list[str]:
    """Return the command that runs this Python."""
    return [sys.executable, *argv]


def run(argv: Sequence[str], *, cwd: str | None = None, statuses: Sequence[int] = (0,)) -> None:
    """Run a process, its output dropped.

    Raises:
        RuntimeError: it ended with another status; its stderr is in the message.
    """
    ended = subprocess.run(argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if ended.returncode not in statuses:
        raise RuntimeError(f"{argv}: status {ended.returncode}: {ended.stderr.decode()[-2000:]}")


def interleaved(
    works: Mapping[str, Callable[[], None]], *, rounds: int, before: Mapping[str, Callable[[], None]] | None = None
) -> dict[str, Timing]:
    """Run each piece of work `rounds` times in turn and return the times, with those of the processes that it ran.

    before: what is done before each round of some of them, which is not measured.
    """
    seconds: dict[str, list[float]] = {name: [] for name in works}
    processor: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            if before is not None and name in before:
                before[name]()
            begin, used = time.perf_counter(), _processor_seconds()
            work()
            seconds[name].append(time.perf_counter() - begin)
            processor[name].append(_processor_seconds() - used)
    return {name: Timing(tuple(seconds[name]), tuple(processor[name])) for name in works}


def _processor_seconds() -> float:
    # `os.times` counts in hundredths of a second.
    parts = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in parts)


def peak_bytes(argv: Sequence[str], *, cwd: str | None = None, statuses: Sequence[int] = (0,)) -> int:
    """Run a process and return its greatest resident size in bytes (Linux counts in KiB)."""
    process = subprocess.Popen(argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in statuses:
        raise RuntimeError(f"{argv}: status {process.returncode}")
    return usage.ru_maxrss * 1024


def show(rows: Sequence[tuple[str, str, str]]) -> None:
    """Print a table in Markdown: what, measured, wanted."""
    print("| what | measured | wanted |\n|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
