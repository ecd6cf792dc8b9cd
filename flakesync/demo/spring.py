"""The demo's second chapter: a release is moved everywhere, a bad input is held back, and taken once it is mended."""

import os
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from flakesync.demo.build import begin_branch, build_workspace, commit_files
from flakesync.demo.stage import Scene, play, say, show, typed
from flakesync.nix.program.command import Nix
from flakesync.report.text import BLANK

FOLDER = "spring"
"""Where its workspace lies, below that of the first chapter: one of its own, as it commits to bases."""

_RELEASE = "nixos-26.05"
_BROKEN = '{ "ink": "#17202a", "paper" "#fdfefe", "accent": "#d35400" }\n'
_MENDED = _BROKEN.replace('"paper" ', '"paper": ')

_MOVE = Scene(
    f"Spring: nixpkgs has a branch {_RELEASE}. One command moves the pin; from now on workspace.toml says so, and names"
    " the branch that it has left. No repo has been touched yet.",
    ("move", "nixpkgs", _RELEASE),
)
_SYNC = Scene("sync edits every flake.nix, the branch alone, and locks it in the same commit.", ("sync",))
_HELD = Scene(
    "sync edits every flake.nix, the branch alone, and locks it in the same commit. In the meantime somebody has lost a"
    " colon in style's colours, which docs-theme reads: its check fails. As the manifest has `on-failure ="
    ' "bisect"`, sync finds out which of its inputs it is, holds that one, and lets all else through.',
    ("sync",),
)
_RELEASED = Scene("The next night the colon is back: what was held is tried anew, and taken.", ("sync",))
_IN_STEP = Scene("Every repo is on the new release.", ("drift", "--at", "update"))


def play_spring(above: Path, *, nix: Nix | None, last_day: date) -> bool:
    """Play the chapter in a workspace of its own below `above`; return whether every command ended as it has to.

    nix: what writes the locks and runs the checks; None: there are no checks, so no input can be found to be bad.
    last_day: as of `build_workspace`.

    Raises:
        FlakesyncError: the workspace could not be made.
    """
    place = build_workspace(above / FOLDER, nix=nix, last_day=last_day).parent
    morning = datetime.combine(last_day, time(12), UTC)
    begin_branch(place / "nixpkgs", _RELEASE, "nixos-unstable")
    show(typed("cd", FOLDER), BLANK)
    if nix is None:
        say("(A bad input is found by checks, and these need Nix.)")
        return play((_MOVE, _SYNC, _IN_STEP), place, os.environ)
    commit_files(place / "style", {"colours.json": _BROKEN}, "A darker ink", morning)
    if not play((_MOVE, _HELD), place, os.environ):
        return False
    commit_files(place / "style", {"colours.json": _MENDED}, "Put the colon back", morning + timedelta(hours=2))
    return play((_RELEASED, _IN_STEP), place, os.environ)
