"""What is known of one update so far, and what follows from its branch and its pull request together."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from flakesync.documents.pulls.status import Stage
from flakesync.errors import FlakesyncError, as_error
from flakesync.publish.branches import Branches
from flakesync.publish.standing.known import KnownUpdate
from flakesync.terms import RepoName, Rev
from flakesync.workspace.snapshot import RepoState

if TYPE_CHECKING:  # 60 ms that a run without a forge does not need
    from flakesync.forge.model import MergeStatus, OnForge, Pull


class Standing(msgspec.Struct):
    """What is known of one repo so far, as `RepoStatus` describes it.

    wanted: False where only the state of its pull request matters. base: its base branch. update: what is on its update
    branch; None: nothing that the base lacks, or it is not known. taken: why it is somebody else's; None: it is not.
    named: the pull requests of upstreams that its own one names. merge_status: of an open pull request, where it was
    asked. error: why no more is known. asks: whether its server has to be asked before more is known.
    """

    state: RepoState
    wanted: bool
    base: str | None
    branches: Branches | None = None
    update: KnownUpdate | None = None
    taken: FlakesyncError | None = None
    named: Mapping[RepoName, str] = msgspec.field(default_factory=dict)
    commit: Rev | None = None
    on_forge: "OnForge | None" = None
    pull: "Pull | None" = None
    merge_status: "MergeStatus | None" = None
    stage: Stage = "none"
    error: FlakesyncError | None = None
    asks: bool = False

    @property
    def repo(self) -> RepoName:
        """The repo's name."""
        return self.state.name

    @property
    def tip(self) -> Rev | None:
        """The update branch, here or else on the server; None: there is none, or it is not known."""
        if self.branches is None:
            return None
        return self.branches.local if self.branches.local is not None else self.branches.remote

    @property
    def known(self) -> frozenset[Rev]:
        """The update commits, here and on the server."""
        return self.update.known if self.update is not None else frozenset()

    @property
    def is_open(self) -> bool:
        """Whether it is of interest how its pull request stands."""
        return self.wanted and self.pull is not None and self.pull.state == "open"

    @property
    def landed(self) -> bool:
        """Whether the base has the update, or what its pull request was merged as."""
        return self.stage == "landed"

    def settle(self, stage: Stage) -> None:
        """Note at which stage the update is."""
        self.stage = stage
        self.commit = self.commit or self.tip
        # What lies below somebody else's commit is still an update that others may wait for.
        self.error = self.taken


@contextmanager
def failing(found: Standing) -> Iterator[None]:
    """Let what goes wrong in the block be this repo's alone. Raises: GitError(`no-git`), which is nobody's own."""
    try:
        yield
    except Exception as error:  # whatever it is
        found.error = as_error(error)
        if found.error.code == "no-git":
            raise


def stage_of_branches(found: Standing, branches: Branches) -> Stage:
    """Return the stage of an update as far as git tells."""
    if found.taken is None and found.update is not None and found.update.landed:
        return "landed"
    return "pushed" if branches.remote == (found.commit or found.tip) else "local"
