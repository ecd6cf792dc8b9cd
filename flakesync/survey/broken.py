"""Work on all repos in one go that ends in one of them, for what nobody foresaw: it is made again without that repo."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from flakesync.errors import RepoError, as_error
from flakesync.terms import RepoName
from flakesync.workspace.snapshot import Snapshot, UnreadableRepo

Result = TypeVar("Result")


def without_broken(snapshot: Snapshot, work: Callable[[Snapshot], Result]) -> Result:
    """Return what `work` makes of a snapshot; a repo that a RepoError came of is unreadable in it, with that error."""
    while True:
        try:
            return work(snapshot)
        except RepoError as error:
            name = RepoName(error.repo)
            state = snapshot.states[name]
            if isinstance(state, UnreadableRepo):  # nothing of it is read any more: it comes of something else
                raise
            broken = UnreadableRepo(state.repo, state.repo.base, as_error(error))
            snapshot = msgspec.structs.replace(snapshot, states={**snapshot.states, name: broken})
