"""`flakesync sbom`."""

from typing import Annotated, Literal

import typer

from flakesync.cli import screen
from flakesync.cli.opening import note_unread, open_workspace, reading, show_hints
from flakesync.cli.options import AlwaysJsonOption, Common, with_common
from flakesync.errors import EXIT_FINDINGS, EXIT_OK


@with_common("workspace", "repo", "group", "exclude", "jobs", "offline", "local", "quiet", "verbose")
def sbom(
    common: Common,
    at: Annotated[
        Literal["base", "update"], typer.Option("--at", help="Read base branches, or update branches where there are.")
    ] = "base",
    json: AlwaysJsonOption = False,
) -> int:
    """Show the sources of the workspace as CycloneDX 1.6 (JSON).

    A component for each source and commit that a lock names, a repo as an
    application, inputs as dependencies. The same locks give the same bytes. There
    are no packages in it and so no vulnerabilities: for those look at what was
    built, with vulnix or sbomnix. It is no SPDX either. Exits with 1 when a repo or a
    lock could not be read.

    \b
    Examples:
      flakesync sbom > sbom.cdx.json
      flakesync sbom --repo app --at update
    """
    from flakesync.report.audit.sbom import render_sbom
    from flakesync.survey.read import read_graph

    workspace, selected = open_workspace(common)
    with screen.busy(reading(workspace), quiet=common.quiet):
        whole = read_graph(workspace, at=at, offline=common.offline, renew=True)
    states = [state for name, state in whole.states.items() if name in selected]
    screen.answer_bytes(render_sbom(workspace.name, states))
    note_unread(whole, selected)
    unread = show_hints(whole, selected)
    problems = any(flake.problem is not None for state in states for flake in state.flakes)
    return EXIT_FINDINGS if unread or problems else EXIT_OK
