"""Where the time of a sync goes, by the profiler: its own cost makes Python look dearer than it is, so only shares."""

import cProfile
import io
import os
import pstats
from contextlib import redirect_stdout
from pathlib import Path

_KINDS = (
    ("git processes", ("subprocess.py", "selectors.py", "git/process.py", "fork_exec", "select.poll")),
    ("system calls on files", ("built-in method posix.", "_io.open", "_io.", "fcntl.")),
    ("hashing and compressing", ("_hashlib", "_sha", "zlib", "nix/store/")),
    ("JSON", ("msgspec",)),
    ("reading flake.nix", ("tree_sitter", "nix/expression/", "nix/program/portability.py")),
    ("references and addresses", ("nix/reference/", "urllib/")),
    ("the lock algorithm", ("lockers/", "nix/lock/")),
    ("comparing and describing locks", ("update/difference.py", "sync/verify.py")),
    ("git's objects and refs, in Python", ("flakesync/git/", "pygit2")),
    ("imports", ("importlib", "builtins.exec", "marshal", "builtins.compile", "_imp.")),
)


def where_the_time_goes(manifest: Path) -> dict[str, str]:
    """Return each kind of work with its share of the time of one sync, the greatest first."""
    from flakesync.cli.main import run

    profile = cProfile.Profile()
    with redirect_stdout(io.StringIO()):
        profile.enable()
        run(["sync", "-q", "-j1", "--locker", "native", "-w", str(manifest)])
        profile.disable()
    seconds: dict[str, float] = {}
    for (file, _, name), (_, _, own, _, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        place = f"{file.replace(os.sep, '/')}:{name}"
        kind = next((kind for kind, words in _KINDS if any(word in place for word in words)), "the rest of Python")
        seconds[kind] = seconds.get(kind, 0.0) + own
    whole = sum(seconds.values())
    return {kind: f"{each / whole:.0%}" for kind, each in sorted(seconds.items(), key=lambda item: -item[1])}
