"""`flakesync plan`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flakesync.cli import screen
from flakesync.cli.opening import keep_to_the_end, look, open_workspace, show_hints, show_undecided
from flakesync.cli.options import Common, with_common
from flakesync.errors import EXIT_FINDINGS, EXIT_OK

if TYPE_CHECKING:
    from flakesync.analysis.moves import Plan
    from flakesync.survey.survey import Survey

Format = Literal["text", "gitlab", "github", "github-matrix"]


@with_common()
def plan(
    common: Common,
    form: Annotated[
        Format,
        typer.Option(
            "--format",
            help="Print a pipeline: a child pipeline of GitLab, a workflow of GitHub, or the matrices of its jobs.",
        ),
    ] = "text",
    max_jobs: Annotated[
        int | None,
        typer.Option(
            "--max-jobs",
            metavar="N",
            min=1,
            help="Jobs of the pipeline at most; repos then share jobs.  [default: 500 on GitLab, 250 on GitHub]",
        ),
    ] = None,
    waves: Annotated[
        int, typer.Option("--waves", metavar="N", min=1, help="How many waves the workflow has, for github-matrix.")
    ] = 10,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write the plan to a file, too, for `task` and `collect`."),
    ] = None,
) -> int:
    """Show what a sync would do, wave by wave. Changes no repo.

    With --repo, --group or --exclude only the chosen repos change; the others
    are taken as they are. Exits with 1 when a repo cannot be planned, a shallow
    clone tells too little, or the checks of a pin cannot be read. With -v each
    change has its source, the date of what is locked, and whole commits.

    --format writes the plan as a pipeline with a job for each repo, for runners of
    your own: gitlab for a child pipeline, github for a workflow, which is
    committed once, and github-matrix for what its first job appends to
    $GITHUB_OUTPUT.

    \b
    Examples:
      flakesync plan
      flakesync plan --exclude experiments
      flakesync plan --json | jq '.waves[0]'
      flakesync plan --format gitlab --out plan.json > pipeline.yml
    """
    from flakesync.analysis.documents.plan import plan_document
    from flakesync.analysis.plan import decide, with_run

    if form != "text" and common.json:
        raise typer.BadParameter("--json and --format exclude each other", param_hint="'--format'")
    workspace, selected = open_workspace(common)
    survey = look(common, workspace)
    decided = decide(survey, selected)
    document = plan_document(decided)
    keep_to_the_end(decided, document)
    if form != "text" or out is not None:
        decided = with_run(survey, decided)
    if form != "text":
        screen.answer_text(_pipeline(survey, decided, form, max_jobs, waves))
    elif common.json:
        screen.answer_json(document)
    else:
        from flakesync.report.plan import render_plan

        sources = _sources(decided) if common.verbose else None
        screen.answer(render_plan(document, width=screen.width(), sources=sources))
    if out is not None:
        from flakesync.cli.files import write_files
        from flakesync.pipeline.plan_file import make_plan_file

        write_files(out.parent, {out.name: make_plan_file(survey, decided, selected).encode()})
    show_hints(survey.graph, selected)
    unknown = show_undecided(survey)
    return EXIT_FINDINGS if document.problems or decided.blind or unknown else EXIT_OK


def _pipeline(survey: "Survey", plan: "Plan", form: Format, max_jobs: int | None, waves: int) -> str:
    """Return a plan as the file of a CI system. Raises: FlakesyncError."""
    from flakesync.pipeline.jobs import make_jobs, make_waves
    from flakesync.report.pipeline import github, gitlab
    from flakesync.sync.tasks.task import make_tasks

    if form == "github":
        return github.render_github(max(1, len(survey.graph.waves)))
    upstreams = {name: task.upstreams for name, task in make_tasks(survey, plan).items()}
    if form == "gitlab":
        return gitlab.render_gitlab(make_jobs(upstreams, max_jobs or gitlab.MOST_JOBS, gitlab.MOST_NEEDS), plan.run)
    return github.render_matrix(make_waves(upstreams, max_jobs or github.MOST_JOBS), waves)


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
