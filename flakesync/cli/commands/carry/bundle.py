"""`flakesync bundle`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from flakesync.cli import screen
from flakesync.cli.opening import open_workspace, reading, require_git
from flakesync.cli.options import Common, with_common
from flakesync.errors import EXIT_FINDINGS, EXIT_OK


@with_common()
def bundle(
    common: Common,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="PATH", help="The bundle: a folder, or one archive if it ends in .tar."),
    ],
    at: Annotated[
        Literal["base", "update", "both"],
        typer.Option("--at", help="Send base branches, update branches where there are, or both."),
    ] = "base",
    base: Annotated[
        list[Path] | None,
        typer.Option("--base", metavar="FILE", help="Leave out what a bundle or a receipt has (repeatable)."),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Send everything, whatever --base has.")] = False,
    partial: Annotated[bool, typer.Option("--partial", help="Finish it though sources are missing.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Download and write nothing; tell what would be sent.")
    ] = False,
) -> int:
    """Pack every source and commit of the workspace into one bundle.

    It has the source of each locked input once, proven by its narHash, and the
    commits of the repos: all that Nix needs to evaluate them where there is no
    network, with the locks as they are. No Nix is needed to make it. It is an
    OCI image layout: carry it on a disk, with rsync, or with skopeo copy.
    Build outputs are not in it.

    --base names what the receiver has: a bundle that was handed over, the copy of
    its manifest (PATH.json, written beside each bundle), or the receipt that
    flakesync import wrote. What it has is not sent again. Running it again goes on
    where it stopped. Exits with 1 when a source or a repo could not be had; the
    bundle stays unfinished then.

    \b
    Examples:
      flakesync bundle -o b1
      flakesync bundle -o b2.tar --base b1.json
      flakesync bundle -o b3 --base receipt.json --at both
    """
    from flakesync.bundle.send.bases import Bases, read_bases
    from flakesync.bundle.send.cargo import make_cargo, read_states
    from flakesync.bundle.send.send import SendOptions, send
    from flakesync.bundle.send.ways import Ways
    from flakesync.cache.layout import cache_dir
    from flakesync.report.carry.bundle import render_bundled
    from flakesync.report.text import line
    from flakesync.workspace.snapshot import hosts_of

    workspace, selected = open_workspace(common)
    bases = read_bases(base or ())
    require_git()
    hosts = hosts_of(workspace)
    with screen.busy(reading(workspace), quiet=common.quiet):
        states = read_states(workspace, at, cache_dir(), None if common.offline else hosts)
    cargo, failed = make_cargo(workspace, states, selected)
    ways = Ways(cargo.clones, cache_dir(), hosts, offline=common.offline)
    options = SendOptions(
        output, Bases(bases.digests) if full else bases, workspace.jobs, partial=partial, dry_run=dry_run
    )
    document = send(cargo, failed, ways, options, lambda text: None if common.quiet else screen.tell(line(text)))
    if common.json:
        screen.answer_json(document)
    else:
        screen.answer(render_bundled(document, width=screen.width(), dry_run=dry_run))
    return EXIT_FINDINGS if document.failed else EXIT_OK
