"""`flakesync plan`."""

from typing import TYPE_CHECKING

from flakesync.cli import screen
from flakesync.cli.opening import look, open_workspace, show_hints, show_undecided
from flakesync.cli.options import Common, with_common
from flakesync.errors import EXIT_FINDINGS, EXIT_OK

if TYPE_CHECKING:
    from flakesync.analysis.moves import Plan


@with_common()
def plan(common: Common) -> int:
    """Show what a sync would do, wave by wave. Writes nothing.

    With --repo, --group or --exclude only the chosen repos change; the others
    are taken as they are. Exits with 1 when a repo cannot be planned, a shallow
    clone tells too little, or the checks of a pin cannot be read. With -v each
    change has its source, the date of what is locked, and whole commits.

    \b
    Examples:
      flakesync plan
      flakesync plan --exclude experiments
      flakesync plan --json | jq '.waves[0]'
    """
    from flakesync.analysis.documents.plan import plan_document
    from flakesync.analysis.plan import make_plan

    workspace, selected = open_workspace(common)
    survey = look(common, workspace)
    decided = make_plan(survey, selected)
    document = plan_document(decided)
    if common.json:
        screen.answer_json(document)
    else:
        from flakesync.report.plan import render_plan

        sources = _sources(decided) if common.verbose else None
        screen.answer(render_plan(document, width=screen.width(), sources=sources))
    show_hints(survey.graph, selected)
    unknown = show_undecided(survey)
    return EXIT_FINDINGS if document.problems or decided.blind or unknown else EXIT_OK


def _sources(plan: "Plan") -> dict[tuple[str, str, str], str]:
    """Return, for each change, the reference that its input has in flake.nix, and the day of what is locked."""
    from flakesync.nix.reference.flakeref import FlakeRef
    from flakesync.survey.pins import last_modified
    from flakesync.terms import iso_day, show_path

    found: dict[tuple[str, str, str], str] = {}
    for repo, changes in plan.changes():
        for change in changes:
            day = iso_day(last_modified(change.locked))
            source = FlakeRef.from_attrs(change.original).to_url() if change.original else ""
            parts = [source, f"locked to {day}" if day else ""]
            found[repo, change.flake, show_path(change.input)] = ", ".join(filter(None, parts))
    return found
