"""`flakesync plan`."""

from flakesync.cli import screen
from flakesync.cli.opening import look, open_workspace
from flakesync.cli.options import Common, with_common
from flakesync.errors import EXIT_OK


@with_common()
def plan(common: Common) -> int:
    """Show what a sync would do, wave by wave. Writes nothing.

    With --repo, --group or --exclude only the chosen repos change; the others
    are taken as they are.

    \b
    Examples:
      flakesync plan
      flakesync plan --exclude experiments
      flakesync plan --json | jq '.waves[0]'
    """
    from flakesync.analysis.plan import make_plan, plan_document

    workspace, selected = open_workspace(common)
    document = plan_document(make_plan(look(common, workspace), selected))
    if common.json:
        screen.answer_json(document)
    else:
        from flakesync.report.plan import render_plan

        screen.answer(render_plan(document, width=screen.width()))
    return EXIT_OK
