"""`flakesync land`."""

import os
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from flakesync.cli import screen
from flakesync.cli.opening import open_workspace, refuse_offline
from flakesync.cli.options import Common, DialectOption, LockerOption, with_common
from flakesync.cli.upkeep import tidy_cache
from flakesync.errors import EXIT_FINDINGS, EXIT_OK, EXIT_WAITING

if TYPE_CHECKING:
    from flakesync.sync.options import Patience


@with_common()
def land(
    common: Common,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for checks and people, and go on.")] = False,
    timeout: Annotated[
        str, typer.Option("--timeout", metavar="TIME", help="How long to wait at most: `90m`, `12h`.")
    ] = "60m",
    no_merge: Annotated[
        bool, typer.Option("--no-merge", help="Rebuild branches on what has landed; merge nothing.")
    ] = False,
    locker: LockerOption = "auto",
    dialect: DialectOption = None,
) -> int:
    """Merge the published updates, upstream first, and lock what was merged.

    A repo's turn comes when all that it takes has landed. Where that was merged as
    another commit (squash, rebase, merge commit), or the base has moved, the update
    branch is rebuilt; checks carry over where the trees are the same, else they
    run again. What is published counts, not what lies in local clones. Without
    --wait it does what can be done now. Exits with 1 when a repo failed or was
    skipped, with 4 when something still waits.

    \b
    Examples:
      flakesync land
      flakesync land --wait --timeout 3h
      flakesync land --no-merge
    """
    from flakesync.cache.layout import cache_dir
    from flakesync.forge.hosts import Servers
    from flakesync.land.documents import land_document
    from flakesync.land.land import land as carry_out
    from flakesync.report.land import progress_line, render_land
    from flakesync.report.progress import listener
    from flakesync.sync.options import Options

    refuse_offline(common, "land")
    workspace, selected = open_workspace(common)
    options = Options(
        cache=cache_dir(), locker=locker, dialect=dialect, merge=not no_merge, patience=_patience(wait, timeout)
    )
    with (
        closing(Servers(workspace, os.environ)) as servers,
        listener(sys.stderr, progress_line, quiet=common.quiet, verbose=common.verbose) as listen,
    ):
        result = carry_out(workspace, selected, servers, options, listen)
    document = land_document(result)
    if common.json:
        screen.answer_json(document)
    else:
        screen.answer(render_land(document, width=screen.width(), full=common.verbose))
    tidy_cache(common)
    statuses = {outcome.status for outcome in result.repos}
    if statuses & {"failed", "skipped"}:
        return EXIT_FINDINGS
    return EXIT_WAITING if "waiting" in statuses and not no_merge else EXIT_OK


def _patience(wait: bool, timeout: str) -> "Patience":
    from flakesync.errors import ManifestError
    from flakesync.sync.options import Patience
    from flakesync.workspace.values import duration

    try:
        return Patience(wait=wait, timeout_s=duration(timeout))
    except ManifestError as error:
        raise ManifestError("usage", f"--timeout: {error.message}", hint=error.hint) from None
