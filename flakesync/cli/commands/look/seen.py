"""`flakesync seen`."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flakesync.cli import screen
from flakesync.cli.complete import pins
from flakesync.cli.opening import open_workspace
from flakesync.cli.options import Common, with_common
from flakesync.errors import EXIT_OK, FlakesyncError, ManifestError

if TYPE_CHECKING:
    from flakesync.cooldown.seen import SeenRecord
    from flakesync.workspace.manifest import Pin, Workspace

_STDIN = Path("-")


@with_common("workspace", "json", "quiet", "verbose")
def seen(
    common: Common,
    pin: Annotated[
        str | None,
        typer.Argument(metavar="PIN", help="Only the tips of this pin.  [default: all]", autocompletion=pins),
    ] = None,
    import_: Annotated[
        Path | None,
        typer.Option("--import", metavar="FILE", help="Add `rev time` lines to the pin's tips; - reads stdin."),
    ] = None,
) -> int:
    """Show when which tip was first seen: the record that cooldowns are measured by.

    drift, plan and sync write it; it lies in the cache directory, or where `seen`
    in workspace.toml says. No server is asked and no repo is read. Without a pin the
    latest tips of each branch are shown, with -v all of them.

    \b
    --import takes what others remember, a line each of a full rev and a time
    (seconds since 1970, or ISO 8601), such as the reflog of a mirror:
      git log -g --date=unix --format='%H %gd' main > tips
      flakesync seen nixpkgs --import tips

    \b
    Examples:
      flakesync seen
      flakesync seen nixpkgs --json
    """
    from flakesync.cache.layout import cache_dir
    from flakesync.cooldown.documents import seen_document
    from flakesync.cooldown.seen import read_seen, seen_place

    if import_ is not None and pin is None:
        raise typer.BadParameter("--import needs the pin that the tips are of: `flakesync seen PIN --import FILE`")
    workspace, _ = open_workspace(common)
    wanted = _pin(workspace, pin) if pin is not None else None
    place = seen_place(workspace, cache_dir())
    now = int(time.time())
    record = read_seen(place, now=now)
    imported = 0
    if wanted is not None and import_ is not None:
        record, imported = _import(record, place, wanted, import_, now, quiet=common.quiet)
    if record.note is not None and not common.quiet:
        screen.note(record.note)
    document = seen_document(record, place, workspace, pin=wanted, imported=imported)
    if common.json:
        screen.answer_json(document)
    else:
        from flakesync.report.cooldown.seen import render_seen

        full = common.verbose or wanted is not None
        screen.answer(render_seen(document, now=now, width=screen.width(), full=full))
    return EXIT_OK


def _pin(workspace: "Workspace", name: str) -> "Pin":
    from flakesync.workspace.values import did_you_mean

    for pin in workspace.pins:
        if pin.name == name:
            return pin
    hint = did_you_mean(name, [pin.name for pin in workspace.pins])
    raise ManifestError("unknown-pin", f"{workspace.file}: no pin is called `{name}`", hint=hint)


def _import(
    record: "SeenRecord", place: Path, pin: "Pin", file: Path, now: int, *, quiet: bool
) -> "tuple[SeenRecord, int]":
    """Return the record with the tips of a file, which is kept, and how many of them are news."""
    from flakesync.cooldown.seen import branch_of, keep_seen, read_seen
    from flakesync.cooldown.seen_import import read_tips

    tips, left = read_tips(_content(file), "stdin" if file == _STDIN else str(file), now=now)
    if left and not quiet:
        screen.note(f"{left} of its lines {'is' if left == 1 else 'are'} more than 400 days old, and left out")
    branch = branch_of(pin.source)
    before = record.first_seen(*branch)
    news = sum(rev not in before or seen < before[rev] for rev, seen in tips.items())
    why_not = keep_seen(place, record.with_tips(*branch, tips), now=now)
    if why_not is not None:
        raise FlakesyncError("seen-import", why_not)
    return read_seen(place, now=now), news


def _content(file: Path) -> bytes:
    from flakesync.cooldown.seen_import import MOST_BYTES

    try:
        if file == _STDIN:
            data = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with file.open("rb") as handle:
                data = handle.read(MOST_BYTES + 1)
    except (OSError, AttributeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise FlakesyncError("seen-import", f"{file} cannot be read: {reason}") from None
    if len(data) > MOST_BYTES:
        raise FlakesyncError("seen-import", f"{file} is larger than {MOST_BYTES >> 20} MB")
    return data
