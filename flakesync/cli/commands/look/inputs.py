"""`flakesync inputs`."""

import time
from typing import Annotated, Literal

import typer

from flakesync.cli import screen
from flakesync.cli.complete import sources
from flakesync.cli.opening import note_unread, open_workspace, reading, show_hints
from flakesync.cli.options import Common, with_common
from flakesync.errors import EXIT_FINDINGS, EXIT_OK, FlakesyncError


@with_common()
def inputs(
    common: Common,
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="SOURCE",
            help="A pin, a repo, a flake reference, or the name of a repository. Without it: all sources.",
            autocompletion=sources,
        ),
    ] = None,
    at: Annotated[
        Literal["base", "update"], typer.Option("--at", help="Read base branches, or update branches where there are.")
    ] = "base",
    markdown: Annotated[bool, typer.Option("--markdown", help="Answer in markdown.")] = False,
) -> int:
    """Show every locked copy of a source: any ref, at any depth of the locks.

    An input that follows another has no copy of its own: it is counted with the
    one that it leads to. With -v each is named. Exits with 1 when a repo could
    not be read.

    \b
    Examples:
      flakesync inputs
      flakesync inputs nixpkgs
      flakesync inputs github:hercules-ci/flake-parts --json
    """
    from flakesync.analysis.copies import find_copies, find_sources, inputs_document
    from flakesync.survey.read import read_graph

    if markdown and common.json:
        raise typer.BadParameter("only one of --json and --markdown can be given")
    workspace, selected = open_workspace(common)
    with screen.busy(reading(workspace), quiet=common.quiet):
        graph = read_graph(workspace, at=at, offline=common.offline, renew=True)
    try:
        wanted = find_sources(workspace, graph.states, source) if source is not None else None
    except FlakesyncError:
        note_unread(graph, selected)
        show_hints(graph, selected)
        raise
    document = inputs_document(find_copies(graph.states, selected, wanted))
    if common.json:
        screen.answer_json(document)
    elif markdown:
        from flakesync.report.inputs import render_inputs_markdown

        screen.answer_text(render_inputs_markdown(document, now=int(time.time())))
    else:
        from flakesync.report.inputs import render_inputs

        screen.answer(render_inputs(document, now=int(time.time()), width=screen.width(), full=common.verbose))
    note_unread(graph, selected)
    return EXIT_FINDINGS if show_hints(graph, selected) else EXIT_OK
