"""`flakesync graph`."""

from typing import Annotated, Literal

import typer

from flakesync.cli import screen
from flakesync.cli.opening import all_kept, keep_to_the_end, note_unread, open_workspace, reading, show_hints
from flakesync.cli.options import Common, with_common
from flakesync.errors import EXIT_FINDINGS, EXIT_OK

Format = Literal["tree", "json", "dot", "mermaid"]


@with_common()
def graph(
    common: Common,
    format: Annotated[  # noqa: A002
        Format | None, typer.Option("--format", "-f", help="How to show it.  [default: tree]")
    ] = None,
    at: Annotated[
        Literal["base", "update"], typer.Option("--at", help="Read base branches, or update branches where there are.")
    ] = "base",
) -> int:
    """Show which repo takes which, wave by wave.

    A wave holds the repos whose upstreams are all in earlier waves: the order
    in which a sync bumps them. Edges come from the locks, not from flake.nix. Of
    chosen repos the neighbours are shown too: (in brackets). With -v each input is.
    Exits with 1 when a repo could not be read.

    \b
    Examples:
      flakesync graph
      flakesync graph --group core --format dot | dot -Tsvg > graph.svg
      flakesync graph --json | jq '.waves'
    """
    from flakesync.report.graph.tree import part_of
    from flakesync.survey.read import read_graph

    if common.json and format not in (None, "json"):
        raise typer.BadParameter(f"only one of --json and --format {format} can be given")
    workspace, selected = open_workspace(common)
    with screen.busy(reading(workspace), quiet=common.quiet), all_kept():
        whole = read_graph(workspace, at=at, offline=common.offline, renew=True)
    keep_to_the_end(whole)
    part = part_of(whole, selected)
    match "json" if common.json else format or "tree":
        case "json":
            from flakesync.report.graph.document import graph_document

            screen.answer_json(graph_document(part, selected))
        case "tree":
            from flakesync.report.graph.tree import render_tree

            screen.answer(render_tree(part, width=screen.width(), selected=selected, full=common.verbose))
        case "dot":
            from flakesync.report.graph.diagram import render_dot

            screen.answer_text(render_dot(part, title=workspace.name, selected=selected))
        case "mermaid":
            from flakesync.report.graph.diagram import render_mermaid

            screen.answer_text(render_mermaid(part, selected=selected))
    if common.json or format not in (None, "tree"):
        note_unread(whole, selected)
    return EXIT_FINDINGS if show_hints(whole, selected) else EXIT_OK
