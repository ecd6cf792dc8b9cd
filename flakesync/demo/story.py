"""`flakesync demo`: make the example workspace, then run the whole pipeline on it, as a user would type it."""

import contextlib
import os
import tempfile
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from flakesync.demo.build import MANIFEST, build_workspace
from flakesync.demo.locking import find_nix, writer
from flakesync.demo.spring import play_spring
from flakesync.demo.stage import Scene, play, say, show, typed
from flakesync.errors import EXIT_FINDINGS, EXIT_OK
from flakesync.processes.stop import undone
from flakesync.report.text import BLANK

Made = TypeVar("Made")

SCENES = (
    Scene("Who takes whom, read from the locks: a repo needs only those in the waves above it.", ("graph",)),
    Scene(
        "Nobody looked for weeks: three revs of nixpkgs, one of them a second copy inside fleet's lock, and repos"
        " that lag behind each other. Drift is exit status 1, so that a nightly job notices.",
        ("drift",),
        EXIT_FINDINGS,
    ),
    Scene(
        "What would be done about it. Nothing is written yet; where a repo is to take the update of another one, that"
        " commit does not even exist.",
        ("plan",),
    ),
    Scene(
        "Now for real: upstreams first, each dependent locked to the commit its upstreams have just got. All of it goes"
        " to branches called flakesync/update; main and the working trees stay as they are.",
        ("sync",),
    ),
    Scene(
        "The same question to the update branches: every repo is at one nixpkgs and at its upstreams' newest commits.",
        ("drift", "--at", "update"),
    ),
    Scene("And once more, as the next night would: there is nothing to do, and no commit changes.", ("sync",)),
)


def run_demo(directory: Path | None) -> int:
    """Make the example workspace in `directory`, show the pipeline on it, and return the exit status.

    directory: must be empty or not there yet; None: a temporary folder, which stays. The status is 1 when a command
    did not end as it has to.

    Raises:
        FlakesyncError: the workspace could not be made: there is no git, `directory` is not empty, …
    """
    nix = find_nix(os.environ)
    place = made(directory, lambda folder, last_day: build_workspace(folder, nix=nix, last_day=last_day).parent)
    say(f"A company of eight flake repositories, and a nixpkgs with some history. All of it is real: git has the"
        f" commits, {writer(nix)} wrote the locks, and {MANIFEST} lists the repos.")  # fmt: skip
    show(typed("cd", str(place)), BLANK)
    if not play(SCENES, place, os.environ) or not play_spring(place, nix=nix, last_day=yesterday()):
        return EXIT_FINDINGS
    _invite(place, evaluate=nix is not None)
    return EXIT_OK


def made(directory: Path | None, make: Callable[[Path, date], Made]) -> Made:
    """Return what `make` makes in `directory`; None: in a temporary folder, which goes if that fails.

    make: is told the last day of the history. That is yesterday: the ages that drift tells are plausible.
    """
    if directory is not None:
        return make(directory, yesterday())
    # `make` empties it where it fails; one that is not empty stays, to play with.
    with undone(lambda: Path(tempfile.mkdtemp(prefix="flakesync-demo-")), _remove_if_empty) as folder:
        return make(folder, yesterday())


def yesterday() -> date:
    """Return the last day of the history (UTC)."""
    return datetime.now(UTC).date() - timedelta(days=1)


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


def _invite(place: Path, *, evaluate: bool) -> None:
    """Say where all of it is, and what else could be tried there."""
    fleet = f"'git+file://{place}/fleet?ref=flakesync/update#lib.parts'"
    say("The workspace stays, to play with. To begin with:")
    show(
        typed("cd", str(place)),
        typed("git", "-C", "fleet", "show", "flakesync/update"),
        *([typed("nix", "--extra-experimental-features", "'nix-command flakes'", "eval", fleet)] if evaluate else []),
        typed("flakesync", "graph", "--format", "mermaid"),
        typed("flakesync", "drift", "--repo", "fleet"),
        typed("flakesync", "report", "page"),
    )
    say("Or commit something in lib and sync again: the update branches are built anew on it. `flakesync abandon` puts"
        " them away, to begin once more.")  # fmt: skip
