"""`flakesync drift`."""

from typing import Annotated, Literal

import typer

from flakesync.cli import screen
from flakesync.cli.opening import look, open_workspace, show_hints
from flakesync.cli.options import Common, with_common
from flakesync.errors import EXIT_FINDINGS, EXIT_OK


@with_common()
def drift(
    common: Common,
    at: Annotated[
        Literal["base", "update"], typer.Option("--at", help="Read base branches, or update branches where there are.")
    ] = "base",
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Answer in markdown, for the summary page of a CI job.")
    ] = False,
) -> int:
    """Show who locks what, how old it is and how far behind.

    Exits with 1 when something is not as the workspace wants it, so that CI can
    tell. Reads git only: nothing is built or evaluated, no repo is written to.

    \b
    Examples:
      flakesync drift
      flakesync drift --offline --repo lib
      flakesync drift --markdown >> "$GITHUB_STEP_SUMMARY"
      flakesync drift --json | jq '.findings[] | select(.kind == "upstream")'
    """
    from flakesync.analysis.drift import find_drift

    if markdown and common.json:
        raise typer.BadParameter("only one of --json and --markdown can be given")
    workspace, selected = open_workspace(common)
    survey = look(common, workspace, at=at)
    report = find_drift(survey, selected)
    if common.json:
        screen.answer_json(report)
    elif markdown:
        from flakesync.report.drift.markdown import render_drift_markdown

        text = render_drift_markdown(
            report, workspace=workspace.name, at=at, now=survey.now, repos=len(selected), full=common.verbose
        )
        screen.answer_text(text)
    else:
        from flakesync.report.drift.text import render_drift

        screen.answer(
            render_drift(report, now=survey.now, repos=len(selected), width=screen.width(), full=common.verbose)
        )
    show_hints(survey.graph, selected)
    return EXIT_FINDINGS if report.findings else EXIT_OK
