"""Runs a command and writes down each program that it, or anything it starts, becomes, and each socket that is made.

With ptrace and a filter (seccomp), as `tests.kill.tracer`: what git and C libraries do is seen like what Python does.

    python -m tests.audit.watch REPORT FOLDER COMMAND...
"""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.kill import tracer

ROOT = Path(__file__).parents[2]
# arch/x86/entry/syscalls/syscall_64.tbl
_SOCKETS = {41: "socket", 42: "connect", 44: "sendto", 46: "sendmsg", 53: "socketpair", 425: "io_uring_setup"}


@dataclass
class Watched:
    """What was seen. status: of the command, negative for a signal. programs: their command lines, its own first."""

    status: int = 0
    programs: list[list[str]] = field(default_factory=list)
    sockets: list[str] = field(default_factory=list)


def watch(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], report: Path) -> tuple[Watched, str]:
    """Run a command; return what was seen of it and what it wrote. report: a file that may be written."""
    command = [sys.executable, "-m", "tests.audit.watch", str(report), str(cwd), *argv]
    ran = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=240)
    assert ran.returncode == 0, ran.stderr
    return Watched(**json.loads(report.read_text())), ran.stdout + ran.stderr


def _watch(cwd: str, argv: Sequence[str]) -> Watched:
    pid = os.fork()
    if pid == 0:
        os.chdir(cwd)
        tracer.submit([*_SOCKETS])
        os.execvp(argv[0], [*argv])
    found = Watched()

    def stopped(who: int, event: int) -> None:
        with contextlib.suppress(OSError):  # it has been killed meanwhile
            if event == tracer.EVENT_EXEC:
                found.programs.append(os.fsdecode(Path(f"/proc/{who}/cmdline").read_bytes()).rstrip("\0").split("\0"))
            elif event == tracer.EVENT_SECCOMP:
                found.sockets.append(_SOCKETS[tracer.call_of(who)])

    found.status = tracer.follow(pid, {pid}, stopped)
    return found


if __name__ == "__main__":
    _, report, cwd, *argv = sys.argv
    Path(report).write_text(json.dumps(asdict(_watch(cwd, argv))))
