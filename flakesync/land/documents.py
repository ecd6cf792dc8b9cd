"""Values → the document of `land`."""

from flakesync.documents.pulls.land import LandDocument
from flakesync.documents.pulls.land import LandOutcome as Entry
from flakesync.land.outcome import LandOutcome, LandResult
from flakesync.sync.documents import check_documents, error_document, move_documents


def land_document(result: LandResult) -> LandDocument:
    """Return the JSON form of a run of land."""
    repos = [outcome_document(outcome) for outcome in result.repos]
    return LandDocument(branch=result.branch, locker=result.locker, repos=repos, deleted=list(result.deleted))


def outcome_document(outcome: LandOutcome) -> Entry:
    """Return the JSON form of what was done about one repo."""
    made, waiting, error = outcome.made, outcome.waiting, outcome.error
    return Entry(
        repo=outcome.repo,
        status=outcome.status,
        pull=outcome.pull.url if outcome.pull is not None else None,
        commit=outcome.commit,
        merged=outcome.merged,
        changes=move_documents(made.outcome.moves) if made is not None and made.anew else [],
        checks=made.tested if made is not None else None,
        results=check_documents(outcome.checks),
        waits_for=list(outcome.waits_for),
        failed_upstreams=list(outcome.failed_upstreams),
        reason=waiting.reason if waiting is not None and outcome.status == "waiting" else None,
        detail=waiting.detail if waiting is not None else None,
        error=error_document(error) if error is not None else None,
    )
