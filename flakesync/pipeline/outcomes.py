"""What tasks say of themselves: the documents that their jobs have left. Claims: a branch on a server says more."""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from flakesync.documents.change.task import TaskDocument
from flakesync.errors import FlakesyncError, plain
from flakesync.pipeline.plan_file import PlanFile
from flakesync.terms import RepoName

MOST_BYTES = 4 << 20
_MOST_FILES = 100_000


def read_outcomes(folder: Path, plan: PlanFile, note: Callable[[str], None]) -> dict[RepoName, list[TaskDocument]]:
    """Return the task documents of a plan's run in a folder and those below it, by repo, in the order of their names.

    What is something else is left out, and `note` is told of it; documents of other runs are left out too.

    Raises: FlakesyncError(`no-outcomes`): there is no such folder.
    """
    if not folder.is_dir():
        hint = "`flakesync task REPO --json-file DIR/REPO.json` writes into it"
        raise FlakesyncError("no-outcomes", f"{folder}: there is no such folder", hint=hint)
    found: dict[RepoName, list[TaskDocument]] = {}
    for number, file in enumerate(sorted(_files(folder))):
        if number == _MOST_FILES:
            note(f"{folder}: only the first {_MOST_FILES} files are read")
            break
        document = _read(file, note)
        if document is None or document.run != plan.run:
            continue
        repo = RepoName(document.outcome.repo)
        if repo in plan.by_repo:
            found.setdefault(repo, []).append(document)
    return found


def _files(folder: Path) -> Iterator[Path]:
    """Give the JSON files; symlinks are not followed."""
    for file in folder.rglob("*.json"):
        if file.is_file() and not file.is_symlink():
            yield file


def _read(file: Path, note: Callable[[str], None]) -> TaskDocument | None:
    try:
        with file.open("rb") as opened:
            data = opened.read(MOST_BYTES + 1)
    except OSError as error:
        note(f"{file}: {error.strerror or error}")
        return None
    if len(data) > MOST_BYTES:
        note(f"{file}: more than {MOST_BYTES >> 20} MB is no document of a task")
        return None
    try:
        return msgspec.json.decode(data, type=TaskDocument)
    except (ValueError, RecursionError) as error:
        note(f"{file}: is no document of a task: {plain(str(error))}")
        return None
