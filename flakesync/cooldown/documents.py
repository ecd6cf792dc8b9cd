"""The seen record as the document of `flakesync seen`."""

from pathlib import Path

from flakesync.cooldown.seen import Branch, SeenRecord, branch_of
from flakesync.documents.cooldown.seen import SeenBranchDocument, SeenDocument, SeenTipDocument
from flakesync.workspace.model import Pin, Workspace


def seen_document(
    record: SeenRecord, place: Path, workspace: Workspace, *, pin: Pin | None = None, imported: int = 0
) -> SeenDocument:
    """Return the document. pin: only the branch of this one, None: all. imported: how many tips have been added."""
    names: dict[Branch, list[str]] = {}
    for each in workspace.pins:
        names.setdefault(branch_of(each.source), []).append(each.name)
    branches = sorted(record.tips, key=lambda branch: (branch[0], branch[1] or ""))
    wanted = [branch for branch in branches if pin is None or branch == branch_of(pin.source)]
    return SeenDocument(
        file=str(place),
        imported=imported,
        branches=[_branch(record, branch, names.get(branch, [])) for branch in wanted],
    )


def _branch(record: SeenRecord, branch: Branch, pins: list[str]) -> SeenBranchDocument:
    times = record.first_seen(*branch)
    latest_first = sorted(times, key=lambda rev: (-times[rev], rev))
    tips = [SeenTipDocument(rev=rev, first_seen=times[rev]) for rev in latest_first]
    return SeenBranchDocument(source=branch[0], ref=branch[1], pins=pins, tips=tips)
