"""Values → the document of `sync`, and the parts of it that the documents of other commands have too."""

from collections.abc import Iterable, Iterator
from typing import assert_never

from flakesync.analysis.documents.plan import edit_document
from flakesync.analysis.moves import Plan
from flakesync.documents.drift import FindingKind
from flakesync.documents.plan import ChangeDocument
from flakesync.documents.sync import CheckResult, ErrorDocument, HeldDocument, LeftDocument, Outcome, SyncDocument
from flakesync.errors import FlakesyncError, plain
from flakesync.survey.held.check_holds import CheckHold
from flakesync.sync.job import PlannedMove, PlannedRewrite
from flakesync.sync.outcome import (
    CheckOutcome,
    Failed,
    FailedUpstream,
    RepoOutcome,
    Skipped,
    SyncResult,
    Unchanged,
    Updated,
)
from flakesync.terms import flake_file, show_path
from flakesync.workspace.inputs import rev_of


def sync_document(result: SyncResult, left: Iterable[LeftDocument] = (), plan: Plan | None = None) -> SyncDocument:
    """Return the JSON form of a run of sync. left: what its plan does not mend."""
    failed = {outcome.repo for outcome in result.repos if isinstance(outcome, Failed | Skipped)}
    untouched = [Outcome(repo=name, status="unchanged") for name in result.untouched]
    return SyncDocument(
        run=result.run,
        locker=result.locker,
        dry_run=result.dry_run,
        repos=[*map(outcome_document, result.repos), *untouched],
        left=[*_left_flakes(result), *(each for each in left if each.repo not in failed)],
        pins=list(plan.pins) if plan is not None else [],
        undecided=[error_document(error) for error in plan.undecided] if plan is not None else [],
    )


def _left_flakes(result: SyncResult) -> Iterator[LeftDocument]:
    """Yield the flakes whose locks could not be written, of repos that were updated."""
    for outcome in result.repos:
        for each in outcome.failed_flakes if isinstance(outcome, Updated) else ():
            kind: FindingKind = "stale-lock" if each.stale else "pin" if each.pinned else "upstream"
            reason = f"{flake_file(each.dir)} could not be written: {each.error.message}"
            yield LeftDocument(kind=kind, repo=outcome.repo, flake=each.dir, input=None, reason=reason, fails=True)


def outcome_document(outcome: RepoOutcome) -> Outcome:
    """Return the JSON form of what was done about one repo."""
    match outcome:
        case Updated(repo=repo, branch=branch, commit=commit):
            return Outcome(
                repo=repo,
                status="updated",
                branch=branch,
                commit=commit,
                changes=[*move_documents(outcome.moves), *_rewrite_documents(outcome.rewrites)],
                locks=list(outcome.locks),
                files=list(map(plain, outcome.files)),
                after=check_documents(outcome.after),
                checks=check_documents(outcome.checks),
                diff=outcome.diff,
                failed_upstreams=list(outcome.failed_upstreams),
                held=held_documents(outcome.holds),
            )
        case Unchanged(repo=repo, branch=branch, moves=moves):
            tip = outcome.commit if branch is not None else None
            changes = [*move_documents(moves), *_rewrite_documents(outcome.rewrites)]
            failed: list[str] = list(outcome.failed_upstreams)
            return Outcome(
                repo=repo,
                status="unchanged",
                branch=branch,
                commit=tip,
                changes=changes,
                failed_upstreams=failed,
                held=held_documents(outcome.holds),
            )
        case Failed(repo=repo, error=error, checks=checks, after=after):
            return Outcome(
                repo=repo,
                status="failed",
                after=check_documents(after),
                checks=check_documents(checks),
                error=error_document(error),
            )
        case Skipped(repo=repo, upstream=upstream):
            return Outcome(repo=repo, status="skipped", error=error_document(upstream))
        case _:
            assert_never(outcome)


def error_document(error: FlakesyncError | FailedUpstream) -> ErrorDocument:
    """Return the JSON form of why a repo failed, or was skipped."""
    match error:
        case FlakesyncError(code=code, message=message, hint=hint):
            return ErrorDocument(code=code, message=message, hint=hint)
        case FailedUpstream(message=message, because=because):
            return ErrorDocument(code="upstream-failed", message=message, because=because)
        case _:
            assert_never(error)


def held_documents(holds: Iterable[CheckHold]) -> list[HeldDocument]:
    """Return the JSON form of inputs that stay, as the checks fail with them."""
    return [
        HeldDocument(
            flake=hold.flake,
            input=show_path(hold.input),
            rev=hold.rev,
            reason=hold.reason,
            since=hold.since,
            check=hold.check,
            first_bad=hold.first_bad,
            output=hold.output,
        )
        for hold in holds
    ]


def check_documents(checks: Iterable[CheckOutcome]) -> list[CheckResult]:
    """Return the JSON form of checks, or of commands of `after`, that ran."""
    return [
        CheckResult(
            command=check.command, exit_status=check.exit_status, duration_s=check.duration_s, output=check.output
        )
        for check in checks
    ]


def move_documents(moves: Iterable[PlannedMove]) -> list[ChangeDocument]:
    """Return the JSON form of inputs that move, each to a commit that is known."""
    return [
        ChangeDocument(
            flake=move.flake,
            input=show_path(move.move.input),
            from_=rev_of(move.move.locked),
            to={"rev": move.rev},
            reason=move.reason,
            edit=edit_document(move.edit),
        )
        for move in moves
    ]


def _rewrite_documents(rewrites: Iterable[PlannedRewrite]) -> list[ChangeDocument]:
    return [
        ChangeDocument(
            flake=each.flake,
            input=show_path(each.input),
            from_=each.from_rev,
            to={"flake_nix": each.wanted},
            reason=each.reason,
            edit=edit_document(each.edit),
        )
        for each in rewrites
    ]
