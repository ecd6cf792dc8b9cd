"""Look for new inputs that do harm: `python -m tests.fuzz.search MINUTES [SEED]`, by `make fuzz MINUTES=n`.

Each target is tried in a process of its own, with 500 MB above what it begins with and a hard end in time. What fails
is kept below `.cache/fuzz`, made shorter as long as it fails in the same way, and its path is printed. Exit status 1:
something failed.
"""

import hashlib
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from tests.fuzz.mutate import mutated
from tests.fuzz.targets import MOST_S, TARGETS, Target, attempt

KEPT = Path(".cache/fuzz")
ROUND_S = 5.0
"""How long one target is tried before the next."""
END_S = 20
"""After so many seconds of its own an input is taken to hang."""
MORE_BYTES = 500 << 20
_TRIES = 300


def fault(target: Target, data: bytes) -> str | None:
    """Return in which way an input does harm; None: it does none."""
    try:
        seconds = attempt(target, data)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
        return type(error).__name__
    return "slow" if seconds > MOST_S else None


def shorter(target: Target, data: bytes, how: str) -> bytes:
    """Return a part of an input that does the same harm."""
    tries, size = 0, len(data) // 2
    while size and tries < _TRIES and how != "slow":
        at = 0
        while at < len(data) and tries < _TRIES:
            less = data[:at] + data[at + size :]
            tries += 1
            if fault(target, less) == how:
                data = less
            else:
                at += size
        size //= 2
    return data


def keep(name: str, data: bytes, how: str) -> None:
    """Keep an input that does harm, and say where."""
    folder = KEPT / name
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"{how}-{hashlib.sha256(data).hexdigest()[:12]}"
    place.write_bytes(data)
    print(f"{name}: {how}: {place} ({len(data)} bytes)", flush=True)


def try_for(name: str, chance: Random, now_at: Path) -> bool:
    """Try a target in this process until its round is over; False: something failed."""
    target, seeds, sound = TARGETS[name], list(TARGETS[name].seeds), True
    end = time.monotonic() + ROUND_S
    while time.monotonic() < end:
        data = mutated(chance, chance.choice(seeds), target.tokens)
        if chance.random() < 0.2:
            data = b"".join(chance.choices(target.tokens, k=chance.randint(1, 60)))
        # So that the one who waits knows it, should this process be ended.
        now_at.write_bytes(data)
        resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + END_S, resource.RLIM_INFINITY))
        how = fault(target, data)
        if how is not None:
            keep(name, shorter(target, data, how), how)
            sound = False
        elif chance.random() < 0.05 and len(data) < 2_000:
            seeds.append(data)
    return sound


def in_process(name: str, seed: int) -> bool:
    """Try a target in a process of its own; False: something failed, or the process was ended."""
    with tempfile.TemporaryDirectory(prefix="flakesync-fuzz-") as folder:
        now_at = Path(folder, "input")
        process = os.fork()
        if process == 0:
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            limit = pages * resource.getpagesize() + MORE_BYTES
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
            os.environ["HOME"] = folder
            tempfile.tempdir = folder  # what targets write goes with it
            os._exit(0 if try_for(name, Random(seed), now_at) else 1)
        status = os.waitpid(process, 0)[1]
        if os.WIFSIGNALED(status):
            keep(name, now_at.read_bytes(), f"signal-{os.WTERMSIG(status)}")
        return status == 0


def main(minutes: float, seed: int) -> int:
    """Try all targets in turn; return an exit status."""
    print(f"seed {seed}", flush=True)
    end = time.monotonic() + minutes * 60
    sound, turn = True, 0
    while time.monotonic() < end:
        for name in TARGETS:
            sound &= in_process(name, seed + turn)
            turn += 1
    print(f"{turn} rounds of {ROUND_S:g} s; {'nothing failed' if sound else 'see the inputs above'}")
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else int(time.time())))
