"""`flakesync init`."""

from pathlib import Path
from typing import Annotated

import typer

from flakesync.cli import screen
from flakesync.cli.options import Common, with_common
from flakesync.errors import EXIT_OK


@with_common("quiet", "verbose")
def init(
    common: Common,
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[DIR]...", help="Where to look.  [default: here]", show_default=False),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option("--workspace", "-w", metavar="FILE", help="What to write.  [default: workspace.toml, here]"),
    ] = None,
) -> int:
    """Find flake repos and write the workspace.toml that lists them.

    Looks in and below each DIR for git repositories with a flake.nix. An existing
    manifest is never overwritten.

    \b
    Examples:
      flakesync init ~/src/acme
      flakesync init -w ops/workspace.toml ~/src/acme ~/src/tools
    """
    from flakesync.workspace.discover import discover
    from flakesync.workspace.manifest import MANIFEST

    file = manifest or common.workspace or Path(MANIFEST)
    with screen.busy("looking for flakes", quiet=common.quiet):
        found = discover(folders or [Path()], file)
    found.write()
    if not common.quiet:
        for text in found.notes:
            screen.note(text)
    from flakesync.report.init import render_init

    screen.answer(render_init(found, width=screen.width()))
    return EXIT_OK
