"""`flakesync graph`."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flakesync.cli import screen
from flakesync.cli.opening import open_workspace, reading, show_hints
from flakesync.cli.options import Common, with_common
from flakesync.errors import EXIT_FINDINGS, EXIT_OK

if TYPE_CHECKING:
    from flakesync.survey.graph import RepoGraph

Format = Literal["tree", "json", "dot", "mermaid"]


@with_common()
def graph(
    common: Common,
    format: Annotated[Format, typer.Option("--format", "-f", help="How to show it.")] = "tree",  # noqa: A002
    at: Annotated[
        Literal["base", "update"], typer.Option("--at", help="Read base branches, or update branches where there are.")
    ] = "base",
) -> int:
    """Show which repo takes which, wave by wave.

    A wave holds the repos whose upstreams are all in earlier waves: the order
    in which a sync bumps them. Edges come from the locks, not from flake.nix.
    Exits with 1 when a repo could not be read.

    \b
    Examples:
      flakesync graph
      flakesync graph --group core --format dot | dot -Tsvg > graph.svg
      flakesync graph --json | jq '.waves'
    """
    from flakesync.report.graph.tree import part_of
    from flakesync.survey.read import read_graph

    workspace, selected = open_workspace(common)
    with screen.busy(reading(workspace), quiet=common.quiet):
        whole = read_graph(workspace, at=at, offline=common.offline, renew=True)
    _answer(part_of(whole, selected), "json" if common.json else format, workspace.name)
    return EXIT_FINDINGS if show_hints(whole, selected) else EXIT_OK


def _answer(graph: "RepoGraph", format: Format, title: str) -> None:  # noqa: A002
    match format:
        case "json":
            from flakesync.report.graph.document import graph_document

            screen.answer_json(graph_document(graph))
        case "tree":
            from flakesync.report.graph.tree import render_tree

            screen.answer(render_tree(graph, width=screen.width()))
        case "dot":
            from flakesync.report.graph.diagram import render_dot

            screen.answer_text(render_dot(graph, title=title))
        case "mermaid":
            from flakesync.report.graph.diagram import render_mermaid

            screen.answer_text(render_mermaid(graph))
