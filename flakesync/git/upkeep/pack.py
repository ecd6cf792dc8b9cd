"""How many files a bare repository of flakesync's own consists of, and one repository packed.

What `git gc` does, by the same commands, which every version of git has; but with numbers that suit thousands of small
repositories, on nobody's behalf but flakesync's, and never in the background.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from flakesync.git import process
from flakesync.git.remotes.own import clear_own

MOST_LOOSE = 256
"""How many objects, or refs, may be files of their own. git packs at 6,700 objects, and refs at none."""
MOST_PACKS = 20
"""How many packs there may be before they become one. git allows 50."""
KEPT_FOR = "2.weeks.ago"
"""How long an object stays that nothing refers to any more: as with `git gc`."""
_SAMPLED = ("00", "2a", "55", "80", "aa", "d5", "e9", "ff")
"""Folders of objects that are counted; ids are spread evenly over all 256, so the rest is like them."""
_ALL = 256
_QUICK = ("-c", "repack.writeBitmaps=false")
"""Nobody fetches from these repositories: bitmaps would only take time and room."""
_LOCAL = {"GIT_NO_LAZY_FETCH": "1"}
"""Of a partial clone only what is here is packed: what is missing is not to be fetched."""
_LEFT = "flakesync-loose"
_GRAPHS = ("commit-graph", "commit-graphs")


@dataclass(frozen=True, slots=True)
class Files:
    """How many files a repository consists of. loose: objects with a file of their own, estimated. refs: likewise.

    left: how many objects had one after it was packed last, as nothing referred to them: another time would not help.
    """

    loose: int
    refs: int
    packs: int
    left: int = 0

    @property
    def is_whole_due(self) -> bool:
        """Whether all packs are to become one."""
        return self.packs > MOST_PACKS

    @property
    def need(self) -> float:
        """How much it needs to be packed; it does from 1 on."""
        return max(
            (self.loose - self.left) / (MOST_LOOSE + 1), self.refs / (MOST_LOOSE + 1), self.packs / (MOST_PACKS + 1)
        )


def count_files(path: Path) -> Files:
    """Return of how many files the bare repository at `path` consists: of objects a sample is counted.

    Raises: OSError.
    """
    loose = sum(_count(f"{path}/objects/{name}") for name in _SAMPLED) * _ALL // len(_SAMPLED)
    refs = max(_count(f"{path}/refs/{name}") for name in ("tags", "remotes/origin", "heads"))
    packs = sum(name.endswith(".pack") for name in _names(f"{path}/objects/pack"))
    return Files(loose, refs, packs, _left(path))


def pack(path: Path, *, whole: bool, refs: bool, timeout_s: float) -> None:
    """Pack the bare repository at `path`: new objects into one more pack, or (whole) everything into a single one.

    What nothing refers to goes once it is two weeks old. The lock of the repository is held, and nobody works there, or
    in one that borrows from it. Cut off at any moment, it is as sound as it was. refs: whether refs go into one file,
    too. timeout_s: of each of the commands.

    Raises: GitError(`git` | `git-timeout` | `disk-full` | `no-git`), OSError.
    """
    clear_own(path)
    if (path / "logs").is_dir():
        # In a bare repository only where core.logAllRefUpdates says so: they would keep every commit for 90 days.
        argv = ["reflog", "expire", f"--expire={KEPT_FOR}", f"--expire-unreachable={KEPT_FOR}", "--all"]
        process.git(argv, cwd=path, timeout_s=timeout_s)
    if refs:
        process.git(["pack-refs", "--all", "--prune"], cwd=path, timeout_s=timeout_s)
    for name in _GRAPHS:  # where fetch.writeCommitGraph is set; it may name commits that are about to go
        _remove(path / "objects/info" / name)
    every = ["-A", f"--unpack-unreachable={KEPT_FOR}"] if whole else []
    process.git([*_QUICK, "repack", "-d", "-l", "-n", "-q", *every], cwd=path, env=_LOCAL, timeout_s=timeout_s)
    process.git(["prune", f"--expire={KEPT_FOR}"], cwd=path, env=_LOCAL, timeout_s=timeout_s)
    (path / _LEFT).write_text(f"{count_files(path).loose}\n")


def _left(path: Path) -> int:
    try:
        return int((path / _LEFT).read_bytes())
    except (OSError, ValueError):
        return 0


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _count(folder: str) -> int:
    return len(_names(folder))


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208
    except (FileNotFoundError, NotADirectoryError):
        return []
