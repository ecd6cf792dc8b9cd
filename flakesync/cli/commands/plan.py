"""`flakesync plan`."""

from flakesync.cli import screen
from flakesync.cli.opening import look, open_workspace, show_hints
from flakesync.cli.options import Common, with_common
from flakesync.errors import EXIT_FINDINGS, EXIT_OK


@with_common()
def plan(common: Common) -> int:
    """Show what a sync would do, wave by wave. Writes nothing.

    With --repo, --group or --exclude only the chosen repos change; the others
    are taken as they are. Exits with 1 when a repo cannot be planned, or a
    shallow clone tells too little.

    \b
    Examples:
      flakesync plan
      flakesync plan --exclude experiments
      flakesync plan --json | jq '.waves[0]'
    """
    from flakesync.analysis.plan import make_plan, plan_document

    workspace, selected = open_workspace(common)
    survey = look(common, workspace)
    decided = make_plan(survey, selected)
    document = plan_document(decided)
    if common.json:
        screen.answer_json(document)
    else:
        from flakesync.report.plan import render_plan

        screen.answer(render_plan(document, width=screen.width()))
    show_hints(survey.graph, selected)
    return EXIT_FINDINGS if document.problems or decided.blind else EXIT_OK
