"""The answer of `flakesync sync`: one entry a repo."""

from typing import Literal

import msgspec

from flakesync.documents.cooldown.choice import PinChoice
from flakesync.documents.drift import FindingKind
from flakesync.documents.plan import ChangeDocument

Status = Literal["updated", "unchanged", "failed", "skipped"]


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """One check that ran in the bumped worktree, or one command of `after` before it.

    exit_status: negative for the signal that ended it, null: it took too long. duration_s: wall-clock seconds.
    output: the end of what it wrote.
    """

    command: str
    exit_status: int | None
    duration_s: float
    output: str


class HeldDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An input that stays where it is, as the checks fail with it: what is left was checked as a whole.

    rev: the commit that it does not go to; null: what flake.nix says. reason: a phrase for people. since: the UTC day
    on which that was found. check: what fails. first_bad: the commit of its repo with which that begins; null:
    it is not known. output: the last lines of the check.
    """

    flake: str
    input: str
    rev: str | None
    reason: str
    since: str
    check: str
    first_bad: str | None = None
    output: str = ""


class ErrorDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Why a repo failed or was skipped. because: the upstream that failed, for a skipped one."""

    code: str
    message: str
    hint: str | None = None
    because: str | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one repo.

    branch: its update branch, null where there is none. commit: the update commit, which dependents of it lock, or
    null where it has none. changes: what the plan moved, with every `to` a rev. locks: what really changed in the
    locks, in Nix's words. files: the paths of what else the commit changes. after, checks: the commands and the checks
    that ran. diff: the difference of its flake.lock and flake.nix files as a unified diff, only for a dry run.
    failed_upstreams: repos that it takes and that failed or were skipped, where their update does not reach it: it
    went on without them. held: inputs that stay, as the checks fail with them. error: null unless it
    failed or was skipped.
    """

    repo: str
    status: Status
    branch: str | None = None
    commit: str | None = None
    changes: list[ChangeDocument] = []
    locks: list[str] = []
    files: list[str] = []
    after: list[CheckResult] = []
    checks: list[CheckResult] = []
    diff: str | None = None
    failed_upstreams: list[str] = []
    held: list[HeldDocument] = []
    error: ErrorDocument | None = None


class LeftDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A finding of drift that the run does not mend, and why. flake and input are null where it is of more than one.

    fails: whether the exit status is 1 for it; not for what the manifest holds, or flake.nix alone decides.
    """

    kind: FindingKind
    repo: str
    flake: str | None
    input: str | None
    reason: str
    fails: bool


class SyncDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `flakesync sync`; repos in the order of the waves, then the unchanged ones by name.

    left: what drift would still find in the repos that did not fail. pins: as of a plan. undecided: what could not be
    decided, so that its inputs stay.
    """

    schema: Literal["flakesync/sync/1"] = "flakesync/sync/1"
    run: str
    locker: str
    dry_run: bool
    repos: list[Outcome]
    left: list[LeftDocument] = []
    pins: list[PinChoice] = []
    undecided: list[ErrorDocument] = []


DOCUMENT = SyncDocument
