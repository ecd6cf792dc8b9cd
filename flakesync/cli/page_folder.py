"""The folder that a report page is written to."""

import fcntl
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from flakesync.cli.files import cannot_write, usual_mode, write_files
from flakesync.cli.stored import NAMES, file_name
from flakesync.documents.history import HistoryLine
from flakesync.errors import FlakesyncError
from flakesync.history.append import append, read_file
from flakesync.history.read import notes_on, one_a_day, read_history

PAGE = "index.html"
HISTORY = "history.jsonl"
_HEAD_BYTES = 256
_FILES = (PAGE, HISTORY, *map(file_name, NAMES))
_PART = re.compile(rf"\.(?:{'|'.join(map(re.escape, _FILES))})\.[a-z0-9_]{{8}}")
"""What `files.replacing` calls a file that is not complete yet."""


def prepare_folder(folder: Path, names: Iterable[str]) -> None:
    """Make the folder of a page where there is none, and look whether a page may be written to it.

    names: the documents that will be.

    Raises: FlakesyncError: `no-answer`: it is none, or cannot be written to; `not-a-report`: it holds files of the same
    names that are of something else.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        what = "a symlink that leads nowhere" if folder.is_symlink() else "a file"
        hint = "give a folder; one that is not there is made"
        raise FlakesyncError("no-answer", f"{folder}: is {what}, not a folder", hint=hint) from error
    except OSError as error:
        raise cannot_write(folder, error) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise cannot_write(folder, PermissionError(13, os.strerror(13), str(folder)))
    if ".git" in folder.resolve().parts:
        raise FlakesyncError("no-answer", f"{folder}: lies in a folder of git's", hint="give a folder of its own")
    for name in names:
        _require_ours(folder / file_name(name), name)
    if _exists(folder / PAGE) and not _exists(folder / file_name("graph")):
        raise _not_ours(folder / PAGE, "is there, and not of a report: no graph.json is beside it")


def _require_ours(place: Path, name: str) -> None:
    """Raise FlakesyncError(`not-a-report`) where a file is something else than the document of that name."""
    try:
        with place.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except FileNotFoundError:
        return
    except OSError as error:
        raise cannot_write(place, error) from error
    if head.strip() and f'"flakesync/{name}/'.encode() not in head:
        raise _not_ours(place, f"is there, and no answer of `flakesync {name} --json`")


def _not_ours(place: Path, why: str) -> FlakesyncError:
    return FlakesyncError(
        "not-a-report", f"{place}: {why}", hint="give a folder of its own: the file would be replaced"
    )


def _exists(place: Path) -> bool:
    return place.is_symlink() or place.exists()


def read_own_history(folder: Path) -> bytes | None:
    """Return what is in the history of a folder; None: it has none. Raises: FlakesyncError(`no-answer`)."""
    try:
        return read_file(folder / HISTORY, follow=False)
    except OSError as error:
        raise cannot_write(folder / HISTORY, error) from error


class Run(NamedTuple):
    """What a run writes. files: the documents, by name. line: of the history.

    gone: documents of earlier runs that this one does not have. earlier: the history of an earlier run, for a folder
    that has none. render: makes the page of the lines of the history, one a day.
    """

    files: Mapping[str, bytes]
    line: HistoryLine
    gone: Sequence[str]
    earlier: bytes
    render: Callable[[Sequence[HistoryLine]], str]


def write_run(folder: Path, run: Run) -> tuple[int, list[str]]:
    """Write the documents, the line of the history and the page, in this order; return the days that the history has.

    And what a person should know of the history. After an error, or a killed run, the old page is there as a whole.

    Raises: FlakesyncError(`no-answer`).
    """
    with _held(folder):
        own = read_own_history(folder)
        known = read_history(own or run.earlier)
        lines = one_a_day([*known.lines, run.line])
        page = run.render(lines).encode()
        files = dict(run.files)
        if run.earlier and not own:
            files[HISTORY] = run.earlier
        write_files(folder, files, run.gone)
        try:
            append(folder / HISTORY, run.line, usual_mode())
        except OSError as error:
            raise cannot_write(folder / HISTORY, error) from error
        write_files(folder, {PAGE: page})
    return len(lines), notes_on(known, str(folder / HISTORY))


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold a folder until the block ends: whoever else holds it is waited for. What a killed run has left is removed.

    Nothing is written for it, and the system lets go of it when the process ends.

    Raises: FlakesyncError(`no-answer`).
    """
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise cannot_write(folder, error) from error
    try:
        with suppress(OSError):  # a file system that has no locks
            fcntl.flock(handle, fcntl.LOCK_EX)
            for entry in folder.iterdir():
                if _PART.fullmatch(entry.name):
                    entry.unlink()
        yield
    finally:
        os.close(handle)
