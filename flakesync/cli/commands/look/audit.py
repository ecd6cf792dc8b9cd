"""`flakesync audit`."""

from typing import Annotated, Literal

import typer

from flakesync.cli import screen
from flakesync.cli.opening import open_workspace
from flakesync.cli.options import Common, with_common
from flakesync.errors import EXIT_FINDINGS, EXIT_OK


@with_common()
def audit(
    common: Common,
    level: Annotated[
        Literal["offline", "mirror", "forge"],
        typer.Option("--level", help="How much is asked: the locks alone, the servers' commits, their forges."),
    ] = "offline",
    fail_on: Annotated[
        Literal["high", "medium", "low", "never"] | None,
        typer.Option("--fail-on", help="From which severity on to exit with 1.  [default: see workspace.toml]"),
    ] = None,
) -> int:
    """Show what is wrong or poisoned in the locks. Writes to no repo.

    \b
    Examples:
      flakesync audit
      flakesync audit --level mirror
    """
    from flakesync.audit.audit import Options, reaches
    from flakesync.audit.audit import audit as run
    from flakesync.cache.layout import cache_dir
    from flakesync.workspace.snapshot import read_snapshot

    workspace, selected = open_workspace(common)
    snapshot = read_snapshot(workspace, cache=cache_dir(), offline=common.offline or level == "offline")
    report = run(snapshot, selected, Options(level=level))
    if common.json:
        screen.answer_json(report)
    else:
        from flakesync.report.audit.text import render_audit

        screen.answer(render_audit(report, width=screen.width()))
    threshold = fail_on or workspace.audit.fail_on
    failed = any(each.new and each.ignored is None and reaches(each.severity, threshold) for each in report.findings)
    return EXIT_FINDINGS if failed else EXIT_OK
