"""`flakesync drift`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer

from flakesync.cli import screen
from flakesync.cli.complete import kinds
from flakesync.cli.opening import keep_to_the_end, look, open_workspace, show_hints, show_undecided
from flakesync.cli.options import Common, with_common
from flakesync.errors import EXIT_FINDINGS, EXIT_OK, FlakesyncError

if TYPE_CHECKING:
    from flakesync.documents.drift import FindingKind


@with_common()
def drift(
    common: Common,
    at: Annotated[
        Literal["base", "update"], typer.Option("--at", help="Read base branches, or update branches where there are.")
    ] = "base",
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Answer in markdown, for the summary page of a CI job.")
    ] = False,
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", metavar="KIND", help="Only this kind (repeatable).", autocompletion=kinds),
    ] = None,
    summary: Annotated[bool, typer.Option("--summary", help="A line a repo, not a line a finding.")] = False,
) -> int:
    """Show who locks what, how old it is and how far behind.

    Exits with 1 when something is not as the workspace wants it, so that CI can
    tell; with --kind, when something of these kinds is. What `flakesync hold`
    keeps where it is does not count. Reads git only: nothing is built or
    evaluated, no repo is written to.

    \b
    Examples:
      flakesync drift
      flakesync drift --offline --repo lib
      flakesync drift --kind pin --kind upstream --summary
      flakesync drift --markdown >> "$GITHUB_STEP_SUMMARY"
      flakesync drift --json | jq '.findings[] | select(.kind == "upstream")'
    """
    from flakesync.analysis.drift import find_drift, only_kinds

    if markdown + common.json + summary > 1:
        raise typer.BadParameter("only one of --json, --markdown and --summary can be given")
    wanted = _require_kinds(kind or ())
    workspace, selected = open_workspace(common)
    survey = look(common, workspace, at=at)
    report = find_drift(survey, selected)
    if wanted:
        report = only_kinds(report, wanted)
    keep_to_the_end(report)
    if common.json:
        screen.answer_json(report)
    elif markdown:
        from flakesync.report.drift.markdown import render_drift_markdown

        text = render_drift_markdown(
            report, workspace=workspace.name, at=at, now=survey.now, repos=len(selected), full=common.verbose
        )
        screen.answer_text(text)
    elif summary:
        from flakesync.report.drift.summary import render_summary

        screen.answer(render_summary(report, sorted(selected), width=screen.width()))
    else:
        from flakesync.report.drift.text import render_drift

        screen.answer(
            render_drift(report, now=survey.now, repos=len(selected), width=screen.width(), full=common.verbose)
        )
    show_hints(survey.graph, selected)
    show_undecided(survey)
    return EXIT_FINDINGS if report.counted else EXIT_OK


def _require_kinds(given: Sequence[str]) -> "frozenset[FindingKind]":
    """Return kinds of findings. Raises FlakesyncError (`unknown-kind`)."""
    from flakesync.documents.drift import FindingKind
    from flakesync.workspace.values import nearest

    known: dict[str, FindingKind] = {each: each for each in get_args(FindingKind)}
    for each in given:
        if each not in known:
            hint = nearest(each, known) or f"there are: {', '.join(known)}"
            raise FlakesyncError("unknown-kind", f"there is no kind of finding called `{each}`", hint=hint)
    return frozenset(known[each] for each in given)
