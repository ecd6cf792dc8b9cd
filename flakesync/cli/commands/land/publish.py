"""`flakesync publish`."""

import os
import sys
from contextlib import closing
from typing import Annotated

import typer

from flakesync.cli import screen
from flakesync.cli.opening import open_workspace, reading, refuse_offline, require_git
from flakesync.cli.options import Common, with_common
from flakesync.cli.upkeep import tidy_cache
from flakesync.errors import EXIT_FINDINGS, EXIT_OK


@with_common()
def publish(
    common: Common,
    reopen: Annotated[
        bool, typer.Option("--reopen", help="Open pull requests again that a person has closed.")
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option("--limit", metavar="N", min=1, help="Open at most N pull requests; a later run goes on."),
    ] = None,
) -> int:
    """Push the update branches and open a pull request for each, upstream first.

    What sync left is published: running it again updates what is there, and opens
    nothing twice. A branch with somebody else's commit is left alone. What people
    write around flakesync's part of a pull request's text stays. An update is left
    out, with the reason, while a server lacks what it locks. Tokens are taken from
    GITHUB_TOKEN, GITLAB_TOKEN, FORGEJO_TOKEN, or as the manifest says. Where a forge
    allows fewer calls for now than there are to do, they are spread, and a note says
    when all will be done. Exits with 1 when a repo failed, or was skipped although
    its update is not in its base; what only --limit leaves is no such repo.

    \b
    Examples:
      flakesync publish
      flakesync publish --group core --reopen
      flakesync publish --limit 25
      flakesync publish --json > publish.json
    """
    from flakesync.cache.layout import cache_dir
    from flakesync.forge.hosts import Servers
    from flakesync.publish.documents import publish_document
    from flakesync.publish.publish import publish as carry_out
    from flakesync.report.progress import listener
    from flakesync.report.publish import progress_line, render_publish
    from flakesync.survey.read import read_graph
    from flakesync.sync.engine import only_run

    refuse_offline(common, "publish")
    workspace, selected = open_workspace(common)
    require_git()
    with closing(Servers(workspace, os.environ)) as servers, only_run(workspace.file, cache_dir()):
        with screen.busy(reading(workspace), quiet=common.quiet):
            graph = read_graph(workspace, at="update")
        with listener(sys.stderr, progress_line, quiet=common.quiet, verbose=common.verbose) as listen:
            results = carry_out(workspace, graph, selected, servers, reopen=reopen, limit=limit, listener=listen)
    document = publish_document(results, workspace.branch)
    if common.json:
        screen.answer_json(document)
    else:
        screen.answer(render_publish(document, width=screen.width()))
    tidy_cache(common)
    return EXIT_FINDINGS if any(result.is_left for result in results) else EXIT_OK
