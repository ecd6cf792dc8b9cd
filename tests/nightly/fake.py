"""A flakesync that writes down how it was called and ends as it is told to, beside the real nightly script."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.nightly import recipes

# A call is its token and its arguments, each with a NUL behind it, and a record separator.
_FAKE = """#!/bin/sh
printf '%s\\0' "${{GITHUB_TOKEN-}}" "$@" "\036" >>"{log}"
echo "answer of $1"
case $1 in {ends} esac
"""


@dataclass(frozen=True)
class Ran:
    """What a script did. commands: the arguments of each flakesync, in their order. tokens: GITHUB_TOKEN of each."""

    status: int
    out: str
    err: str
    commands: list[list[str]]
    tokens: set[str]

    @property
    def steps(self) -> list[str]:
        """The commands without what is of this place: no workspace, and files and folders by their last name."""
        kept = [[each for each in command if not each.startswith("--workspace=")] for command in self.commands]
        return [" ".join(each if each.startswith("-") and "=" not in each else _last(each) for each in c) for c in kept]


def _last(text: str) -> str:
    option, equals, value = text.rpartition("=")
    return f"{option}{equals}{value.rpartition('/')[2]}"


@dataclass
class Fake:
    """A folder with programs that come first on PATH, and one to run scripts in. ends: by the command's name."""

    root: Path
    ends: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.bin.mkdir(parents=True)
        self.folder.mkdir()
        install(self.bin, self.log, self.ends)

    @property
    def bin(self) -> Path:
        return self.root / "bin"

    @property
    def folder(self) -> Path:
        return self.root / "job"

    @property
    def log(self) -> Path:
        return self.root / "calls"

    def run(self, argv: Sequence[str], **env: str) -> Ran:
        """Run a program in the folder."""
        given = {**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}", **env}
        ran = subprocess.run(
            argv, cwd=self.folder, env=given, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60,
            check=False,
        )  # fmt: skip
        logged = self.log.read_text() if self.log.exists() else ""
        self.log.unlink(missing_ok=True)
        calls = [call.split("\0")[:-1] for call in logged.split("\036\0")[:-1]]
        return Ran(ran.returncode, ran.stdout, ran.stderr, [call[1:] for call in calls], {call[0] for call in calls})

    def night(self, *options: str, **env: str) -> Ran:
        """Run flakesync-nightly."""
        return self.run(["flakesync-nightly", *options], **env)

    def bash(self, script: str, **env: str) -> Ran:
        """Run a script as runners do: with bash, up to the first command that fails."""
        return self.run(["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script], **env)


def install(folder: Path, log: Path, ends: Mapping[str, int]) -> None:
    """Put both programs into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    fake = folder / "flakesync"
    cases = " ".join(f"{command}) exit {status} ;;" for command, status in ends.items())
    fake.write_text(_FAKE.format(log=log, ends=cases))
    fake.chmod(0o755)
    shutil.copy(recipes.SCRIPT, folder / "flakesync-nightly")
