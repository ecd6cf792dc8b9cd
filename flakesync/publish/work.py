"""One repo on its way out: what is known of its update and of its server, and the result."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from flakesync.documents.pulls.publish import PublishStatus, SkipReason
from flakesync.errors import FlakesyncError
from flakesync.forge.model import OnForge, Pull
from flakesync.publish.body import Audited
from flakesync.publish.branches import Branches
from flakesync.terms import RepoName, Rev
from flakesync.update.content import Locked, Update
from flakesync.workspace.snapshot import RepoAtCommit, RepoState


@dataclass(frozen=True, slots=True)
class Skip:
    """Why a repo is not published. note: a sentence that says more; None: there is no more to say."""

    reason: SkipReason
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """An update that nothing of its own repo speaks against.

    url: of the git server. on_forge: None where branches are only pushed. audited: what the gate has let pass; None: it
    is open.
    """

    state: RepoAtCommit
    branches: Branches
    url: str
    update: Update
    on_forge: OnForge | None
    audited: Audited | None = None

    @property
    def is_there(self) -> bool:
        """Whether the server's update branch is at this very update."""
        return self.branches.remote == self.update.commit

    def is_out(self, pull: Pull | None) -> bool:
        """Tell whether the server has this very update, with an open pull request where there is a forge."""
        return self.is_there and (self.on_forge is None or (pull is not None and pull.state == "open"))


@dataclass(frozen=True, slots=True)
class Published:
    """The result of one repo; its document says what each status and reason means.

    branch: the name of its update branch, None where there is no update. update: None where there is none, or it is not
    known. pull: its newest pull request; None: there is none that counts, or it was not looked up.
    """

    repo: RepoName
    status: PublishStatus
    reason: SkipReason | None
    branch: str | None
    update: Update | None
    pushed: bool
    pull: Pull | None
    notes: Sequence[str]
    error: FlakesyncError | None

    @property
    def is_left(self) -> bool:
        """Whether there is an update that is neither published nor in the base: somebody has to do something.

        What only a limit has left is not: a later run publishes it.
        """
        if self.status == "failed":
            return True
        return self.status == "skipped" and self.reason not in ("no-update", "merged", "limit")


@dataclass
class Work:
    """One repo, and what is known of it so far. wanted: False where it is only looked at.

    branches, update: None where they are not known, or there is nothing to publish. known: flakesync's commits on its
    update branch, here and on the server. locked: what the update locks of the workspace. on_forge: None where there is
    no forge, or it is not known. pull: the newest, in any state. asked: whether it is known that there is no other.
    looked_at: when it was looked up, in seconds of the monotonic clock.
    ready: None unless it can go out. moves_on: whether another commit is to take the place of the one that the server's
    update branch is at. result: None until it is settled.
    """

    state: RepoState
    wanted: bool
    branches: Branches | None = None
    known: frozenset[Rev] = frozenset()
    update: Update | None = None
    locked: Sequence[Locked] = ()
    on_forge: OnForge | None = None
    pull: Pull | None = None
    asked: bool = False
    looked_at: float = 0.0
    ready: Ready | None = None
    moves_on: bool = False
    pushed: bool = False
    notes: list[str] = field(default_factory=list)
    result: Published | None = None

    @property
    def name(self) -> RepoName:
        """The repo's name."""
        return self.state.name

    @property
    def opens(self) -> bool:
        """Whether a pull request is still to be opened, or opened again, for its update."""
        if self.result is not None or not self.wanted or self.ready is None or self.ready.on_forge is None:
            return False
        return self.pull is None or self.pull.state != "open"

    @property
    def is_opened(self) -> bool:
        """Whether this run has opened its pull request."""
        return self.result is not None and self.result.status == "opened"

    def settle(
        self, status: PublishStatus, *, reason: SkipReason | None = None, error: FlakesyncError | None = None
    ) -> None:
        """Make what is known now the result."""
        self.result = Published(
            repo=self.name,
            status=status,
            reason=reason,
            branch=self.branches.branch if self.branches is not None and self.update is not None else None,
            update=self.update,
            pushed=self.pushed,
            pull=self.pull,
            notes=tuple(self.notes),
            error=error,
        )
