"""What a sync has done about each repo."""

from collections.abc import Mapping

import msgspec

from flakesync.errors import FlakesyncError
from flakesync.survey.held.check_holds import CheckHold
from flakesync.sync.job import PlannedMove, PlannedRewrite
from flakesync.terms import FlakeDir, RepoName, Rev


class CheckOutcome(msgspec.Struct, frozen=True):
    """One check that ran on an update commit, or one command of `after` that ran on its locks.

    command: as it is written in a shell. exit_status: negative for the signal that ended it, None: it took too long.
    duration_s: wall-clock seconds. output: the end of what it wrote.
    """

    command: str
    exit_status: int | None
    duration_s: float
    output: str


class FailedFlake(msgspec.Struct, frozen=True):
    """A flake of a repo whose lock could not be written, while others' were. stale, pinned: what was planned."""

    dir: FlakeDir
    error: FlakesyncError
    stale: bool
    pinned: bool


class Updated(msgspec.Struct, frozen=True, kw_only=True):
    """Its update branch has a new commit, which dependents lock.

    moves: what the plan moved. rewrites: what else of stale locks it has locked anew. locks: what really changed in the
    locks, in Nix's words. files: the paths of what else it changes. after, checks: the commands and the checks that
    ran. diff: of its flake.lock and flake.nix files, a unified one; None unless it is a dry run. failed_upstreams:
    those that failed or were skipped, and whose update does not reach it. holds: inputs that stay, as the checks fail
    with them. record: of `encode_made`; None: who wants to know what its commit holds has to read it.
    outlines: of its locks, as `outline_of` gives them.
    """

    repo: RepoName
    branch: str
    commit: Rev
    moves: tuple[PlannedMove, ...]
    locks: tuple[str, ...]
    files: tuple[str, ...] = ()
    after: tuple[CheckOutcome, ...] = ()
    checks: tuple[CheckOutcome, ...] = ()
    diff: str | None = None
    failed_upstreams: tuple[RepoName, ...] = ()
    rewrites: tuple[PlannedRewrite, ...] = ()
    failed_flakes: tuple[FailedFlake, ...] = ()
    holds: tuple[CheckHold, ...] = ()
    record: bytes | None = None
    outlines: Mapping[str, bytes] = {}


class Unchanged(msgspec.Struct, frozen=True, kw_only=True):
    """Its update branch, or its base, was as planned already. moves: what the plan moves.

    branch: None where it was the base, so that there is no update. commit: the tip of that branch, or the base commit,
    which dependents lock. failed_upstreams, rewrites, holds: as of Updated.
    """

    repo: RepoName
    branch: str | None
    commit: Rev
    moves: tuple[PlannedMove, ...]
    failed_upstreams: tuple[RepoName, ...] = ()
    rewrites: tuple[PlannedRewrite, ...] = ()
    holds: tuple[CheckHold, ...] = ()


class Failed(msgspec.Struct, frozen=True):
    """It could not be updated. checks, after: those that ran."""

    repo: RepoName
    error: FlakesyncError
    checks: tuple[CheckOutcome, ...] = ()
    after: tuple[CheckOutcome, ...] = ()


class FailedUpstream(msgspec.Struct, frozen=True):
    """An upstream that has no result to go on with. skipped: it was skipped itself. because: the repo that failed."""

    name: RepoName
    skipped: bool
    because: RepoName

    @property
    def message(self) -> str:
        """What happened to it, for people."""
        return f"{self.name} {'was skipped' if self.skipped else 'failed'}"


class Skipped(msgspec.Struct, frozen=True):
    """It was not begun, because it depends on `upstream`."""

    repo: RepoName
    upstream: FailedUpstream


RepoOutcome = Updated | Unchanged | Failed | Skipped


class SyncResult(msgspec.Struct, frozen=True, kw_only=True):
    """One run of sync.

    run: names the plan. locker: who wrote the locks. repos: those that the plan changes, in the order of the waves,
    then those that it could not decide on, by name. untouched: those that it leaves alone, by name.
    """

    run: str
    locker: str
    dry_run: bool
    repos: tuple[RepoOutcome, ...]
    untouched: tuple[RepoName, ...]

    @property
    def is_complete(self) -> bool:
        """Whether no repo, and no flake of one, failed or was skipped."""
        return not any(
            isinstance(outcome, Failed | Skipped) or (isinstance(outcome, Updated) and outcome.failed_flakes)
            for outcome in self.repos
        )
