"""The flake.nix files of a repo as its job edits them: written into a commit that everything is then locked on."""

from collections.abc import Mapping

from flakesync.errors import SyncError
from flakesync.git.repository import Repository
from flakesync.git.store.links import find_through
from flakesync.nix.expression.edit import CannotEditError, edit_inputs
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
            edited[path] = edit_inputs(before, [edit]).source
        except CannotEditError as error:
            message = f"{path}:{error.line}:{error.column}: {error.reason}"
            hint = "change it yourself, and commit it to the base branch"
            raise SyncError("cannot-edit", message, hint=hint) from None
    return {path: content for path, content in edited.items() if content != sources[path]}


def edited_base(repository: Repository, job: BumpJob, edited: Mapping[str, bytes]) -> Rev:
    """Return a commit that is the base with its edited files, to which no ref leads; without any, the base.

    So whoever locks reads them where they are, in a worktree and in folders of the repo that a flake takes too.
    """
    if not edited:
        return job.base_rev
    return write_update(repository, job.base_rev, edited, "flake.nix: Edit\n", job.author, (), passing=True)
