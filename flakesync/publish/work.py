"""One repo on its way out: what is known of its update, and of its server."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from flakesync.documents.publish import PublishOutcome, SkipReason
from flakesync.forge.model import Forge, Project, Pull
from flakesync.publish.branches import Branches, Current
from flakesync.terms import RepoName, Rev
from flakesync.update.content import Locked, Update
from flakesync.workspace.snapshot import RepoState


@dataclass(frozen=True, slots=True)
class Skip:
    """Why a repo is not published. note: a sentence that says more; None: there is no more to say."""

    reason: SkipReason
    note: str | None = None


@dataclass
class Work:
    """One repo, and what is known of it so far. wanted: False where it is only looked at.

    branches, current, update: None where they are not known, or there is nothing to publish. locked: what the update
    locks of the workspace. pull: the newest, in any state. asked: whether it is known that there is no other.
    moves_on: whether another commit is to take the place of the one that the server's update branch is at.
    outcome: None until it is settled.
    """

    state: RepoState
    wanted: bool
    branches: Branches | None = None
    current: Current | None = None
    update: Update | None = None
    locked: Sequence[Locked] = ()
    forge: Forge | None = None
    project: Project | None = None
    pull: Pull | None = None
    asked: bool = False
    moves_on: bool = False
    pushed: bool = False
    notes: list[str] = field(default_factory=list)
    outcome: PublishOutcome | None = None

    @property
    def name(self) -> RepoName:
        """The repo's name."""
        return self.state.name

    @property
    def is_there(self) -> bool:
        """Whether the server's update branch is at this very update."""
        return self.current is not None and self.update is not None and self.current.old == self.update.commit

    @property
    def is_out(self) -> bool:
        """Whether the server has this very update, with an open pull request where there is a forge."""
        return self.is_there and (self.forge is None or (self.pull is not None and self.pull.state == "open"))

    def made(self, rev: Rev) -> bool:
        """Tell whether a commit is one of its update branch, here or on the server."""
        return self.current is not None and rev in self.current.known
