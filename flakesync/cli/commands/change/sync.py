"""`flakesync sync`."""

import gc
import sys
from typing import Annotated

import typer

from flakesync.cli import screen
from flakesync.cli.complete import pins
from flakesync.cli.opening import look, open_workspace, show_undecided
from flakesync.cli.options import Common, DialectOption, JsonFileOption, LockerOption, VerifyOption, with_common
from flakesync.cli.upkeep import tidy_cache
from flakesync.errors import EXIT_FINDINGS, EXIT_OK


@with_common()
def sync(
    common: Common,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Lock and check, but make no commit; show the changed locks.")
    ] = False,
    locker: LockerOption = "auto",
    dialect: DialectOption = None,
    verify: VerifyOption = False,
    now: Annotated[
        list[str] | None,
        typer.Option(
            "--now", metavar="PIN", help="Take its newest commit however young (repeatable).", autocompletion=pins
        ),
    ] = None,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="Why --now: it goes into commits and pull requests.")
    ] = None,
    executor: Annotated[
        str | None,
        typer.Option(
            "--executor",
            metavar="WHICH",
            help="Who does the work: inline, threads, processes:N or dask:ADDRESS.  [default: threads, see --jobs]",
        ),
    ] = None,
    json_file: JsonFileOption = None,
) -> int:
    """Bump every repo in order and commit on its update branch.

    A repo that fails fails alone: those that take it are skipped, all others go
    on. Working trees are never touched, and nothing is pushed. What it leaves as
    it is, is listed with the reason. Exits with 1 when a repo failed or was skipped,
    and for locks that it cannot mend. Running it again goes on where it stopped.

    --now waives the cooldown of a pin this once; its checks have to have passed
    all the same, and later runs do not take it back.

    --executor says who does the work; the commits are the same. It is this process
    with --jobs threads, unless N processes of this machine are to do it, or the
    workers of a Dask scheduler, who push what they make (docs/executors.md).

    \b
    Examples:
      flakesync sync
      flakesync sync --dry-run --repo lib
      flakesync sync --jobs 4 --json > sync.json
      flakesync sync --executor processes:8
      flakesync sync --now nixpkgs --reason CVE-2026-12345
    """
    from flakesync.analysis.left import find_left
    from flakesync.analysis.plan import make_plan
    from flakesync.cache.layout import cache_dir
    from flakesync.cli.files import write_files
    from flakesync.cooldown.waivers import waivers
    from flakesync.report.documents import to_json
    from flakesync.report.progress import listener
    from flakesync.report.sync import progress_line, render_sync
    from flakesync.sync.documents import sync_document
    from flakesync.sync.engine import sync as carry_out
    from flakesync.sync.options import Options

    workspace, selected = open_workspace(common)
    chosen = None
    if executor is not None:
        from flakesync.pipeline.executors import executor_of

        chosen = executor_of(executor, workspace)
    survey = look(common, workspace, waived=waivers(workspace, now or (), reason))
    plan = make_plan(survey, selected)
    options = Options(
        cache=cache_dir(), locker=locker, dialect=dialect, verify=verify, dry_run=dry_run, offline=common.offline
    )
    gc.freeze()  # what was read stays to the end: no use in looking for cycles in it
    with listener(sys.stderr, progress_line, quiet=common.quiet, verbose=common.verbose) as listen:
        result = carry_out(survey, plan, options, listen, executor=chosen)
    document = sync_document(result, find_left(survey, plan, selected), plan)
    if common.json:
        screen.answer_json(document)
    else:
        screen.answer(render_sync(document, width=screen.width(), full=common.verbose))
    if json_file is not None:
        write_files(json_file.parent, {json_file.name: to_json(document)})
    unknown = show_undecided(survey)
    if not dry_run:
        tidy_cache(common)
    complete = result.is_complete and not unknown and not any(each.fails for each in document.left)
    return EXIT_OK if complete else EXIT_FINDINGS
