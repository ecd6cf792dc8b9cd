"""The flake.nix files of a repo as its job edits them: written into a commit that everything is then locked on."""

from collections.abc import Mapping

from flakesync.errors import SyncError
from flakesync.git.repository import Repository
from flakesync.git.store.links import find_through
from flakesync.nix.expression.edit import CannotEditError, Edited, edit_inputs
from flakesync.sync.job import BumpJob
from flakesync.terms import Rev, flake_file
from flakesync.update.commit import write_update


def edited_files(repository: Repository, job: BumpJob) -> dict[str, bytes]:
    """Return each file of the base that edits change, as they make it: a flake.nix, or what one leads to as a symlink.

    Raises: SyncError(`cannot-edit`).
    """
    sources: dict[str, bytes] = {}
    edited: dict[str, bytes] = {}
    for dir, edit in job.edits:
        name = flake_file(dir, "flake.nix")
        found = find_through(repository.reader, job.base_rev, name)
        if found is None:
            message = f"{name} is no file, and no symlink to one of the repo"
            raise SyncError("cannot-edit", message, hint="change it yourself, and commit it to the base branch")
        path, oid = found
        before = edited.get(path) or sources.setdefault(path, repository.reader.blob(oid))
        try:
            made = edit_inputs(before, [edit])
        except CannotEditError as error:
            message = f"{path}:{error.line}:{error.column}: {error.reason}"
            hint = "change it yourself, and commit it to the base branch"
            raise SyncError("cannot-edit", message, hint=hint) from None
        require_untouched(before, made, file=path)
        edited[path] = made.source
    return {path: content for path, content in edited.items() if content != sources[path]}


def require_untouched(before: bytes, made: Edited, *, file: str) -> None:
    """Check that every byte is as before but those of the one place of an edit. Raises: SyncError(`cannot-edit`)."""
    expected = before
    for place in made.places:
        lines = before.split(b"\n")[: place.line - 1]
        start = sum(len(line) + 1 for line in lines) + place.column - 1
        end = start + len(place.before.encode())
        if before[start:end] == place.before.encode():
            expected = before[:start] + place.after.encode() + before[end:]
    if len(made.places) > 1 or expected != made.source:
        raise SyncError(
            "cannot-edit", f"{file}: more would change than what is edited", hint="this is a bug: report it"
        )


def edited_base(repository: Repository, job: BumpJob, edited: Mapping[str, bytes]) -> Rev:
    """Return a commit that is the base with its edited files, to which no ref leads; without any, the base.

    So whoever locks reads them where they are, in a worktree and in folders of the repo that a flake takes too.
    """
    if not edited:
        return job.base_rev
    return write_update(repository, job.base_rev, edited, "flake.nix: Edit\n", job.author, (), passing=True)
