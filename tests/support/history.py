"""Histories of thousands of commits, by `git fast-import`: any dates, any parents.

revs = make_history(tmp_path / "lib.git", {"a": (DATE, ()), "b": (DATE + 1, ("a",))})   # the last one is the tip
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from flakesync.terms import Rev

Shape = Mapping[str, tuple[int, Sequence[str]]]
"""Commits by a name, parents first: the date of the committer and the parents."""

_FILES = 97


def make_history(
    path: Path,
    shape: Shape,
    *,
    branch: str = "main",
    filters: bool = True,
    file_bytes: int = 20,
    sha256: bool = False,
) -> dict[str, Rev]:
    """Make a bare repository, or go on in one, and let a branch be at the last commit; return name → commit.

    filters: whether its server knows them. file_bytes: of random bytes that each commit changes. sha256: how commits
    are named.
    """
    if not path.exists():
        form = f"--object-format={'sha256' if sha256 else 'sha1'}"
        _git(path.parent, "init", "-q", "--bare", "-b", branch, form, str(path))
        for name in ("allowFilter", "allowAnySHA1InWant"):
            _git(path, "config", f"uploadpack.{name}", "true" if filters else "false")
    marks = {name: number for number, name in enumerate(shape, 1)}
    pieces = []
    for name, (date, parents) in shape.items():
        text, content = name.encode(), os.urandom(file_bytes).hex().encode()
        pieces.append(
            b"commit refs/flakesync-test/new\nmark :%d\ncommitter A <a@acme.example> %d +0000\ndata %d\n%s\n"
            % (marks[name], date, len(text), text)
        )
        for number, parent in enumerate(parents):
            given = f":{marks[parent]}" if parent in marks else parent
            pieces.append(f"{'merge' if number else 'from'} {given}\n".encode())
        if not parents:
            pieces.append(b"deleteall\n")
        place = marks[name] % _FILES
        pieces.append(b"M 100644 inline dir%d/file%d\ndata %d\n%s\n" % (place % 9, place, len(content), content))
    known = path / "test-marks"
    _git(path, "fast-import", "--quiet", "--force", f"--export-marks={known}", data=b"".join(pieces))
    by_mark = dict(line.split(" ") for line in known.read_text().splitlines())
    revs = {name: Rev(by_mark[f":{number}"]) for name, number in marks.items()}
    _git(path, "update-ref", "-d", "refs/flakesync-test/new")
    _git(path, "update-ref", f"refs/heads/{branch}", [*revs.values()][-1])
    return revs


def line(count: int, *, start: int, step_s: int, name: str = "c") -> dict[str, tuple[int, Sequence[str]]]:
    """Return the shape of commits one after the other: c0, c1, …"""
    return {
        f"{name}{number}": (start + number * step_s, (f"{name}{number - 1}",) if number else ())
        for number in range(count)
    }


def _git(cwd: Path, *argv: str, data: bytes | None = None) -> str:
    done = subprocess.run(["git", *argv], cwd=cwd, input=data, capture_output=True, check=True)
    return done.stdout.decode()
