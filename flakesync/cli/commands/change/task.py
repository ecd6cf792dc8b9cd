"""`flakesync task`."""

import os
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from flakesync.cli import screen
from flakesync.cli.complete import repos
from flakesync.cli.opening import open_workspace, require_git
from flakesync.cli.options import Common, DialectOption, JsonFileOption, LockerOption, VerifyOption, with_common
from flakesync.cli.upkeep import tidy_cache
from flakesync.errors import EXIT_FINDINGS, EXIT_OK, FlakesyncError

PlanOption = Annotated[
    Path, typer.Option("--plan", metavar="FILE", help="The plan, as `flakesync plan --out FILE` has written it.")
]
"""Of the commands that carry a plan on."""


@with_common("workspace", "json", "offline", "local", "quiet", "verbose")
def task(
    common: Common,
    name: Annotated[str, typer.Argument(metavar="REPO", help="A repo of the plan.", autocompletion=repos)],
    plan: PlanOption,
    push: Annotated[
        bool, typer.Option("--push/--no-push", help="Push the update branch to its server.  [default: no push]")
    ] = False,
    locker: LockerOption = "auto",
    dialect: DialectOption = None,
    verify: VerifyOption = False,
    json_file: JsonFileOption = None,
) -> int:
    """Bump one repo as a plan says, on a machine of its own.

    For a CI system with a job for each repo. Makes the commit that sync makes, from
    the plan and the update branches of the repo's upstreams; nothing else is read,
    and nothing is decided again. With --push the update branch goes to its server,
    unless somebody has moved it meanwhile. Running it again changes nothing. A repo
    whose upstream has no update of this plan is skipped, which is no failure here:
    `flakesync collect` tells. Exits with 1 when the repo failed.

    \b
    Examples:
      flakesync plan --out plan.json
      flakesync task lib --plan plan.json --push
      flakesync task app --plan plan.json --push --json-file outcomes/app.json
    """
    from flakesync.cache.layout import cache_dir
    from flakesync.cli.files import write_files
    from flakesync.forge.hosts import Servers
    from flakesync.pipeline.documents import task_document
    from flakesync.pipeline.elsewhere import Place
    from flakesync.pipeline.plan_file import read_plan_file
    from flakesync.pipeline.task import run_task
    from flakesync.report.documents import to_json
    from flakesync.report.pipeline.task import render_task
    from flakesync.report.progress import listener
    from flakesync.report.sync import progress_line
    from flakesync.sync.options import Options

    if push and common.offline:
        raise FlakesyncError("offline", "task --push speaks to servers: it cannot be done with --offline")
    workspace, _ = open_workspace(common)
    planned = read_plan_file(plan, workspace)
    repo = planned.require_repo(workspace, name)
    require_git()
    options = Options(cache=cache_dir(), locker=locker, dialect=dialect, verify=verify, offline=common.offline)
    with (
        closing(Servers(workspace, os.environ)) as servers,
        listener(sys.stderr, progress_line, quiet=common.quiet, verbose=common.verbose) as listen,
    ):
        place = Place(workspace=workspace, options=options, servers=servers, listener=listen, push=push)
        document = task_document(planned.run, run_task(planned, repo, place))
    if common.json:
        screen.answer_json(document)
    else:
        screen.answer(render_task(document, width=screen.width(), full=common.verbose))
    if json_file is not None:
        write_files(json_file.parent, {json_file.name: to_json(document)})
    tidy_cache(common)
    return EXIT_FINDINGS if document.outcome.status == "failed" or document.left else EXIT_OK
