"""A plan as a document."""

from typing import Literal, assert_never

from flakesync.analysis.inert import inert_document
from flakesync.analysis.moves import Change, Held, Plan, ToFlakeNix, ToRev, ToUpdate, by_place
from flakesync.documents.plan import (
    ChangeDocument,
    EditDocument,
    PlanDocument,
    ProblemDocument,
    RepoPlanDocument,
    StaysDocument,
)
from flakesync.terms import show_path
from flakesync.workspace.clones.edits import FlakeEdit


def change_document(change: Change) -> ChangeDocument:
    """Return the JSON form of a change."""
    to: dict[Literal["rev", "update_of", "flake_nix"], str]
    match change.to:
        case ToRev(rev=rev):
            to = {"rev": rev}
        case ToUpdate(upstream=upstream):
            to = {"update_of": upstream}
        case ToFlakeNix(wanted=wanted):
            to = {"flake_nix": wanted}
        case _:
            assert_never(change.to)
    return ChangeDocument(
        flake=change.flake,
        input=show_path(change.input),
        from_=change.from_rev,
        to=to,
        reason=change.why,
        reaches=[show_path(path) for path in change.reaches],
        edit=edit_document(change.edit),
    )


def edit_document(edit: FlakeEdit | None) -> EditDocument | None:
    """Return the JSON form of what is written into a flake.nix."""
    if edit is None:
        return None
    return EditDocument(file=edit.file, line=edit.line, from_=edit.before, to=edit.after)


def plan_document(plan: Plan) -> PlanDocument:
    """Return the JSON form of a plan."""
    on_hold = {(each.repo, each.flake, each.input) for each in plan.on_hold}
    return PlanDocument(
        waves=[
            [
                RepoPlanDocument(
                    repo=name,
                    changes=[
                        change_document(change)
                        for change in changes
                        if (name, change.flake, change.input) not in on_hold
                    ],
                )
                for name, changes in wave
            ]
            for wave in plan.waves
        ],
        unchanged=list(plan.unchanged),
        held=[_stays_document(stays) for stays in sorted((*plan.held, *plan.on_hold), key=by_place)],
        deferred=[_stays_document(stays) for stays in plan.deferred],
        problems=[
            ProblemDocument(repo=name, detail=detail)
            for name, detail in sorted(
                [
                    *((name, error.message) for name, error in [*plan.problems.items(), *plan.failing.items()]),
                    *((name, detail) for (name, _), detail in plan.unusable.items()),
                ]
            )
        ],
        inert=[inert_document(inert) for inert in plan.inert],
        pins=list(plan.pins),
    )


def _stays_document(stays: Held) -> StaysDocument:
    return StaysDocument(
        repo=stays.repo, flake=stays.flake, input=show_path(stays.input), locked_rev=stays.rev, reason=stays.reason
    )
