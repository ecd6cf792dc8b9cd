"""`flakesync man`."""

from pathlib import Path
from typing import Annotated

import typer

from flakesync.cli.options import Common, with_common
from flakesync.errors import EXIT_OK


@with_common("quiet")
def man(
    common: Common,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to write into; it is made.")],
) -> int:
    """Write the man pages: flakesync.1, and flakesync-COMMAND.1 for each command.

    They have what --help has. For packages, and for `man -l DIR/flakesync-sync.1`.
    Their date is today's, or that of SOURCE_DATE_EPOCH.

    \b
    Examples:
      flakesync man ~/.local/share/man/man1
    """
    import os
    from datetime import UTC, datetime

    from flakesync import __version__
    from flakesync.cli import screen
    from flakesync.cli.files import write_files
    from flakesync.cli.manual.mdoc import pages
    from flakesync.cli.manual.read import read_help
    from flakesync.errors import FlakesyncError

    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    try:
        now = datetime.fromtimestamp(int(given), UTC) if given else datetime.now(UTC)
    except (ValueError, OverflowError, OSError):
        raise FlakesyncError("bad-date", f"SOURCE_DATE_EPOCH is no time in seconds: `{given}`") from None
    texts = pages(read_help(), __version__, now.date())
    write_files(folder, {name: text.encode() for name, text in texts.items()})
    if not common.quiet:
        screen.note(f"{folder}: {len(texts)} man pages")
    return EXIT_OK
