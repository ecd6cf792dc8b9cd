"""What the stories are told with: one sentence, the command as a user would type it, and the command itself."""

import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import flakesync
from flakesync.errors import EXIT_OK
from flakesync.processes import child
from flakesync.report.colour import write
from flakesync.report.text import BLANK, Line, Span, line, wrap

_MOST_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Scene:
    """One command of the story. tells: what to look at. status: how it has to end.

    program: None: flakesync. within: the command that runs it.
    """

    tells: str
    arguments: tuple[str, ...]
    status: int = EXIT_OK
    program: Path | None = None
    within: tuple[str, ...] = ()

    @property
    def typed(self) -> str:
        """The command as a user types it."""
        name = "flakesync" if self.program is None else self.program.name
        return shlex.join((*self.within, name, *self.arguments))


def play(scenes: Sequence[Scene], place: Path, env: Mapping[str, str]) -> bool:
    """Show scenes in `place`, in this environment; return whether all of them ended as they have to."""
    for scene in scenes:
        say(scene.tells)
        show(typed(scene.typed))
        status = _run(scene, place, env)
        if status != scene.status:
            _failed(scene, status, place)
            return False
        show(BLANK)
    return True


def say(text: str) -> None:
    """Tell what comes next."""
    width = min(_MOST_WIDTH, shutil.get_terminal_size((_MOST_WIDTH, 24)).columns)
    show(*(line(Span(part, "dim")) for part in wrap(text, width)))


def typed(*words: str) -> Line:
    """Return what a user types."""
    return line(Span("$", "good"), " ", Span(" ".join(words), "head"))


def show(*lines: Line) -> None:
    """Write lines at once: what a command writes next comes after them."""
    write(sys.stdout, lines)
    sys.stdout.flush()


def _run(scene: Scene, place: Path, env: Mapping[str, str]) -> int:
    """Run the command of a scene in `place`, on our own output, and return its exit status."""
    # -P: not even a folder called `site` or `flakesync` in there is taken for a Python module.
    program = [sys.executable, "-P", "-m", "flakesync"] if scene.program is None else [str(scene.program)]
    argv = [*scene.within, *program, *scene.arguments]
    above = str(Path(flakesync.__file__).parent.parent)
    path = os.pathsep.join(filter(None, (above, env.get("PYTHONPATH"))))
    env = {**env, "PYTHONPATH": path}

    def begin() -> "child.Popen[bytes]":
        return child.Popen(argv, cwd=place, env=env, stdin=child.DEVNULL, start_new_session=True)

    # It ends what it has started by itself; asked a second time, it does so at once.
    with child.started(begin, lambda process, _: process.terminate()) as process:
        return process.wait()


def _failed(scene: Scene, status: int, place: Path) -> None:
    write(
        sys.stderr,
        [
            line(Span("error[demo-step]:", "bad"), f" `{scene.typed}` ended with status {status}, not {scene.status}"),
            line(Span("hint:", "name"), f" the workspace is still there: {place}"),
        ],
    )
