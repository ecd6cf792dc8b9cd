"""`flakesync demo`."""

from pathlib import Path
from typing import Annotated

import typer

from flakesync.cli.opening import refuse_json
from flakesync.cli.options import Common, with_common


@with_common("quiet", "verbose")
def demo(
    common: Common,
    directory: Annotated[
        Path | None,
        typer.Argument(metavar="[DIR]", help="Where to make it.  [default: a temporary folder]", show_default=False),
    ] = None,
    forge: Annotated[
        bool, typer.Option("--forge", help="Put the repos on three forges, and go on: publish, status, land.")
    ] = False,
    airgap: Annotated[
        bool, typer.Option("--airgap", help="Carry the workspace to a machine without a network, twice.")
    ] = False,
) -> int:
    """Make a real example workspace and run the whole pipeline on it.

    Needs git, and no network; where there is no nix, flakesync writes all locks and
    checks are left out. The repos stay in DIR to look around in. The forges of --forge
    are part of the demo, listen on loopback (TLS, with certificates made by openssl),
    and end with it. The machine of --airgap is a folder with a store of its own, and has
    no network where `unshare --net` can take it away. Exits with 1 when a step failed.

    \b
    Examples:
      flakesync demo /tmp/acme
      flakesync demo --forge
      flakesync demo --airgap
    """
    refuse_json(common, "demo")
    if forge and airgap:
        raise typer.BadParameter("only one of --forge and --airgap can be given")
    if forge:
        from flakesync.demo.forge_story import run_forge_demo

        return run_forge_demo(directory)
    if airgap:
        from flakesync.demo.airgap_story import run_airgap_demo

        return run_airgap_demo(directory)
    from flakesync.demo.story import run_demo

    return run_demo(directory)
