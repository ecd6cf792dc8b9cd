"""The commands of `after`: they run on the new lock, before the checks, and what they write enters the commit."""

import hashlib
import os
import posixpath
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from flakesync.errors import SyncError, plain
from flakesync.git.repository import Repository
from flakesync.git.scratch.changes import Comparison, compared
from flakesync.git.scratch.worktree import checkout
from flakesync.git.store.write import Entry
from flakesync.sync.checks import run_command
from flakesync.sync.job import BumpJob
from flakesync.sync.outcome import CheckOutcome
from flakesync.sync.tools import Tools
from flakesync.terms import Rev
from flakesync.workspace.settings.after import AfterCommand, may_write

AFTER = "Flakesync-After"
"""The trailer that names the commands an update commit was made with."""

_MOST_FILES = 1000
_MOST_BYTES = 50 << 20
_MOST_BYTES_IN_ALL = 100 << 20
_MOST_SHOWN = 5


class AfterError(SyncError):
    """A command of `after` failed, or has changed what it may not. results: of all commands that ran."""

    def __init__(self, code: str, message: str, results: tuple[CheckOutcome, ...], *, hint: str) -> None:
        super().__init__(code, message, hint=hint)
        self.results = results


class AfterFiles(NamedTuple):
    """What commands have written: mode and blob by path, None for a file that is gone. results: of the commands."""

    entries: Mapping[str, Entry | None]
    results: tuple[CheckOutcome, ...]


def after_name(commands: Sequence[AfterCommand]) -> str | None:
    """Return what the trailer says of commands: another value for others. None: there are none."""
    return hashlib.sha256(msgspec.json.encode(commands)).hexdigest()[:12] if commands else None


def run_after(job: BumpJob, tools: Tools, repository: Repository, commit: Rev) -> AfterFiles:
    """Run the commands in a worktree of a commit that has the new locks, and return what they have changed.

    The files are objects of the repository then, which nothing refers to.

    Raises: AfterError (`after-failed`, `after-files`).
    """
    results: list[CheckOutcome] = []
    with checkout(repository, commit) as folder, compared(repository, folder, commit) as comparison:
        paths: list[str] = []
        for number, command in enumerate(job.after, 1):
            results.append(run_command(job, tools, "running", command.run, folder))
            if results[-1].exit_status != 0:
                raise _failed(results)
            paths = comparison.paths()
            _require_fit(paths, job.after[:number], results, comparison, folder)
        return AfterFiles(comparison.entries(paths), tuple(results))


def _failed(results: Sequence[CheckOutcome]) -> AfterError:
    last = results[-1]
    end = "took too long" if last.exit_status is None else f"ended with exit status {last.exit_status}"
    hint = "its last lines are in the report; the update branch was not moved"
    return AfterError("after-failed", f"`{last.command}` {end}", tuple(results), hint=hint)


def _require_fit(
    paths: Sequence[str],
    commands: Sequence[AfterCommand],
    results: Sequence[CheckOutcome],
    comparison: Comparison,
    folder: Path,
) -> None:
    """Refuse what the last command should not have written. paths: all that has changed. Raises: AfterError."""
    command = results[-1].command

    def refuse(message: str, hint: str) -> AfterError:
        return AfterError("after-files", f"`{command}` {message}", tuple(results), hint=hint)

    strange = [path for path in paths if not may_write(commands, path)]
    if strange:
        hint = "name them in its `files`, ignore them in .gitignore, or have the command leave them alone"
        raise refuse(f"has changed files that its `files` do not name: {_listed(strange)}", hint)
    if len(paths) > _MOST_FILES:
        raise refuse(f"has changed {len(paths)} files", f"an update commit holds up to {_MOST_FILES} of them")
    size = 0
    for path in paths:
        try:
            status = (folder / path).lstat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        if stat.S_ISLNK(status.st_mode):
            if _leads_out(folder, path):
                raise refuse(f"has made {plain(path)} a link that leads out of the repo", "link files of the repo only")
        elif not stat.S_ISREG(status.st_mode):
            raise refuse(f"has made {plain(path)}, which is no file", "a commit holds files and links alone")
        if status.st_size > _MOST_BYTES:
            raise refuse(f"has written {plain(path)} of {status.st_size >> 20} MiB", _too_large())
        size += status.st_size
    if size > _MOST_BYTES_IN_ALL:
        raise refuse(f"has written {size >> 20} MiB", _too_large())
    filtered = comparison.filtered(paths)
    if filtered:
        hint = "flakesync runs no filters: keep these files without one (.gitattributes)"
        raise refuse(f"has changed files that git keeps by way of a filter: {_listed(filtered)}", hint)


def _too_large() -> str:
    return f"a file may have {_MOST_BYTES >> 20} MiB, all together {_MOST_BYTES_IN_ALL >> 20} MiB"


def _listed(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _MOST_SHOWN} more" if len(paths) > _MOST_SHOWN else ""
    return ", ".join(plain(path).replace("\n", "\\n") for path in paths[:_MOST_SHOWN]) + more


def _leads_out(folder: Path, path: str) -> bool:
    target = os.fsdecode((folder / path).readlink())
    there = posixpath.normpath(posixpath.join("/", posixpath.dirname(path), target))
    up = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    if target.startswith("/") or up == ".." or up.startswith("../") or there.startswith("/.git/") or there == "/.git":
        return True
    # By way of another link.
    top = folder.resolve()
    return not Path(os.path.realpath(folder / path)).is_relative_to(top)
