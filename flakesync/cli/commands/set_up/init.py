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
    include: Annotated[
        list[str] | None,
        typer.Option("--include", metavar="GLOB", help="Take in these folders, whatever leaves them out (repeatable)."),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", metavar="GLOB", help="Leave out these folders (repeatable).")
    ] = None,
) -> int:
    """Find flake repos and write the workspace.toml that lists them.

    Looks in and below each DIR for git repositories with a flake.nix. Flakes in
    folders called examples, templates or tests are left out, and so are locks that
    cannot be used. An existing manifest is never overwritten. Beside it goes the
    JSON Schema that editors read.

    \b
    Examples:
      flakesync init ~/src/acme
      flakesync init -w ops/workspace.toml ~/src/acme ~/src/tools
      flakesync init --exclude vendor --include 'app/examples/*' ~/src/acme
    """
    from flakesync.cli.opening import refuse_json
    from flakesync.workspace.discover import discover
    from flakesync.workspace.manifest import MANIFEST

    refuse_json(common, "init")
    file = manifest or common.workspace or Path(MANIFEST)
    with screen.busy("looking for flakes", quiet=common.quiet):
        found = discover(folders or [Path()], file, include=include or (), exclude=(*common.exclude, *(exclude or ())))
    found.write()
    if not common.quiet:
        for text in found.notes:
            screen.note(text)
        for text in _lookalikes(file):
            screen.note(text)
    from flakesync.report.init import render_init

    screen.answer(render_init(found, width=screen.width()))
    return EXIT_OK


def _lookalikes(file: Path) -> "list[str]":
    """Return what a person should know of inputs that may be repos of the new manifest under another address."""
    from msgspec.structs import replace

    from flakesync.cache.layout import cache_dir
    from flakesync.errors import FlakesyncError
    from flakesync.survey.lookalikes import find_lookalikes
    from flakesync.workspace.manifest import load_workspace
    from flakesync.workspace.snapshot import read_snapshot

    try:
        workspace = replace(load_workspace(file), read="local")
        return list(find_lookalikes(read_snapshot(workspace, cache=cache_dir(), offline=True)))
    except FlakesyncError:
        return []  # whoever reads the manifest next says it better
