"""`flakesync status`."""

import os
from contextlib import ExitStack, closing

from flakesync.cli import screen
from flakesync.cli.opening import open_workspace, reading, require_git
from flakesync.cli.options import Common, with_common
from flakesync.errors import EXIT_FINDINGS, EXIT_OK


@with_common()
def status(common: Common) -> int:
    """Show where every update stands: branch, pull request, checks, landed.

    And for each repo, which others have to land before it. Writes nothing. With
    --offline only the branches are looked at, as they were last fetched. Exits
    with 1 when it could not be found out where a repo stands.

    \b
    Examples:
      flakesync status
      flakesync status --json | jq '.repos[] | select(.landed | not) | .repo'
    """
    from flakesync.publish.status import asks_servers
    from flakesync.publish.status import status as look
    from flakesync.survey.read import read_graph

    workspace, selected = open_workspace(common)
    require_git()
    with ExitStack() as stack, screen.busy(reading(workspace), quiet=common.quiet):
        graph = read_graph(workspace, at="update", offline=common.offline)
        servers = None
        if not common.offline and asks_servers(graph):
            from flakesync.forge.hosts import Servers

            servers = stack.enter_context(closing(Servers(workspace, os.environ)))
        document = look(workspace, graph, selected, servers)
    if common.json:
        screen.answer_json(document)
    else:
        from flakesync.report.status import render_status

        screen.answer(render_status(document, width=screen.width()))
    unknown = [each.repo for each in document.repos if each.stage == "failed"]
    if unknown and not common.quiet:
        from flakesync.report.text import few

        screen.note(f"where an update stands is not known of {few(unknown)}")
    return EXIT_FINDINGS if unknown else EXIT_OK
