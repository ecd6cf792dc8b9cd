"""`flakesync demo`."""

from pathlib import Path
from typing import Annotated

import typer

from flakesync.cli.options import Common, with_common


@with_common("quiet", "verbose")
def demo(
    common: Common,
    directory: Annotated[
        Path | None,
        typer.Argument(metavar="[DIR]", help="Where to make it.  [default: a temporary folder]", show_default=False),
    ] = None,
) -> int:
    """Make a real example workspace and run the whole pipeline on it.

    Needs git and nix, and no network. The repos stay in DIR to look around in.

    \b
    Example:
      flakesync demo /tmp/acme
    """
    from flakesync.demo.story import run_demo

    return run_demo(directory)
