"""`flakesync abandon`."""

import os
from contextlib import closing
from typing import Annotated

import typer

from flakesync.cli import screen
from flakesync.cli.opening import open_workspace, reading, refuse_offline, require_git
from flakesync.cli.options import Common, with_common
from flakesync.errors import EXIT_FINDINGS, EXIT_OK


@with_common()
def abandon(
    common: Common,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Only show what would be taken away.")] = False,
) -> int:
    """Close the pull requests and delete the update branches, here and there.

    Only what flakesync made: a branch with somebody else's commit stays, and so
    does its pull request. Base branches and working trees are never touched. The
    next sync makes the update again, and publish opens new pull requests for it.
    Exits with 1 when a repo failed.

    \b
    Examples:
      flakesync abandon --dry-run
      flakesync abandon --repo app
    """
    from flakesync.cache.layout import cache_dir
    from flakesync.forge.hosts import Servers
    from flakesync.publish.abandon import abandon as carry_out
    from flakesync.report.publish import render_abandon
    from flakesync.survey.read import read_graph
    from flakesync.sync.engine import only_run

    refuse_offline(common, "abandon")
    workspace, selected = open_workspace(common)
    require_git()
    with (
        closing(Servers(workspace, os.environ)) as servers,
        only_run(workspace.file, cache_dir()),
        screen.busy(reading(workspace), quiet=common.quiet),
    ):
        document = carry_out(workspace, read_graph(workspace, at="update"), selected, servers, dry_run=dry_run)
    if common.json:
        screen.answer_json(document)
    else:
        screen.answer(render_abandon(document, width=screen.width()))
    return EXIT_FINDINGS if any(outcome.status == "failed" for outcome in document.repos) else EXIT_OK
