"""`flakesync collect`."""

import os
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from flakesync.cli import screen
from flakesync.cli.commands.change.task import PlanOption
from flakesync.cli.opening import open_workspace, require_git
from flakesync.cli.options import Common, JsonFileOption, with_common
from flakesync.cli.upkeep import tidy_cache
from flakesync.errors import EXIT_FINDINGS, EXIT_OK


@with_common("workspace", "jobs", "json", "offline", "local", "quiet", "verbose")
def collect(
    common: Common,
    plan: PlanOption,
    outcomes: Annotated[
        Path | None,
        typer.Option("--outcomes", metavar="DIR", help="Where jobs have left what `task --json-file` writes."),
    ] = None,
    json_file: JsonFileOption = None,
) -> int:
    """Show the results of a plan whose tasks other machines carried out.

    Answers as sync does. What was updated, the update branches on the servers say;
    a repo without an update of this plan failed, or was skipped as its upstream did.
    With --outcomes it also shows why, and how checks ended, as the jobs have written
    it down. Changes nothing. Exits with 1 when a repo failed or was skipped, and for
    locks that the plan does not mend.

    \b
    Examples:
      flakesync collect --plan plan.json
      flakesync collect --plan plan.json --outcomes outcomes/ --json > sync.json
    """
    from flakesync.cache.layout import cache_dir
    from flakesync.cli.files import write_files
    from flakesync.forge.hosts import Servers
    from flakesync.pipeline.collect import collect as look
    from flakesync.pipeline.elsewhere import Place
    from flakesync.pipeline.outcomes import read_outcomes
    from flakesync.pipeline.plan_file import read_plan_file
    from flakesync.report.documents import to_json
    from flakesync.report.sync import render_sync
    from flakesync.sync.options import Options

    workspace, _ = open_workspace(common)
    planned = read_plan_file(plan, workspace)
    require_git()
    notes: list[str] = []
    claims = read_outcomes(outcomes, planned, notes.append) if outcomes is not None else {}
    options = Options(cache=cache_dir(), locker="native", offline=common.offline)
    with closing(Servers(workspace, os.environ)) as servers:
        place = Place(workspace=workspace, options=options, servers=servers, listener=lambda _: None, push=False)
        number = len(planned.tasks)
        with screen.busy(f"asking for {number} branch{'' if number == 1 else 'es'}", quiet=common.quiet):
            document = look(planned, place, claims)
    for text in notes if not common.quiet else ():
        screen.note(text)
    if common.json:
        screen.answer_json(document)
    else:
        screen.answer(render_sync(document, width=screen.width(), full=common.verbose))
    if json_file is not None:
        write_files(json_file.parent, {json_file.name: to_json(document)})
    tidy_cache(common)
    failed = any(each.status in ("failed", "skipped") for each in document.repos)
    return EXIT_FINDINGS if failed or document.undecided or any(each.fails for each in document.left) else EXIT_OK
