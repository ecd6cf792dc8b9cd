"""Copies of the project, in which modules are changed without harm to the project itself."""

import itertools
import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_ticks = itertools.count(1)


def make(folder: Path) -> None:
    """Make a copy of all that is in git's index, as it is in the working tree now."""
    shutil.rmtree(folder, ignore_errors=True)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    # What compares itself with the project's own tools finds them; real locks are looked for beside the tests.
    for name in (".venv", "tests/corpus/locks"):
        if (ROOT / name).exists():
            (folder / name).symlink_to(ROOT / name)


def write(path: Path, source: bytes) -> None:
    """Write a module so that its compiled file counts as stale: Python compares seconds and sizes."""
    path.write_bytes(source)
    then = 1_000_000_000 + next(_ticks)
    os.utime(path, (then, then))
