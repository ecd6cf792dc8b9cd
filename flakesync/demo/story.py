"""`flakesync demo`: make the example workspace, then run the whole pipeline on it, as a user would type it."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import flakesync
from flakesync.demo.build import MANIFEST, build_workspace
from flakesync.errors import EXIT_FINDINGS, EXIT_OK
from flakesync.nix.command import Nix
from flakesync.report.colour import write
from flakesync.report.text import BLANK, Line, Span, line, wrap

_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Scene:
    """One command of the story. tells: what to look at. status: how it has to end."""

    tells: str
    arguments: tuple[str, ...]
    status: int = EXIT_OK


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
        FlakesyncError: the workspace could not be made: there is no git or no Nix, `directory` is not empty, …
    """
    nix = Nix.find()
    place = _make(directory, nix)
    _say(f"A company of eight flake repositories, and a nixpkgs with some history. All of it is real: git has the"
         f" commits, {nix.describe()} wrote the locks, and {MANIFEST} lists the repos.")  # fmt: skip
    _show(_typed("cd", str(place)), BLANK)
    for scene in SCENES:
        _say(scene.tells)
        _show(_typed("flakesync", *scene.arguments))
        status = _run(scene.arguments, place)
        if status != scene.status:
            _failed(scene, status, place)
            return EXIT_FINDINGS
        _show(BLANK)
    _invite(place)
    return EXIT_OK


def _make(directory: Path | None, nix: Nix) -> Path:
    """Make the workspace and return its folder. Its history ends yesterday: the ages that drift tells are plausible."""
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    if directory is not None:
        return build_workspace(directory, nix=nix, last_day=yesterday).parent
    folder = Path(tempfile.mkdtemp(prefix="flakesync-demo-"))
    try:
        return build_workspace(folder, nix=nix, last_day=yesterday).parent
    except BaseException:
        folder.rmdir()
        raise


def _run(arguments: Sequence[str], place: Path) -> int:
    """Run flakesync with these arguments in `place`, on our own output, and return its exit status."""
    # -P: not even a folder called `site` or `flakesync` in there is taken for a Python module.
    argv = [sys.executable, "-P", "-m", "flakesync", *arguments]
    above = str(Path(flakesync.__file__).parent.parent)
    path = os.pathsep.join(filter(None, (above, os.environ.get("PYTHONPATH"))))
    env = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(argv, cwd=place, env=env, stdin=subprocess.DEVNULL, check=False).returncode


def _failed(scene: Scene, status: int, place: Path) -> None:
    command = " ".join(("flakesync", *scene.arguments))
    write(
        sys.stderr,
        [
            line(Span("error[demo-step]:", "bad"), f" `{command}` ended with status {status}, not {scene.status}"),
            line(Span("hint:", "name"), f" the workspace is still there: {place}"),
        ],
    )


def _invite(place: Path) -> None:
    """Say where all of it is, and what else could be tried there."""
    fleet = f"'git+file://{place}/fleet?ref=flakesync/update#lib.parts'"
    _say("The workspace stays, to play with. To begin with:")
    _show(
        _typed("cd", str(place)),
        _typed("git", "-C", "fleet", "show", "flakesync/update"),
        _typed("nix", "--extra-experimental-features", "'nix-command flakes'", "eval", fleet),
        _typed("flakesync", "graph", "--format", "mermaid"),
        _typed("flakesync", "drift", "--repo", "fleet"),
    )
    _say("Or commit something in lib and sync again: the update branches are built anew on it.")


def _say(text: str) -> None:
    _show(*(line(Span(part, "dim")) for part in wrap(text, _WIDTH)))


def _typed(*words: str) -> Line:
    return line(Span("$", "good"), " ", Span(" ".join(words), "head"))


def _show(*lines: Line) -> None:
    write(sys.stdout, lines)
    sys.stdout.flush()
