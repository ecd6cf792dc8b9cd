"""What a sync leaves as it is: the findings of drift that its plan does not mend, each with the reason."""

from collections.abc import Collection, Iterator, Mapping

from flakesync.analysis.drift import find_drift
from flakesync.analysis.moves import Held, Plan
from flakesync.documents.drift import Finding, FindingKind
from flakesync.documents.sync import LeftDocument
from flakesync.survey.survey import Survey
from flakesync.terms import FlakeDir, InputPath, RepoName, show_path

Place = tuple[str, str, InputPath]
"""A repo, a flake, an input path."""

ADVICE: frozenset[FindingKind] = frozenset({"ref", "duplicate", "age"})
"""What a lock cannot mend: flake.nix decides it, or the pin's own target is old."""


def find_left(survey: Survey, plan: Plan, selected: frozenset[RepoName]) -> list[LeftDocument]:
    """Return what drift finds in the selected repos and the plan does not mend; by repo, flake, input.

    A repo that cannot be planned at all is left out: its own failure says more.
    """
    moved: set[Place] = {
        (change.repo, change.flake, change.input) for _, changes in plan.changes() for change in changes
    }
    # Every input of a stale lock is locked anew.
    stale = {
        ("stale-lock", change.repo, change.flake) for _, changes in plan.changes() for change in changes if change.stale
    }
    held: dict[Place, Held] = {(stays.repo, stays.flake, stays.input): stays for stays in plan.held}
    deferred = {(stays.repo, stays.flake, stays.input) for stays in plan.deferred}
    findings = find_drift(survey, selected).findings
    return [
        _left(finding, held, deferred)
        for finding in findings
        if finding.repo not in plan.problems
        and finding.repo not in plan.failing
        and (finding.kind, finding.repo, finding.flake) not in stale
        and not _is_mended(finding, moved, _followed(survey, finding))
    ]


def _left(finding: Finding, held: Mapping[Place, Held], deferred: Collection[Place]) -> LeftDocument:
    place = _place(finding)
    stays = held.get(place) if place is not None else None
    why = stays.reason if stays is not None else finding.held
    reason = finding.detail if why is None or why in finding.detail else f"{finding.detail}; {_words(why)}"
    wished = finding.held is not None or (stays is not None and stays.wished)
    is_deferred = place in deferred
    if is_deferred:
        reason += "; opens a cycle, and takes the base commit"
    return LeftDocument(
        kind=finding.kind,
        repo=finding.repo,
        flake=finding.flake,
        input=finding.input,
        reason=reason,
        fails=not (finding.kind in ADVICE or wished or is_deferred),
    )


def _words(reason: str) -> str:
    return "held by the manifest" if reason == "hold" else reason


def _is_mended(finding: Finding, moved: Collection[Place], followed: InputPath | None) -> bool:
    """Tell whether the input moves, or one above it, or the one that it follows."""
    place = _place(finding)
    if place is None:
        return False
    repo, flake, path = place
    return any((repo, flake, part) in moved for whole in (path, followed or ()) for part in _beginnings(whole))


def _beginnings(path: InputPath) -> Iterator[InputPath]:
    for length in range(1, len(path) + 1):
        yield path[:length]


def _followed(survey: Survey, finding: Finding) -> InputPath | None:
    """Return the input that the finding's follows; None: it follows none, or no pin governs it."""
    if finding.kind not in ("pin", "age") or finding.flake is None:
        return None
    for item in survey.governed_in(RepoName(finding.repo), FlakeDir(finding.flake)).values():
        if item.following is not None and show_path(item.input) == finding.input:
            return item.following.leads_to.path
    return None


def _place(finding: Finding) -> Place | None:
    if finding.flake is None or finding.input is None:
        return None
    return finding.repo, finding.flake, tuple(finding.input.split("/"))
