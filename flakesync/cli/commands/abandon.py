"""`flakesync abandon`."""

import os
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from flakesync.cli import screen
from flakesync.cli.opening import open_workspace, reading, refuse_offline
from flakesync.cli.options import Common, with_common
from flakesync.errors import EXIT_FINDINGS, EXIT_OK

if TYPE_CHECKING:
    from flakesync.documents.abandon import AbandonDocument
    from flakesync.terms import RepoName
    from flakesync.workspace.manifest import Workspace


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
    refuse_offline(common, "abandon")
    workspace, selected = open_workspace(common)
    document = _abandon(common, workspace, selected, dry_run=dry_run)
    if common.json:
        screen.answer_json(document)
    else:
        from flakesync.report.publish import render_abandon

        screen.answer(render_abandon(document, width=screen.width()))
    return EXIT_FINDINGS if any(outcome.status == "failed" for outcome in document.repos) else EXIT_OK


def _abandon(
    common: Common, workspace: "Workspace", selected: "frozenset[RepoName]", *, dry_run: bool
) -> "AbandonDocument":
    from flakesync.cache.layout import cache_dir
    from flakesync.forge.hosts import Servers
    from flakesync.publish.abandon import abandon as carry_out
    from flakesync.survey.read import read_graph
    from flakesync.sync.engine import only_run

    with (
        closing(Servers(workspace, os.environ)) as servers,
        only_run(workspace.file, cache_dir()),
        screen.busy(reading(workspace), quiet=common.quiet),
    ):
        graph = read_graph(workspace, at="update")
        return carry_out(workspace, graph, selected, servers, dry_run=dry_run)
